"""What apply, rollback and close refuse, and that nothing is changed then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL
from tests.cli.desk import Cloud, Desk, emulated
from tests.cli.terminal import on_terminal


@pytest.fixture
def run(desk: Desk, planned: tuple[Path, str]) -> Path:
    """A copy of the planned run in the desk's folder."""
    return shutil.copytree(planned[0], desk.folder / "run")


def changed(cloud: Cloud | None) -> int:
    """Return how many rules were changed so far."""
    assert cloud is not None
    words = ("Revoke", "Authorize", "Modify")
    return sum(1 for call in cloud.calls(changes=True) if call["action"].startswith(words))


def test_a_digest_is_needed_and_must_fit(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Exit 4 without one, with half of one, and with another plan's."""
    other = "0" * 64
    for given, said in (
        ((), "no digest was given"),
        (("--digest", planned[1][:-1]), "a digest has 64"),
        (("--digest", other), f"this is another plan: its digest is {planned[1]}"),
    ):
        ended = desk.sgsweep("apply", "run/plan.json", *given, "--yes")
        assert ended.code == 4
        assert said in ended.err
    assert changed(desk.cloud) == 0


def test_a_plan_edited_by_one_byte(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Wherever the byte is, the plan is refused with 4; so is one byte more."""
    data = (run / "plan.json").read_bytes()
    middle = data.index(b"sgr-") + 6
    for edited in (data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :], data + b"\n"):
        (run / "plan.json").write_bytes(edited)
        ended = desk.sgsweep("apply", "run/plan.json", "--digest", planned[1], "--yes")
        assert ended.code == 4
        assert "the plan was changed" in ended.err
    assert changed(desk.cloud) == 0


def test_nobody_is_there_to_be_asked(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Without a terminal and without --yes nothing is changed, whatever stands on stdin."""
    ended = desk.sgsweep("apply", "run/plan.json", "--digest", planned[1], typed="3\n")
    assert ended.code == 2
    assert "give --yes" in ended.err
    assert changed(desk.cloud) == 0


@pytest.mark.parametrize(
    "typed",
    ["\x03", pytest.param("99\n", marks=pytest.mark.soak), pytest.param("\x04", marks=pytest.mark.soak)],
)
def test_a_person_says_no(desk: Desk, run: Path, planned: tuple[Path, str], typed: str) -> None:
    """Another number, an end of file or Ctrl-C at the question: 4, at once, and nothing is changed."""
    ended = on_terminal(desk, "apply", "run/plan.json", "--digest", planned[1], typed=typed)
    assert ended.code == 4, ended.err
    assert "rules in 3 accounts will be changed" in ended.err
    assert "not confirmed; nothing was changed" in ended.err
    assert changed(desk.cloud) == 0


def test_an_old_plan_and_keys_that_are_none(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Age: 4. A key that is none: 2. Both name what is wrong."""
    old = desk.configure("[remediation]\nmax_age_hours = 0.0000001\n", "old.toml")
    line = ("apply", "run/plan.json", "--digest", planned[1], "--yes")
    aged = desk.sgsweep(*line, "-c", old.name)
    assert aged.code == 4
    assert "hours old" in aged.err
    (desk.folder / "key.pem").write_text("no key\n")
    for ended, said in (
        (desk.sgsweep(*line, "--require-signature", "key.pem"), "the key key.pem is not a public key in PEM"),
        (
            desk.sgsweep(*line, "--sign-record", "key.pem"),
            "the signing key is not an unencrypted private key",
        ),
        (
            desk.sgsweep("plan", "run", "--sign", "key.pem"),
            "the signing key is not an unencrypted private key",
        ),
        (desk.sgsweep("sign", "run/plan.json", "--key", "key.pem"), "the signing key is not an unencrypted"),
        (desk.sgsweep("sign", "run", "--key", "none.pem"), "the key none.pem cannot be read: No such file"),
    ):
        assert ended.code == 2
        assert said in ended.err
    assert changed(desk.cloud) == 0


def test_a_plan_of_another_cloud(desk: Desk, run: Path, planned: tuple[Path, str], tmp_path: Path) -> None:
    """A plan made for one endpoint is refused at another, though hub and world are the same."""
    with emulated(*SMALL) as other:
        stranger = Desk(tmp_path, other)
        ended = stranger.sgsweep("apply", "run/plan.json", "--digest", planned[1], "--yes")
        assert ended.code == 4, ended.err
        assert other.url in ended.err
        assert changed(other) == 0


def test_there_is_nothing_to_put_back(desk: Desk, run: Path) -> None:
    """A rollback of a run that changed nothing is a mistake, 2, and says so in words."""
    ended = desk.sgsweep("rollback", "run", "--yes")
    assert (ended.code, ended.last) == (2, "sgsweep: this run has changed nothing: nothing to put back")


def test_the_stop_file(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """With STOP in the run folder nothing is changed: 3, and what to do."""
    (run / "STOP").touch()
    ended = desk.sgsweep("apply", "run/plan.json", "--digest", planned[1], "--yes")
    assert ended.code == 3
    assert "run/STOP exists: remove it to go on" in ended.err
    assert changed(desk.cloud) == 0


def test_one_incident_is_not_another(own_desk: Desk) -> None:
    """Run again with other ports or another name in the same folder, it is refused: nothing passes unseen."""
    first = own_desk.sgsweep("close", "3389", "--incident", "A", "--yes")
    assert first.code == 0, first.err
    for line in (
        "close 22 --incident A",
        "close 3389 --incident A --region cn-hangzhou",
        "close 3389 --incident B --out sgsweep-A",
    ):
        ended = own_desk.sgsweep(*line.split(), "--yes")
        assert ended.code == 2, ended.err
        assert "sgsweep-A holds a run for incident A, ports 3389" in ended.err
    again = own_desk.sgsweep("close", "3389", "--incident", "A", "--yes")
    assert again.code == 0
    assert "pass 2: every account was read again" in again.err
    assert "nothing was read now" not in first.err
