"""Signatures of a plan and of a run's record: who must have signed has, this one, as it is, and for this cloud."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from orchestrator import run
from orchestrator.approval import ApprovalError, sign
from orchestrator.audit import AuditRecord, Chains
from orchestrator.cli.exit_codes import of_changes, of_verify
from orchestrator.emulator import World, WorldOutline
from orchestrator.journal import Lock, OutcomeKind, RunInUse, TrailBroken
from orchestrator.plan import decode, encode, signed_of_old, subject, with_signature
from orchestrator.run import Approval, Changed, Progress, RefusedError, UsageError
from orchestrator.run.sealed import SIGNATURES
from tests.run.conftest import Desk, MakeDesk

Keys = tuple[Path, Path]


def key_pair(folder: Path, name: str) -> Keys:
    """Make an Ed25519 key; return the files of its private and public half."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def desk(desk_at: MakeDesk) -> Desk:
    """A desk at a very small organization."""
    return desk_at(World.generate(WorldOutline(11, 2, region_ids=1, groups_per_account=4)))


@pytest.fixture
def alice(tmp_path: Path) -> Keys:
    """One who approves."""
    return key_pair(tmp_path, "alice")


@pytest.fixture
def bob(tmp_path: Path) -> Keys:
    """Another."""
    return key_pair(tmp_path, "bob")


def planned(desk: Desk) -> Path:
    """Scan and plan; return the plan's file."""
    desk.scan()
    return run.plan(desk.folder / "first", desk.config).path


def apply(desk: Desk, path: Path, *keys: Path) -> Changed:
    """Apply the plan without being asked."""
    approval = Approval(decode(path.read_bytes()).digest, keys)
    return asyncio.run(run.apply(path, approval, desk.config, lambda *_: None, Progress()))


def rollback(
    desk: Desk, folder: Path, *keys: Path, digest: str = "", told: list[str] | None = None
) -> Changed:
    """Roll back without being asked."""
    progress = Progress(told=(told if told is not None else []).append)
    approval = Approval(digest, keys)
    work = run.rollback(folder, {}, desk.config, lambda *_: None, progress, None, approval)
    return asyncio.run(work)


def changes(desk: Desk) -> int:
    """How many rules were changed so far, by the emulator's record."""
    return sum(1 for call in desk.emulator.calls if call.changes and call.action != "AssumeRole")


def test_a_plan_needs_all_who_must_sign(desk: Desk, alice: Keys, bob: Keys) -> None:
    """A second signer adds to the first, the plan stays what it is, and only then is it carried out."""
    path = planned(desk)
    digest = decode(path.read_bytes()).digest
    for signer, missing in ((alice, "alice.pub"), (bob, "bob.pub")):
        with pytest.raises(RefusedError, match=f"it is not signed by .*{missing}"):
            apply(desk, path, alice[1], bob[1])
        assert run.sign_plan(path, signer[0]).subject.digest == digest
    assert changes(desk) == 0
    assert of_changes(apply(desk, path, alice[1], bob[1])) == 0


def test_a_plan_is_signed_when_it_is_made(desk: Desk, alice: Keys, bob: Keys) -> None:
    """`plan --sign` and `sign` are the same; who wants a signature from two keys does not get it from one."""
    desk.scan()
    path = run.plan(desk.folder / "first", desk.config, [alice[0]]).path
    twin = path.parent.parent / "twin.pub"
    shutil.copy(alice[1], twin)
    with pytest.raises(ApprovalError, match=r"alice\.pub and .*twin\.pub hold the same key"):
        apply(desk, path, alice[1], twin)
    with pytest.raises(UsageError, match="has signed this already, at 2"):
        run.sign_plan(path, alice[0])
    run.sign_plan(path, bob[0])
    assert changes(desk) == 0
    assert of_changes(apply(desk, path, alice[1], bob[1])) == 0


