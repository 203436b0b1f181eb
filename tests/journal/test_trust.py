"""Who may have written a run folder: every opener asks, of the folder and of each file."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.journal import (
    Lock,
    SqliteJournal,
    SqliteReader,
    Untrusted,
    check_folder,
    check_trust,
    open_trusted,
    read_trusted,
    runs_in,
    trust,
)
from tests.journal.kit import HEADER
from tests.test_files import ROOT, rooms

ANOTHER = 65534
OPENERS: tuple[Callable[[Path], object], ...] = (
    SqliteReader,
    SqliteJournal.open,
    Lock,
    check_folder,
    check_trust,
    lambda folder: open_trusted(folder / "manifest.json"),
    lambda folder: read_trusted(folder / "audit.jsonl"),
)


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    """The folder of a run that has ended."""
    folder = tmp_path / "run"
    await SqliteJournal.create(folder, HEADER).close()
    return folder


def given_away(path: Path) -> None:
    """Give the file or folder to another user."""
    if os.geteuid() != 0:
        pytest.skip("only root may give a file to another user")
    os.chown(path, ANOTHER, -1)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_folder_of_another_owner_is_refused(run: Path, opener: Callable[[Path], object]) -> None:
    """The refusal names the folder, its owner, who asks, and what to do; for root, too."""
    given_away(run)
    with pytest.raises(Untrusted) as caught:
        opener(run)
    nobody = trust._name(ANOTHER)
    assert str(caught.value) == (
        f"{run} belongs to {nobody}, and you are root, so what it holds cannot be relied on: if you trust {nobody}, "
        f"copy the run to a folder of your own (`cp -r {run} COPY`) and use that, or make it yours "
        f"(`chown -R root {run}`), then run the same command again"
    )


@pytest.mark.parametrize("mode", [0o720, 0o702])
@pytest.mark.parametrize("opener", OPENERS)
def test_a_folder_that_others_may_write_is_refused(
    run: Path, opener: Callable[[Path], object], mode: int
) -> None:
    """Its group or everybody: either is enough, whatever they may read."""
    run.chmod(mode)
    with pytest.raises(Untrusted, match=r"^others may write .*, which belongs to \S+, so what it holds"):
        opener(run)


@pytest.mark.parametrize("name", ["journal.sqlite", "audit.jsonl", "manifest.json"])
@pytest.mark.parametrize(
    "spoil", [given_away, lambda path: path.chmod(0o620), lambda path: path.chmod(0o602)]
)
def test_each_file_is_looked_at(run: Path, name: str, spoil: Callable[[Path], None]) -> None:
    """A file that another owns or may write spoils the folder for whoever reads that file."""
    spoil(run / name)
    readers = {"journal.sqlite": (SqliteReader, SqliteJournal.open, Lock)}.get(
        name, (SqliteJournal.open, check_folder)
    )
    for opener in readers:
        with pytest.raises(Untrusted, match=name):
            opener(run)
    with pytest.raises(Untrusted, match=name):
        read_trusted(run / name)


def test_what_a_refused_opener_held_is_let_go(run: Path) -> None:
    """After a refusal the folder can be made one's own, and used by the same process."""
    (run / "manifest.json").chmod(0o666)
    with pytest.raises(Untrusted):
        SqliteJournal.open(run)
    (run / "manifest.json").chmod(0o600)
    with Lock(run):
        pass


def test_what_root_owns_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere in any case; for root, what another user owns is another's."""

    def owned_by(uid: int, mode: int = 0o700) -> os.stat_result:
        return os.stat_result((stat.S_IFDIR | mode, 0, 0, 1, uid, 0, 0, 0, 0, 0))

    for me, owner, trusted in (
        (1000, 1000, True),
        (1000, 0, True),
        (0, 0, True),
        (0, 1000, False),
        (1000, 1001, False),
    ):
        monkeypatch.setattr(os, "geteuid", lambda me=me: me)
        assert trust.is_trusted(owned_by(owner)) is trusted, (me, owner)
        assert not trust.is_trusted(owned_by(owner, 0o720))


async def test_the_runs_beside_are_judged_alike(run: Path) -> None:
    """The loop guard and what was learned pass over a run of another owner, as they do one that others may write."""
    assert runs_in(run.parent) == [run]
    given_away(run)
    assert runs_in(run.parent) == []


_READS = {"read_bytes", "read_text"}
_ALLOWED = {
    "orchestrator/journal/trust.py",
    "orchestrator/config/__init__.py",  # config.toml and what it names
    "orchestrator/config/reference.py",  # the reference configuration, which comes with the program
    "orchestrator/cloud/transport.py",  # the operator's own certificates
    "accounts/chain.py",  # the operator's own profiles
    "orchestrator/report/as_html.py",  # the page, which comes with the program
    "orchestrator/handler/ledger_store.py",  # the function's ledger
    "orchestrator/run/evaluations.py",  # what Cloud Config found, in a file that the user names
    "orchestrator/run/planning.py",  # keys
    "orchestrator/run/signing.py",  # keys
    "orchestrator/iac/managed.py",  # what the user's own code is, here and below
    "orchestrator/iac/input_file.py",
    "orchestrator/iac/sources.py",
}


def test_no_room_opens_a_run_folder_in_a_way_of_its_own() -> None:
    """Files are read through `open_trusted`, and the journal is opened in sqlite/file.py alone."""
    found = set()
    for path in rooms():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            opens = node.func.attr == "open" and any(
                isinstance(one, ast.Constant) and one.value == "rb" for one in node.args
            )
            if (node.func.attr in _READS or opens) and name not in _ALLOWED:
                found.add(f"{name}:{node.lineno}")
            if ast.unparse(node.func) == "sqlite3.connect" and name != "orchestrator/journal/sqlite/file.py":
                found.add(f"{name}:{node.lineno}")
    assert found == set()
