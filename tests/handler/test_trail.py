"""What the function leaves behind can be verified from a copy of its ledger: nothing in it goes, or changes, unseen."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from orchestrator import run
from orchestrator.audit import AuditRecord
from orchestrator.cli import output
from orchestrator.cli.exit_codes import of_verify
from orchestrator.emulator import Emulator, Fault, Kind
from orchestrator.handler import RemediationFailed
from orchestrator.handler.function_log import Voice
from orchestrator.handler.invocation_trail import InvocationTrail
from orchestrator.handler.ledger_store import FolderStore, LedgerError, Store
from orchestrator.journal import check_ledger, entry_name, entry_number
from orchestrator.run import UsageError
from tests.cli.desk import Desk
from tests.handler.conftest import Site, accept
from tests.handler.test_ledger import cloud, opened
from tests.journal.kit import record

__all__ = ["cloud"]  # the fixture

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LINE_BYTES = 32_768  # of a line of Function Compute's log


def trail(store: Store, request_id: str = "req-1", said: list[str] | None = None) -> InvocationTrail:
    """The trail of an invocation."""
    write = said.append if said is not None else lambda _: None
    return InvocationTrail(store, request_id, Voice(request_id, write), lambda: NOW)


async def keep(it: InvocationTrail, rule_id: str, reason: str = "") -> None:
    """Keep a record of a rule in an object of its own."""
    await it.keep(record(rule_id, reason=reason), f"intents/1001/r/sg-1/{rule_id}.intent.json", _Object)


class _Object(msgspec.Struct):
    """An object that holds a record."""

    record: AuditRecord


@pytest.fixture
def kept(site: Site, tmp_path: Path) -> Path:
    """The ledger of three invocations that have each closed a door."""
    for number in range(3):
        site.context.request_id = f"req-{number}"
        site.group(accept(f"sgr-{number}"), name=f"sg-{number}")
        assert site.remedy(site.item(f"sg-{number}"))["groups"] == {"changed": 1}
    return tmp_path / "ledger"


def test_a_ledger_verifies(kept: Path, site: Site) -> None:
    """Six entries of three invocations, two records each; the log says the number and hash of each entry."""
    checked = check_ledger(kept)
    assert (checked.problems, checked.unfinished) == ((), ())
    assert (checked.records, checked.invocations, checked.newest) == (6, 3, 6)
    told = [line for line in site.said() if line.get("sgsweep") == "trail"]
    assert [line["number"] for line in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1]["sha256"] == checked.newest_hash


def _entry(kept: Path, number: int) -> Path:
    return kept / entry_name(number)


def _objects(kept: Path, group: str, kind: str = "") -> list[Path]:
    return sorted(path for path in (kept / "intents").rglob(f"*{kind}.json") if f"/{group}/" in str(path))


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink()


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _swap(one: Path, other: Path) -> None:
    mine, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(theirs)
    other.write_bytes(mine)


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda at: _remove(*_objects(at, "sg-1"), _entry(at, 3), _entry(at, 4)), "lacks entry 3 to 4"),
        (lambda at: _remove(_entry(at, 3)), "lacks entry 3"),
        (lambda at: _remove(_entry(at, 4)), "lacks entry 4"),
        (lambda at: _remove(_entry(at, 5), _entry(at, 6)), "has no invocation of that name"),
        (lambda at: _remove(*_objects(at, "sg-1", ".intent")), "intent.json is gone"),
        (lambda at: _remove(*_objects(at, "sg-1", ".outcome")), "outcome.json is gone"),
        (lambda at: _edit(_objects(at, "sg-1", ".intent")[0], "0.0.0.0/0", "10.0.0.0/8"), "not as it was written"),
        (lambda at: _edit(_objects(at, "sg-1", ".intent")[0], '"job":"function-', '"job":"x-'), "not as it was"),
        (lambda at: _edit(_objects(at, "sg-1", ".intent")[0], '"record":', '"recrd":'), "holds no record"),
        (lambda at: _swap(*_objects(at, "sg-1")), "not as it was written"),
        (lambda at: _edit(_entry(at, 3), "req-1", "req-9"), "entry 4 of the trail does not follow"),
        (lambda at: _edit(_entry(at, 4), '"count":2', '"count":3'), "entry 5 of the trail does not follow"),
        (lambda at: _edit(_entry(at, 6), '"count":2', '"count":3'), "line 3 is gone"),
        (lambda at: _edit(_entry(at, 6), '"number":6', '"number": 6'), "not as it was written"),
        (lambda at: _entry(at, 6).write_text("{"), "entry 6 of the trail .* is none"),
        (lambda at: (at / "trail" / "x.json").write_text("{}"), "trail/x.json is no entry"),
        (
            lambda at: (at / "intents" / "more.intent.json").write_bytes(_objects(at, "sg-1")[0].read_bytes()),
            "more.intent.json is none of the objects that it has written",
        ),
        (lambda at: _entry(at, 7).write_bytes(_entry(at, 5).read_bytes()), "entry 7 .* not as it was written"),
    ],
)  # fmt: skip
def test_what_was_done_to_a_ledger_shows(kept: Path, tamper: Callable[[Path], object], said: str) -> None:
    """An invocation or an object that was removed, edited, moved or added is named, and the command ends with 4."""
    tamper(kept)
    found = run.verify_offline(kept)
    assert of_verify(found) == 4
    assert any(re.search(said, one.text) for one in found.problems), found.problems


def test_the_command_verifies_a_ledger(kept: Path, tmp_path: Path) -> None:
    """`sgsweep verify LEDGER --offline` says what it holds and what to hold its end against; 4 where it is broken."""
    desk = Desk(tmp_path)
    done = desk.sgsweep("verify", str(kept), "--offline")
    assert (done.code, "the audit trail is consistent, unsigned: 6 records" in done.err) == (0, True)
    assert check_ledger(kept).newest_hash in done.err
    assert desk.sgsweep("verify", str(kept)).code == 2
    _remove(*_objects(kept, "sg-1"))
    assert desk.sgsweep("verify", str(kept), "--offline").code == 4
    with pytest.raises(UsageError, match="nobody signs"):
        run.verify_offline(kept, [kept / "key.pem"])


async def test_invocations_at_the_same_time_make_one_chain(cloud: Emulator, tmp_path: Path) -> None:
    """However many begin and end at once, over OSS too, each takes a number of its own and follows the one before."""
    async with opened(cloud, "oss://ledger/p") as store:
        trails = [trail(store, f"req-{number}") for number in range(12)]

        async def one(number: int, it: InvocationTrail) -> None:
            await keep(it, f"sgr-{number}")
            await it.close()

        await asyncio.gather(*(one(number, it) for number, it in enumerate(trails)))
        names = await store.keys("")
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await store.get(name) or b"")
        newest = await store.keys("trail/", most=1)
    checked = check_ledger(tmp_path)
    assert (checked.problems, checked.newest, checked.invocations) == ((), 24, 12)
    assert [entry_number(name) for name in newest] == [24]


def test_a_record_that_is_longer_than_a_line_of_the_log(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the ledger in full; the log has its hash, and no line that Function Compute would cut."""
    monkeypatch.delenv("SGSWEEP_PORTS")  # many ports to cut out of ALL
    site.group(accept("sgr-all", "-1/-1", ip_protocol="ALL", description="\u5b89" * 512))
    assert site.remedy(site.item())["groups"] == {"changed": 1}
    said = site.said()
    (told, *_) = [line for line in said if line.get("sgsweep") == "audit record in the ledger"]
    assert max(len(json.dumps(line, ensure_ascii=False).encode()) for line in said) < LINE_BYTES
    kept = json.loads((tmp_path / "ledger" / told["kept"]).read_bytes())
    line = json.dumps(kept["record"], separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    assert (len(line) + 1, ledger_hash(line + b"\n")) == (told["bytes"], told["sha256"])
    assert told["bytes"] > LINE_BYTES
    assert of_verify(run.verify_offline(tmp_path / "ledger")) == 0


def ledger_hash(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


async def test_an_invocation_that_did_not_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that the platform has ended is named, and is no sign of tampering: what it had kept is whole."""
    it = trail(FolderStore(tmp_path))
    await keep(it, "sgr-1")
    found = run.verify_offline(tmp_path)
    assert found.ledger
    assert [one.request_id for one in found.ledger.unfinished] == ["req-1"]
    assert (of_verify(found), found.records) == (0, 1)
    assert output.verified(found, tmp_path, offline=True) == 0
    assert "NOT ENDED: invocation req-1" in capsys.readouterr().err


class _Broken(FolderStore):
    """A folder in which objects of some names cannot be written."""

    def __init__(self, root: Path, *names: str, after: bool = False) -> None:
        super().__init__(root)
        self._names = names
        self._after = after

    async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """Write an object, or fail; with `after`, fail when it is written."""
        if any(name in key for name in self._names):
            if self._after:
                await super().put(key, data, only_new=only_new)
            raise OSError("the disk is full")
        return await super().put(key, data, only_new=only_new)


@pytest.mark.parametrize("after", [False, True])
async def test_a_record_that_could_not_be_kept(tmp_path: Path, *, after: bool) -> None:
    """The change is not made; the chain goes on, and the record stands in the invocation's last entry."""
    said: list[str] = []
    it = trail(_Broken(tmp_path, "sgr-2", after=after), said=said)
    await keep(it, "sgr-1")
    with pytest.raises(LedgerError, match="cannot be written"):
        await keep(it, "sgr-2")
    await keep(it, "sgr-3")
    await it.close()
    checked = check_ledger(tmp_path)
    assert checked.problems == ()
    lines = [json.loads(line) for line in said]
    assert [line["rule_id"] for line in lines if "phase" in line] == ["sgr-1", "sgr-2", "sgr-3"]


async def test_records_are_said_in_their_order(tmp_path: Path) -> None:
    """Whichever object is written first: so the lines of the log can be verified as they come."""

    class Slow(FolderStore):
        async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
            if "sgr-1" in key:
                await asyncio.sleep(0.05)
            return await super().put(key, data, only_new=only_new)

    said: list[str] = []
    it = trail(Slow(tmp_path), said=said)
    await asyncio.gather(*(keep(it, f"sgr-{number}") for number in range(4)))
    assert [json.loads(line)["line"] for line in said if '"phase"' in line] == [1, 2, 3, 4]


def test_nothing_is_changed_before_the_trail_says_so(site: Site) -> None:
    """Where the trail cannot be written, no rule is touched."""
    site.set(ledger="oss://ledger/p")
    site.group(accept("sgr-1"))
    site.emulator.set_faults(Fault(kind=Kind.ERROR_BEFORE, action="PutObject", count=None))
    with pytest.raises(RemediationFailed, match="ledger"):
        site.remedy(site.item())
    assert site.wrote() == []


async def test_a_second_delivery_keeps_its_record_beside_the_first(tmp_path: Path) -> None:
    """The platform tries again under the same RequestId: both records stand, and both invocations verify."""
    for reason in ("first", "second"):
        it = trail(FolderStore(tmp_path))
        await keep(it, "sgr-1", reason)
        await it.close()
    checked = check_ledger(tmp_path)
    assert (checked.problems, checked.records, checked.invocations) == ((), 2, 2)
    assert len(list((tmp_path / "intents").rglob("*.again.json"))) == 1