def test_a_signature_that_does_not_count_is_told(desk: Desk, alice: Keys) -> None:
    """Of another organization, expired, of old, or of another plan: apply says which, and can be signed again."""
    path = planned(desk)
    plan, pem, now = decode(path.read_bytes()), alice[0].read_bytes(), datetime.now(UTC)
    elsewhere = msgspec.structs.replace(subject(plan), organization="1", digest=plan.digest)
    past = (now - timedelta(hours=1)).isoformat()
    key = load_pem_private_key(pem, None)
    assert isinstance(key, Ed25519PrivateKey)
    of_old = msgspec.structs.replace(
        plan, signatures=(b64encode(key.sign(signed_of_old(plan))).decode(),)
    )  # as it was written before there was more to a signature than that
    for signed, said in (
        (with_signature(plan, sign(elsewhere, pem, now)), "signed it for organization 1, and it is of"),
        (
            with_signature(plan, sign(subject(plan), pem, now, expires=past)),
            f"expired at {past}".replace("+", r"\+"),
        ),
        (of_old, "signed it with an sgsweep of old"),
    ):
        path.write_bytes(encode(signed))
        with pytest.raises(RefusedError, match=said):
            apply(desk, path, alice[1])
        run.sign_plan(path, alice[0])  # no obstacle to a good one
    assert changes(desk) == 0
    assert of_changes(apply(desk, path, alice[1])) == 0


def test_a_key_that_others_may_read_signs_nothing(desk: Desk, alice: Keys) -> None:
    """Nor one that is none, or the other half; nothing is written then."""
    path = planned(desk)
    before = path.read_bytes()
    private, public = alice
    with pytest.raises(ApprovalError, match="a public one: give the other half"):
        run.sign_plan(path, public)
    with pytest.raises(UsageError, match="it has more than 65536 bytes"):
        run.sign_plan(path, Path("/dev/zero"))
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        run.sign_plan(path, path.parent)
    private.chmod(0o640)
    for use in (
        lambda: run.sign_plan(path, private),
        lambda: run.sign_record(path.parent, private),
        lambda: run.plan(path.parent, desk.config, [private]),
    ):
        with pytest.raises(UsageError, match=f"others may read the key {private}"):
            use()
    assert path.read_bytes() == before


def test_what_is_signed_is_at_rest(desk: Desk, alice: Keys) -> None:
    """Not while another process works there; a copy of a plan in a folder that is no run is signed as it is."""
    path = planned(desk)
    with Lock(path.parent):
        for sign_it in (run.sign_plan, run.sign_record):
            with pytest.raises(RunInUse):
                sign_it(path if sign_it is run.sign_plan else path.parent, alice[0])
    copy = desk.folder / "copy"
    copy.mkdir()
    shutil.copy(path, copy)
    assert run.sign_plan(copy / path.name, alice[0]).signatures == 1
    assert {one.name for one in copy.iterdir()} == {path.name}
    with pytest.raises(UsageError, match=r"has changed nothing yet.*sgsweep sign .*plan\.json --key"):
        run.sign_record(path.parent, alice[0])


def test_a_record_needs_all_who_must_sign_it_as_it_is(desk: Desk, alice: Keys, bob: Keys) -> None:
    """Verify and rollback want each of them; after a rollback the record is longer, and has to be signed anew."""
    path = planned(desk)
    apply(desk, path)
    folder, before = path.parent, changes(desk)
    for signer in (alice, bob):
        found = run.verify_offline(folder, [alice[1], bob[1]])
        assert (of_verify(found), {one.kind for one in found.problems}) == (4, {"unsigned"})
        with pytest.raises(RefusedError, match="not signed by all who must have: it is not signed by"):
            rollback(desk, folder, alice[1], bob[1])
        run.sign_record(folder, signer[0])
    with pytest.raises(UsageError, match="has signed this already"):
        run.sign_record(folder, bob[0])
    found = run.verify_offline(folder, [alice[1], bob[1]])
    assert of_verify(found) == 0
    assert found.proof.startswith(f"consistent, signed by {alice[1]} at 2")
    assert changes(desk) == before
    told: list[str] = []
    done = rollback(desk, folder, alice[1], bob[1], told=told)
    assert set(done.outcomes) == {OutcomeKind.rolled_back}
    assert told[0].startswith(f"the record that is rolled back is consistent, signed by {alice[1]}")
    (stale,) = run.verify_offline(folder, [bob[1]]).problems
    assert f"signed the record as it was with {found.records} entries" in stale.text
    assert run.sign_record(folder, bob[0]).signatures == 1  # what was signed of an earlier state goes
    assert not run.verify_offline(folder, [bob[1]]).problems


