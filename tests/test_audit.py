"""The audit trail: what was done cannot be unsaid without being noticed."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.audit import (
    AuditRecord,
    Chains,
    Phase,
    Problem,
    cut,
    record_hash,
    verify,
)

ACCOUNTS = ("1001", "1002", "1003")


def record(account_id: str = "1001", **more: object) -> AuditRecord:
    """A record as remediation makes it."""
    plain = AuditRecord(
        at="2026-11-01T00:00:00Z",
        phase=Phase.intent,
        who="acs:ram::1000:assumed-role/sgsweep/run",
        account_id=account_id,
        region_id="cn-hangzhou",
        security_group_id="sg-1",
        rule_id="sgr-1",
        action="revoke",
        before={"SecurityGroupRuleId": "sgr-1", "PortRange": "22/22", "Priority": 1},
        check_ids=("ssh",),
    )
    return msgspec.structs.replace(plain, **more)


def trail(count: int, accounts: tuple[str, ...] = ACCOUNTS) -> tuple[list[bytes], bytes]:
    """Lines and manifest of records that go round the accounts."""
    chains = Chains("run-1")
    lines = [chains.seal(record(accounts[n % len(accounts)]))[1] for n in range(count)]
    return lines, chains.manifest()


def found(lines: list[bytes], manifest: bytes | None) -> list[tuple[str, int, str, int]]:
    """The problems without their sentences."""
    return [(p.kind, p.line, p.account_id, p.seq) for p in verify(lines, manifest)]


def split(data: bytes) -> list[bytes]:
    """Lines as iterating over a binary file gives them: only a newline ends one."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def test_a_trail_as_it_was_written_has_no_problem() -> None:
    """Intact records of several accounts verify, and so does a run that changed nothing."""
    assert verify(*trail(9)) == []
    assert verify(*trail(0)) == []


def test_each_account_has_a_chain_and_the_run_has_lines() -> None:
    """A record names its place in its account, in the run, and the record of its account before it."""
    chains = Chains("run-1")
    first, _ = chains.seal(record("1001"))
    other, _ = chains.seal(record("1002"))
    second, _ = chains.seal(record("1001"))
    assert [(r.line, r.seq) for r in (first, other, second)] == [(1, 1), (2, 1), (3, 2)]
    assert second.prev == first.hash
    assert first.hash == record_hash(first)


def test_a_chain_goes_on_where_an_earlier_process_stopped() -> None:
    """Chains made anew from their heads continue them: the trail of two processes verifies as one."""
    before = Chains("run-1")
    first, line_1 = before.seal(record())
    after = Chains("run-1", before.heads, before.line)
    _, line_2 = after.seal(record())
    assert verify([line_1, line_2], after.manifest()) == []
    assert first.seq == 1


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_changed_byte_is_found_and_its_line_named(flip: int) -> None:
    """Whatever byte of the file is changed, the line that holds it is named."""
    lines, manifest = trail(6)
    data = b"".join(lines)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= flip
        damaged = 1 + data[:position].count(b"\n")
        problems = verify(split(bytes(changed)), manifest)
        assert damaged in {problem.line for problem in problems}, (position, problems)


def test_every_changed_byte_of_the_manifest_is_found() -> None:
    """The manifest cannot be changed either, not even in a way that leaves it the same JSON."""
    lines, manifest = trail(4)
    for position in range(len(manifest)):
        changed = bytearray(manifest)
        changed[position] ^= 0x01
        assert verify(lines, bytes(changed)), position
    assert verify(lines, manifest.replace(b":", b": ", 1))
    assert verify(lines, b"")
    assert verify(lines, None)[0].kind == "manifest"


def test_every_removed_record_is_named() -> None:
    """A record taken out is named by its line, and by its account and place there."""
    lines, manifest = trail(9)
    for index in range(9):
        problems = verify(lines[:index] + lines[index + 1 :], manifest)
        account_id, seq = ACCOUNTS[index % 3], index // 3 + 1
        assert index + 1 in {p.line for p in problems if p.kind in {"removed", "truncated"}}
        assert (account_id, seq) in {(p.account_id, p.seq) for p in problems}


def test_every_cut_is_found() -> None:
    """The file cut after any byte is found, down to nothing left of it."""
    lines, manifest = trail(5)
    data = b"".join(lines)
    for size in range(len(data)):
        problems = verify(split(data[:size]), manifest)
        assert any(p.kind in {"truncated", "unreadable", "changed"} for p in problems), size
    assert "empty" in verify([], manifest)[0].text


def test_every_emptied_record_is_named() -> None:
    """A line blanked out is named, whether with nothing, spaces or an empty object."""
    lines, manifest = trail(6)
    for index in range(6):
        for nothing in (b"\n", b"   \n", b"{}\n", b"\x00\x00\n"):
            problems = verify([*lines[:index], nothing, *lines[index + 1 :]], manifest)
            assert ("unreadable", index + 1) in {(p.kind, p.line) for p in problems}


