"""Writing a file: whole or not at all, on disk, for its owner, never through a link, and nothing left beside it."""

from __future__ import annotations

import ast
import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.files import make_folder, replaced

ROOT = Path(__file__).parents[1]
# Begins to write, says so, and waits to be told to end, or is killed.
_WRITER = """
import pathlib, sys
from orchestrator.files import replaced
with replaced(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    sys.stdin.readline()
"""


def put(path: Path, data: bytes, *, only_new: bool = False) -> None:
    """Write a file."""
    with replaced(path, only_new=only_new) as file:
        file.write(data)


def writer(path: Path) -> subprocess.Popen[bytes]:
    """Return another process in the middle of writing the file."""
    process = subprocess.Popen(  # noqa: S603 - our own Python
        [sys.executable, "-c", _WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


def ended(process: subprocess.Popen[bytes], *, killed: bool) -> None:
    """Let the process end, or kill it where it stands."""
    if killed:
        process.kill()
    process.communicate(b"\n")


def test_until_it_is_whole_the_old_file_stands(tmp_path: Path) -> None:
    """Whoever reads meanwhile reads the old one; an error leaves it, and nothing beside it."""
    path = tmp_path / "plan.json"
    put(path, b"old")
    with pytest.raises(ValueError, match="no more"), replaced(path) as file:  # noqa: PT012 - it fails in the middle
        file.write(b"new")
        assert path.read_bytes() == b"old"
        raise ValueError("no more")
    assert path.read_bytes() == b"old"
    put(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("only_new", [False, True])
def test_the_file_then_its_name_then_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, only_new: bool
) -> None:
    """The content is on disk before the name stands for it, and the folder after: power may fail at any moment."""
    path, real, seen = tmp_path / "plan.json", os.fsync, []

    def synced(fd: int) -> None:
        found = os.fstat(fd)
        is_folder = os.path.samestat(found, tmp_path.stat())
        seen.append(("folder" if is_folder else f"{found.st_size} bytes", path.exists()))
        real(fd)

    monkeypatch.setattr(os, "fsync", synced)
    put(path, b"whole", only_new=only_new)
    assert seen == [("5 bytes", False), ("folder", True)]


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    """Mode 0600 whatever the mask is, and whatever the mode of the file that was there."""
    path = tmp_path / "plan.json"
    path.touch(mode=0o666)
    path.chmod(0o666)
    mask = os.umask(0)
    try:
        with replaced(path) as file:
            file.write(b"x")
            assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir() if one != path} == {0o600}
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """Links in the file's place and beside it, symbolic, hard and to nowhere: what they point to stays as it was."""
    theirs, nowhere, folder = tmp_path / "theirs", tmp_path / "nowhere", tmp_path / "run"
    theirs.write_bytes(b"theirs")
    folder.mkdir()
    path = folder / "plan.json"
    path.symlink_to(theirs)
    (folder / ".plan.json.part0").symlink_to(theirs)
    (folder / ".plan.json.part1").symlink_to(nowhere)
    (folder / ".plan.json.part2").hardlink_to(theirs)
    (folder / ".plan.json.part3").mkdir()
    put(path, b"ours")
    assert (theirs.read_bytes(), path.read_bytes()) == (b"theirs", b"ours")
    assert not path.is_symlink()
    assert not nowhere.exists()


@pytest.mark.parametrize("crashes", [1, 2])
def test_what_a_crash_leaves_goes_with_the_next_writing(tmp_path: Path, crashes: int) -> None:
    """Killed in the middle, writers leave files beside the old one, which stands; the next one removes them."""
    path = tmp_path / "plan.json"
    put(path, b"old")
    writers = [writer(path) for _ in range(crashes)]
    for one in writers:
        ended(one, killed=True)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1 + crashes
    put(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_is_writing_is_not_left_over(tmp_path: Path) -> None:
    """A second writer neither waits for the first nor takes its file away: both put a whole one there."""
    path = tmp_path / "plan.json"
    first = writer(path)
    put(path, b"second")
    assert path.read_bytes() == b"second"
    ended(first, killed=False)
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]


def test_many_at_once(tmp_path: Path) -> None:
    """Threads that write one path all the time never disturb one another, and nobody reads half a file."""
    path, troubles = tmp_path / "outcome.json", list[Exception]()
    whole = {bytes([letter]) * 5000 for letter in b"abcdef"}

    def work(content: bytes) -> None:
        try:
            for _ in range(40):
                put(path, content)
                assert path.read_bytes() in whole
        except Exception as error:  # noqa: BLE001 - a thread's error is the test's
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(content,)) for content in whole]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_first_is_new(tmp_path: Path) -> None:
    """With `only_new` whoever comes later fails by the path's name, and the first one's file stands."""
    path = tmp_path / "intent.json"
    put(path, b"first", only_new=True)
    with pytest.raises(FileExistsError) as caught:
        put(path, b"second", only_new=True)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_path(tmp_path: Path) -> None:
    """A folder that is not there, a folder in the file's place: never the name of the file beside it."""
    blocked = tmp_path / "blocked"
    (blocked / "full").mkdir(parents=True)
    for path, code in ((tmp_path / "no" / "plan.json", errno.ENOENT), (blocked, errno.EISDIR)):
        with pytest.raises(OSError, match=path.name) as caught:
            put(path, b"x")
        assert (caught.value.errno, caught.value.filename) == (code, str(path))
    assert list(tmp_path.iterdir()) == [blocked]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    """What is read while writing, and fails, is told by its own name."""
    with pytest.raises(FileNotFoundError) as caught, replaced(tmp_path / "report.html"):
        (tmp_path / "template").read_bytes()
    assert str(caught.value.filename) == str(tmp_path / "template")


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be locked the error says so, by the path's name, and nothing is left."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="No locks available") as caught:
        put(tmp_path / "plan.json", b"x")
    assert caught.value.filename == str(tmp_path / "plan.json")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder that is made is on disk: the ones that hold them are synced, and no other; its own mode is 0700."""
    real, seen = os.fsync, list[os.stat_result]()

    def synced(fd: int) -> None:
        seen.append(os.fstat(fd))
        real(fd)

    monkeypatch.setattr(os, "fsync", synced)
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    assert {one.st_ino for one in seen} == {tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    seen.clear()
    make_folder(folder)
    assert seen == []


# Nobody writes otherwise ------------------------------------------------------------------------------------

_MODULES = {"os", "shutil", "tempfile"}
_OF_MODULES = {"open", "replace", "rename", "link", "symlink", "mkstemp", "copy", "move"}
_OF_PATHS = {"write_text", "write_bytes", "rename", "hardlink_to", "symlink_to", "touch"}
_ALLOWED = {
    "orchestrator/files.py",
    # The SQLite file and its lock are opened, never replaced; the trail is appended to.
    "orchestrator/journal/sqlite/file.py",
    "orchestrator/journal/sqlite/trail.py",
    "orchestrator/terminal.py",  # opens the bottomless file in place of a closed stdout
}


def rooms() -> Iterator[Path]:
    """Every module but the emulator's, which shares no code with the rooms."""
    for package in ("accounts", "orchestrator"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "emulator" not in path.relative_to(ROOT).parts:
                yield path


def writes_of(tree: ast.AST) -> list[int]:
    """The lines that write, rename or open a file for writing by other means than `replaced`."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _writes(node)]


def _writes(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    name, owner = call.func.attr, call.func.value
    if isinstance(owner, ast.Name) and owner.id in _MODULES:
        return name in _OF_MODULES
    if name == "replace":  # of a text it takes two arguments, of a value or a time names
        return len(call.args) == 1 and not call.keywords
    if name == "open":
        modes = [str(one.value) for one in call.args if isinstance(one, ast.Constant)]
        return any(set(mode) & set("wax+") for mode in modes)
    return name in _OF_PATHS


def test_no_room_writes_files_in_a_way_of_its_own() -> None:
    """One atomic write: whatever writes, renames or opens for writing stands in files.py, but for the database."""
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in rooms()
        if path.relative_to(ROOT).as_posix() not in _ALLOWED
        for line in writes_of(ast.parse(path.read_bytes()))
    }
    assert found == set()


@pytest.mark.parametrize(
    "code",
    [
        "path.write_text('x')",
        "part.replace(path)",
        "os.open(path, 1)",
        "os.replace(a, b)",
        "path.open('wb')",
        "path.touch()",
    ],
)
def test_a_write_would_be_found(code: str) -> None:
    """The test before is not blind."""
    assert writes_of(ast.parse(code)) == [1]
