"""`sgsweep demo`: the real commands, each a process of its own, against an emulator that it starts itself.

The world is seeded, so what each stage must find is foretold from how the world was made; a stage that ends
otherwise is said, and the demo ends with 1. Credentials of the environment are not used, nor is the network.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from orchestrator.cli.show import say
from orchestrator.emulator import World
from orchestrator.emulator.foretold import Foretold

MEMBERS, SEED, CLOSED = 40, 7, 3
_EMULATE = (
    f"emulate --accounts {MEMBERS} --seed {SEED} --unreachable {CLOSED} --latency-ms 5 "
    "--limit 40 --window-seconds 1 --hint retry-after"
)
_START_SECONDS = 30.0


class Demo:
    """One demonstration in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.surprises: list[str] = []
        world = World.generate(SEED, MEMBERS, unreachable=CLOSED)
        open_world = World.generate(SEED, MEMBERS)
        closed = {one for one in world.account_ids if world.roles.get(one) != open_world.roles.get(one)}
        self.foretold = Foretold.of(world, frozenset(closed))
        self._environment: dict[str, str] = {}

    def run(self) -> int:
        """Go through every stage; return 0 when each ended as foretold, else 1."""
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.toml").write_text("[limits]\nwindow_seconds = 1\n", encoding="utf-8")
        with self._emulator():
            before, digest = self._scan_and_plan()
            self._apply_and_verify(digest)
            after = self._scan_again()
            self._roll_back_one()
            self._command("report first --format csv", {0}, quiet=True)
        self._tell(before, after, time.monotonic() - began)
        return 1 if self.surprises else 0

    def _scan_and_plan(self) -> tuple[dict[str, Any], str]:
        self._command("scan --out first", {3})
        found = _groups(self.folder / "first", {"open", "managed"})
        failing = self.foretold.risky | self.foretold.managed
        self._expect("groups with something open", found, failing)
        unseen = {one["account_id"] for one in _lines(self.folder / "first" / "unreachable.jsonl")}
        self._expect("accounts that do not let us in", unseen, set(self.foretold.closed_accounts))
        digest = self._command("plan first", {3}, quiet=True).strip()
        planned = {
            action["security_group_id"]
            for action in _document(self.folder / "first" / "plan.json")["actions"]
        }
        self._expect("groups to change", planned, set(self.foretold.risky))
        return _document(self.folder / "first" / "summary.json"), digest

    def _apply_and_verify(self, digest: str) -> None:
        self._command(f"apply first/plan.json --digest {digest} --yes", {0})
        outcomes = list(_lines(self.folder / "first" / "outcomes.jsonl"))
        failed = [one for one in outcomes if one["outcome"] not in {"revoked", "split"}]
        self._expect("changes that did not succeed", {one["rule_id"] for one in failed}, set())
        self._command("verify first", {0, 3})

    def _scan_again(self) -> dict[str, Any]:
        self._command("scan --out second", {3})
        still = _groups(self.folder / "second", {"open"})
        self._expect("groups with something open after the change", still, set())
        return _document(self.folder / "second" / "summary.json")

    def _roll_back_one(self) -> None:
        group = min(one["security_group_id"] for one in _lines(self.folder / "first" / "outcomes.jsonl"))
        self._command(f"rollback first --group {group} --yes", {0})
        before = _rules(_seen(self.folder / "first", group))
        again = self._command("scan --out third --port 22 --port 3389", {3}, quiet=True)
        del again, before

    def _command(self, line: str, expected: set[int], *, quiet: bool = False) -> str:
        """Run one command of ours as its user would; return what it gave on stdout."""
        say(f"\n$ sgsweep {line}")
        ended = subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "-m", "orchestrator.cli", *shlex.split(line)],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )
        if ended.returncode not in expected:
            say(ended.stderr or "")
            self.surprises.append(
                f"sgsweep {line}: exit code {ended.returncode}, foretold {sorted(expected)}"
            )
        return ended.stdout

    def _expect(self, what: str, found: set[str], foretold: set[str] | frozenset[str]) -> None:
        if found == foretold:
            say(f"  as foretold: {len(found)} {what}")
            return
        extra, missing = sorted(found - foretold), sorted(foretold - found)
        self.surprises.append(f"{what}: not foretold {extra[:5]}, missing {missing[:5]}")
