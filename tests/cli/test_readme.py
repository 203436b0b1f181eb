"""What the README shows is what happens: its lines, as they stand, one after the other, at one desk."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, Ended, emulated
from tests.cli.test_compare import theirs, write

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ENDS = {
    "evidence": {0, 3},
    "scan": {1, 3},
    "apply": {0, 1},
    "verify": {0, 1},
    "rollback": {0},
    "diff": {0, 1},
    "compare": {0, 1, 3},
}
"""How a command may end where it has not gone wrong; the others end with 0."""


def lines(heading: str) -> list[str]:
    """The lines of the first block under a heading, without what stands there as a comment."""
    block = re.search(rf"^##+ {heading}\n.*?^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert block
    return [line.partition("#")[0].strip() for line in block[1].splitlines()]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that the lines of this module share, as a reader's is."""
    with emulated("--accounts", "3", "--seed", "11") as cloud:
        desk = Desk(tmp_path_factory.mktemp("readme"), cloud)
        (desk.folder / "config.toml").unlink()
        yield desk


def before(desk: Desk, line: str) -> None:
    """Make what a line takes for granted: a second run, the other product's results."""
    if line.startswith("sgsweep diff"):
        assert desk.sgsweep("scan", "-c", "my.toml", "--out", "runs/friday").code in ENDS["scan"]
    if line.startswith("sgsweep compare"):
        write(desk, theirs(desk, desk.folder / "runs/monday"))


def carried_out(desk: Desk, shown: list[str]) -> dict[str, Ended]:
    """Run the lines in their order; `HEX` is the digest that an earlier one printed; nobody is there to confirm."""
    ended: dict[str, Ended] = {}
    for line in shown:
        before(desk, line)
        command = line.split()[1]
        printed = [done.out.strip() for known, done in ended.items() if known.startswith("sgsweep plan ")]
        typed = line.replace("HEX", "".join(printed))
        if command in {"apply", "rollback"}:
            typed += " --yes"
        ended[line] = desk.shell(f"{typed} </dev/null" if command != "init" else f"yes '' | {typed}")
        assert ended[line].code in ENDS.get(command, {0}), f"{line}\n{ended[line].err}"
    return ended


@pytest.mark.timeout(400)  # evidence asks ActionTrail twice a second, as the service allows
def test_the_lines_under_use_run_as_they_stand(used: Desk) -> None:
    """From a new configuration to a difference of two runs, each line ends as its comment says."""
    ended = carried_out(used, lines("Use"))
    assert {line.split()[1] for line in ended} >= {
        "init",
        "scan",
        "plan",
        "apply",
        "verify",
        "rollback",
        "diff",
    }
    assert "<!doctype html>" in next(done.out for line, done in ended.items() if "--format html" in line)
    assert (used.folder / "parts/index.html").exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on PATH")
def test_the_lines_under_who_approves_run_as_they_stand(used: Desk) -> None:
    """Two people sign a plan and then its record; what both must have signed is carried out and taken back."""
    for name in ("alice", "bob"):
        made = used.shell(
            f"openssl genpkey -algorithm ed25519 -out {name}.pem && "
            f"openssl pkey -in {name}.pem -pubout -out {name}.pub && chmod 600 {name}.pem"
        )
        assert made.code == 0, made.err
    shutil.rmtree(used.folder / "runs", ignore_errors=True)
    used.configure("")
    assert used.sgsweep("scan", "--out", "runs/monday").code in ENDS["scan"]
    plan = used.sgsweep("plan", "runs/monday").out.strip()
    without = used.sgsweep(
        "apply", "runs/monday/plan.json", "--digest", plan, "--require-signature", "alice.pub", "--yes"
    )
    assert without.code == 4
    assert used.shell("sgsweep sign runs/monday/plan.json --key bob.pem").code == 0
    for line in lines("Who approves"):
        if line.startswith("openssl"):
            continue  # done, for two
        if " rollback " in line:
            assert used.shell("sgsweep sign runs/monday --key bob.pem").code == 0
            told = used.shell(f"{line.replace('--digest HEX ', '')} --yes")
            assert told.code == 0, told.err
            continue
        done = used.shell(f"{line.replace('HEX', plan)} {'--yes' if ' apply ' in line else ''}")
        assert done.code in ENDS.get(line.split()[1], {0}), f"{line}\n{done.err}"