def test_what_an_unsigned_record_proves_is_said_as_it_is(desk: Desk, alice: Keys) -> None:
    """It is consistent and no more; signatures that nobody checked are told as such; a rollback says it first."""
    path = planned(desk)
    apply(desk, path)
    assert run.verify_offline(path.parent).proof == "consistent, unsigned"
    run.sign_record(path.parent, alice[0])
    assert "its signatures (1) are not checked" in run.verify_offline(path.parent).proof
    (path.parent / SIGNATURES).unlink()
    told: list[str] = []
    rollback(desk, path.parent, told=told)
    assert told[0] == "the record that is rolled back is consistent, unsigned"


def test_a_record_that_was_signed_of_old(desk: Desk, alice: Keys) -> None:
    """Its signature is one line of base64: the answer says that it says too little; a new one stands in its place."""
    path = planned(desk)
    apply(desk, path)
    folder = path.parent
    key = load_pem_private_key(alice[0].read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    data = b"sgsweep manifest\n" + (folder / "manifest.json").read_bytes()
    (folder / SIGNATURES).write_bytes(b64encode(key.sign(data)) + b"\n")
    (problem,) = run.verify_offline(folder, [alice[1]]).problems
    assert "with an sgsweep of old" in problem.text
    run.sign_record(folder, alice[0])
    assert not run.verify_offline(folder, [alice[1]]).problems
    (folder / SIGNATURES).write_bytes(b"\xff{ damaged\n")
    (problem,) = run.verify_offline(folder, [alice[1]]).problems
    assert "it is not signed by" in problem.text


def recompute(folder: Path) -> None:
    """Write the record anew with one word changed, every hash and the journal with it: nothing contradicts itself."""
    chains = Chains(json.loads((folder / "manifest.json").read_bytes())["run_id"])
    with sqlite3.connect(folder / "journal.sqlite") as db:
        lines = []
        for (body,) in db.execute("SELECT body FROM audit ORDER BY line").fetchall():
            record = msgspec.json.decode(body, type=AuditRecord)
            sealed, line = chains.seal(msgspec.structs.replace(record, reason=f"{record.reason} forged"))
            db.execute("UPDATE audit SET hash = ?, body = ? WHERE line = ?", (sealed.hash, line, sealed.line))
            lines.append(line)
    db.close()
    (folder / "audit.jsonl").write_bytes(b"".join(lines))
    (folder / "manifest.json").write_bytes(chains.manifest())


def test_a_record_that_was_written_anew(desk: Desk, alice: Keys) -> None:
    """Here it is known from before; elsewhere only a signature shows it: without one it is consistent, unsigned."""
    path = planned(desk)
    apply(desk, path)
    run.sign_record(path.parent, alice[0])
    recompute(path.parent)
    found = run.verify_offline(path.parent)
    assert of_verify(found) == 4
    assert "is another one than was seen before" in found.problems[0].text
    before = changes(desk)
    with pytest.raises(TrailBroken, match="is not the latest that was seen"):
        rollback(desk, path.parent)
    moved = desk.folder / "elsewhere" / "run"
    shutil.copytree(path.parent, moved)
    (moved / SIGNATURES).unlink()
    assert run.verify_offline(moved).proof == "consistent, unsigned"
    shutil.copy(path.parent / SIGNATURES, moved)
    with pytest.raises(RefusedError, match="signed the record as it was"):
        rollback(desk, moved, alice[1])
    assert changes(desk) == before
    told: list[str] = []
    (moved / SIGNATURES).unlink()
    rollback(desk, moved, told=told)
    assert told[0].endswith("consistent, unsigned")


def test_an_edited_record_is_not_rolled_back_from(desk: Desk) -> None:
    """An edit in journal and file alike, but for the hashes: it opens, and is refused before anything is changed."""
    path = planned(desk)
    apply(desk, path)
    folder, before = path.parent, changes(desk)
    with sqlite3.connect(folder / "journal.sqlite") as db:
        bodies = [body for (body,) in db.execute("SELECT body FROM audit ORDER BY line")]
        edited = [body.replace(b'"who":"acs', b'"who":"bcs') for body in bodies]
        db.executemany(
            "UPDATE audit SET body = ? WHERE line = ?", zip(edited, range(1, len(edited) + 1), strict=True)
        )
    db.close()
    assert edited != bodies
    (folder / "audit.jsonl").write_bytes(b"".join(edited))
    with pytest.raises(RefusedError, match=r"the audit trail is broken: line 1 .* was changed"):
        rollback(desk, folder)
    with pytest.raises(RefusedError, match="broken, so it is not signed"):
        run.sign_record(folder, key_pair(desk.folder, "eve")[0])
    assert changes(desk) == before


def test_an_old_state_does_not_pass_for_the_newest(desk: Desk, alice: Keys) -> None:
    """A signed run folder of before the rollback, put back as a whole: verify says so, and nothing goes on from it."""
    path = planned(desk)
    apply(desk, path)
    folder = path.parent
    run.sign_record(folder, alice[0])
    kept = shutil.copytree(folder, desk.folder / "kept" / "first")
    rollback(desk, folder, alice[1])
    before = changes(desk)
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    found = run.verify_offline(folder, [alice[1]])
    assert (of_verify(found), [one.kind for one in found.problems]) == (4, ["older"])
    seen = "is not the latest that was seen of this run"
    with pytest.raises(TrailBroken, match=seen):
        rollback(desk, folder, alice[1])
    with pytest.raises(TrailBroken, match=seen):
        apply(desk, path)
    with pytest.raises(RefusedError, match="this is an older state of the run"):
        run.sign_record(folder, alice[0])
    assert changes(desk) == before
    # on purpose: what was seen is forgotten by hand
    (mark,) = (folder.parent / ".sgsweep-heads").iterdir()
    assert str(mark) in found.problems[0].text
    mark.unlink()
    assert not run.verify_offline(folder, [alice[1]]).problems
    assert mark.exists()  # seen again


def test_what_was_seen_is_not_believed_from_others(desk: Desk) -> None:
    """Where others may write, or the file is none, nothing is known of before; where nothing can be written, either."""
    path = planned(desk)
    apply(desk, path)
    heads = path.parent.parent / ".sgsweep-heads"
    (mark,) = heads.iterdir()
    seen = json.loads(mark.read_bytes())
    heads.chmod(0o700)
    mark.write_text(json.dumps({**seen, "heads": {"1": {"seq": 1, "hash": "x"}}}))
    assert of_verify(run.verify_offline(path.parent)) == 4
    heads.chmod(0o777)
    assert of_verify(run.verify_offline(path.parent)) == 0
    heads.chmod(0o700)
    mark.write_bytes(b"none")
    assert of_verify(run.verify_offline(path.parent)) == 0
    shutil.rmtree(heads)
    heads.touch()
    assert of_verify(run.verify_offline(path.parent)) == 0


def test_a_rollback_is_approved_by_its_digest(desk: Desk) -> None:
    """It is told before anything is changed, the same each time for the same; another is refused."""
    path = planned(desk)
    apply(desk, path)
    before, told = changes(desk), list[str]()
    with pytest.raises(
        RefusedError, match=r"this is another rollback: its digest is [0-9a-f]{64}, 0a was given"
    ):
        rollback(desk, path.parent, digest="0a", told=told)
    assert changes(desk) == before
    digest = told[-1].removeprefix("the digest of this rollback: ")
    assert rollback(desk, path.parent, digest=digest).digest == digest
    again = rollback(desk, path.parent, digest=digest)
    assert (again.nothing_left, again.digest) == (True, digest)