def test_every_swap_is_found() -> None:
    """Two records that change places are both found out, near or far, of one account or of two."""
    lines, manifest = trail(8)
    for first in range(8):
        for second in range(first + 1, 8):
            moved = list(lines)
            moved[first], moved[second] = moved[second], moved[first]
            problems = verify(moved, manifest)
            assert "reordered" in {p.kind for p in problems}
            assert second + 1 in {p.line for p in problems}


def test_a_repeated_and_an_added_record_are_found() -> None:
    """A record that stands twice, and one that the manifest does not count, are named."""
    lines, manifest = trail(6)
    assert ("reordered", 7, "1001", 2) in found([*lines, lines[3]], manifest)
    assert ("reordered", 4, "1003", 1) in found([*lines[:3], lines[2], *lines[3:]], manifest)
    more, _ = trail(7)
    assert found(more, manifest)[0] == ("unsealed", 7, "1001", 3)


def test_a_record_rewritten_with_its_hash_breaks_the_chain_after_it() -> None:
    """Who changes a record and computes its hash anew is given away by the next record of the account."""
    lines, manifest = trail(9)
    forged = msgspec.structs.replace(msgspec.json.decode(lines[3], type=AuditRecord), rule_id="sgr-other")
    forged = msgspec.structs.replace(forged, hash=record_hash(forged))
    line = msgspec.json.encode(forged, order="sorted") + b"\n"
    assert ("unlinked", 7, "1001", 3) in found([*lines[:3], line, *lines[4:]], manifest)


def test_a_tail_forged_throughout_does_not_fit_the_manifest() -> None:
    """Even a consistent new history is found: the manifest names another end."""
    lines, manifest = trail(3)
    chains = Chains("run-1")
    forged = [chains.seal(record(account_id, rule_id="sgr-9"))[1] for account_id in ACCOUNTS]
    assert {(kind, account_id) for kind, _, account_id, _ in found([*forged[:1], *lines[1:]], manifest)} == {
        ("changed", "1001")
    }


def test_records_of_another_run_are_foreign() -> None:
    """A line copied from another run's file is named as such."""
    lines, manifest = trail(3)
    other = Chains("run-2").seal(record())[1]
    assert ("foreign", 1, "1001", 1) in found([other, *lines[1:]], manifest)


@given(st.binary(max_size=400), st.integers(0, 5))
def test_no_bytes_upset_the_verification(junk: bytes, index: int) -> None:
    """Whatever stands in a line's place, it is reported, never raised."""
    lines, manifest = trail(6)
    problems = verify([*lines[:index], *split(junk + b"\n"), *lines[index + 1 :]], manifest)
    assert all(isinstance(problem, Problem) for problem in problems)
    assert problems


@pytest.mark.parametrize(
    "value",
    [b"1e999", b"9" * 400, b"[" * 3000 + b"]" * 3000, b'"\\ud800"', b"NaN", b'"\xff"'],
    ids=["infinite", "huge", "deep", "surrogate", "nan", "latin"],
)
def test_hostile_json_is_a_damaged_line(value: bytes) -> None:
    """JSON made to break a parser is a damaged line like any other."""
    lines, manifest = trail(2)
    hostile = lines[0].replace(b'"Priority":1', b'"Priority":' + value)
    assert {p.line for p in verify([hostile, lines[1]], manifest)} >= {1}


@pytest.mark.parametrize("seed", range(3))
def test_random_combinations_of_damage_are_found(seed: int) -> None:
    """Several random mutations at once never cancel out."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for _ in range(100):
        lines, manifest = trail(dice.randint(2, 12))
        mutated = list(lines)
        for _ in range(dice.randint(1, 3)):
            index = dice.randrange(len(mutated)) if mutated else 0
            match dice.randrange(4):
                case 0:
                    del mutated[index : index + 1]
                case 1:
                    mutated.insert(index, dice.choice(lines))
                case 2:
                    dice.shuffle(mutated)
                case _:
                    mutated[index : index + 1] = [b"{}\n"]
        assert bool(verify(mutated, manifest)) == (mutated != lines)


def test_free_text_is_cut_and_holds_no_credential() -> None:
    """A reason is short, and what looks like a key or a token is taken out of it."""
    secret = "STS.NUgYrLnoC37mZZCNnAbez"
    text = f"token={secret} AccessKeyId=LTAI5tABCDEFGHIJKLMNOP RequestId 7B3A9C2E-11AF-4F4C-8C2D-B7F2D3C1E0AA"
    sealed, line = Chains("run-1").seal(record(reason=text + " x" * 5000))
    assert len(sealed.reason) <= 500
    assert b"LTAI5t" not in line
    assert b"STS." not in line
    assert "7B3A9C2E-11AF-4F4C-8C2D-B7F2D3C1E0AA" in sealed.reason
    assert cut("short") == "short"


def test_a_before_image_keeps_every_field_a_rollback_needs() -> None:
    """A description of the API's full length is kept whole; a monstrous one is cut."""
    full = {"Description": "d" * 512, "Priority": 1, "PortRange": "22/22"}
    assert Chains("r").seal(record(before=full))[0].before == full
    sealed, line = Chains("r").seal(record(before={"Description": "d" * 1_000_000}))
    assert sealed.before is not None
    assert len(line) < 2500
