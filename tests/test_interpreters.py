"""Which Pythons are found, and that no environment is shared between two."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(path: Path, version: str) -> Path:
    """Make a Python that says it is of that version, and is this one in all else; its environments lack pip."""
    numbers = version.replace(".", ", ")
    says = f"import sys; sys.version_info = ({numbers}); sys._base_executable = '{path}'; "
    ask = f'if [ "$1" = -c ]; then exec "{sys.executable}" -c "{says}exec(sys.argv[1])" "$2"; fi'
    return script(path, f'{ask}\nexec "{sys.executable}" "$@" --without-pip')


def script(path: Path, text: str) -> Path:
    """Make a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def found(home: Path, *arguments: str | Path) -> list[str]:
    """Return what .ci/interpreters prints where the path is `home/bin` alone."""
    environment = {"PATH": str(home / "bin"), "HOME": str(home)}
    command = ["/bin/sh", ROOT / ".ci/interpreters", *arguments]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 (ours)
    return said.stdout.splitlines()


def test_the_newest_comes_first_and_each_version_once(tmp_path: Path) -> None:
    """On the path, or among pyenv's versions; not what is too old, and not what does not answer."""
    script(tmp_path / "bin/python3.14", "exit 127")  # a shim of pyenv for a version that is not switched on
    one = python(tmp_path / "bin/python3.11", "3.11.2")
    two = python(tmp_path / "bin/python3", "3.13.5")
    three = python(tmp_path / ".pyenv/versions/3.12.10/bin/python3.12", "3.12.10")
    python(tmp_path / ".pyenv/versions/3.11.7/bin/python3.11", "3.11.7")
    assert found(tmp_path) == [f"3.12.10 {three}", f"3.11.2 {one}", f"3.13.5 {two}"]
    python(tmp_path / "bin/python3.13", "3.13.1")
    assert [line.split()[0] for line in found(tmp_path)] == ["3.13.1", "3.12.10", "3.11.2"]


def test_a_python_that_is_named_counts_only_if_it_will_do(tmp_path: Path) -> None:
    """One that is too old, or is not there, is not taken; nor is another in its place."""
    good = python(tmp_path / "bin/python3.12", "3.12.1")
    old = python(tmp_path / "old/python3", "3.10.13")
    assert found(tmp_path, good) == [f"3.12.1 {good}"]
    assert found(tmp_path, old) == []
    assert found(tmp_path, tmp_path / "nothing") == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout as far as making an environment needs it."""
    (tmp_path / ".ci").mkdir()
    for name in ("Makefile", ".ci/interpreters"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(checkout: Path, python: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Have make make the environment for that Python."""
    program = shutil.which("make")
    if program is None:
        pytest.skip("there is no make on the path")
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout)}  # nothing of a make that runs this test
    command = [program, "-s", f"PYTHON={python}", f".venv/.made-with-{version}"]
    return subprocess.run(  # noqa: S603 (our own Makefile)
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def test_two_pythons_never_share_an_environment(checkout: Path) -> None:
    """One that the same version made is kept; one of another version is made anew, and that is said."""
    first, second = python(checkout / "a", "3.12.1"), python(checkout / "b", "3.13.0")
    assert (made := make(checkout, first, "3.12.1")).returncode == 0, made.stderr
    kept = checkout / ".venv/kept"
    kept.touch()
    assert (made := make(checkout, first, "3.12.1")).returncode == 0, made.stderr
    assert kept.exists()
    made = make(checkout, second, "3.13.0")
    assert made.returncode == 0, made.stderr
    assert made.stderr == ".venv was made with another Python; making it anew with Python 3.13.0\n"
    assert not kept.exists()
    assert not (checkout / ".venv/.made-with-3.12.1").exists()
    assert (checkout / ".venv/bin/python").exists()


def test_what_is_no_environment_is_left_alone(checkout: Path) -> None:
    """A folder of that name that holds something else is not cleared."""
    (checkout / ".venv").mkdir()
    (checkout / ".venv/thesis.txt").touch()
    made = make(checkout, python(checkout / "a", "3.12.1"), "3.12.1")
    assert made.returncode == 2
    assert ".venv is no virtual environment" in made.stderr
    assert (checkout / ".venv/thesis.txt").exists()


def test_a_python_that_is_too_old_is_refused_in_a_sentence(checkout: Path) -> None:
    """It says what is needed and which was refused."""
    made = make(checkout, python(checkout / "old", "3.10.13"), "")
    assert made.returncode == 2
    assert "sgsweep needs Python 3.11 or newer" in made.stderr
    assert str(checkout / "old") in made.stderr


def test_the_versions_that_are_looked_for_are_those_that_are_claimed() -> None:
    """The classifiers, the oldest that is required, and the script name the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    claimed = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    looked_for = re.findall(r"for version in (.*);", (ROOT / ".ci/interpreters").read_text())[0].split()
    assert looked_for == claimed[::-1]
    assert project["requires-python"] == f">={claimed[0]}"


def test_no_statement_numbers_its_placeholders() -> None:
    """Python 3.12.0 to 3.12.3 warn of `?1` with a sequence, and warnings are errors: only one of those shows it."""
    sources = [path for room in ("accounts", "orchestrator") for path in (ROOT / room).rglob("*.py")]
    texts = [
        (path.name, node.value)
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    statements = [one for one in texts if re.search(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", one[1])]
    assert len(statements) > 50
    assert not [one for one in statements if re.search(r"\?\d", one[1])]
