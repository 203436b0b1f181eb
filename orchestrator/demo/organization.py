"""`sgsweep demo`: the real commands, each a process of its own, against an emulator that it starts itself.

The world is seeded, so what each stage must find is foretold from how the world was made; a stage that ends
otherwise is said, and the demo ends with 1. Credentials of the environment are not used, nor is the network.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.emulator import Expected, World, WorldOutline
from orchestrator.files import replaced
from orchestrator.journal import OutcomeKind, read_trusted
from orchestrator.terminal import say, table

MEMBERS, SEED, CLOSED = 40, 7, 3
_EMULATE = (
    f"emulate --accounts {MEMBERS} --seed {SEED} --unreachable {CLOSED} --balancers --latency-ms 20 "
    "--limit 10 --window-seconds 1 --hint retry-after"
)
_CONFIG = (
    "# What the demo needs; see the reference config.toml for all there is.\n[limits]\nwindow_seconds = 1\n"
)


_NOT_THE_DEMOS = ("ALIBABA_CLOUD_", "SGSWEEP_", "HTTPS_PROXY", "NO_PROXY")


class Demo:
    """One demonstration in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.surprises: list[str] = []
        self._environment: dict[str, str] = {}
        world = World.generate(WorldOutline(SEED, MEMBERS, unreachable=CLOSED, balancers=True))
        all_open = World.generate(WorldOutline(SEED, MEMBERS, balancers=True))
        closed = {one for one in world.account_ids if world.roles.get(one) != all_open.roles.get(one)}
        self.foretold = Expected.of(world, frozenset(closed))

    def run(self) -> int:
        """Go through every stage; return 0 when each ended as foretold, else 1."""
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        with replaced(self.folder / "config.toml") as file:
            file.write(_CONFIG.encode())
        say(f"An emulated organization of {MEMBERS + 1} accounts in 28 regions, on loopback.")
        with self._emulator():
            original = self._world()
            self._scan_and_plan()
            self._apply_and_verify()
            self._scan_again()
            self._roll_one_back(original)
            self._command("report first --format csv", {0})
        self._tell(time.monotonic() - began)
        return 1 if self.surprises else 0

    # --- stages

    def _scan_and_plan(self) -> None:
        self._command("scan --out first --balancers", {3})
        failing = self.foretold.risky | self.foretold.managed | self.foretold.balanced
        self._expect("groups with something open", self._groups("first", {"open", "managed"}), failing)
        unseen = {one["account_id"] for one in self._lines("first/unreachable.jsonl")}
        self._expect("accounts that do not let us in", unseen, self.foretold.closed_accounts)
        self._command("plan first", {3}, quiet=True)
        planned = {one["security_group_id"] for one in self._document("first/plan.json")["actions"]}
        to_change = self.foretold.risky | self.foretold.balanced
        self._expect("groups to change, those of cloud services left alone", planned, to_change)
        balanced = {one["security_group_id"] for one in self._lines("first/findings.jsonl") if one["balancer_id"]
                    and one["status"] == "open"}  # fmt: skip
        self._expect(
            "groups that a load balancer opens, whatever their rules say", balanced, self.foretold.balanced
        )

    def _apply_and_verify(self) -> None:
        digest = self._document("first/plan.json")["digest"]
        self._command(f"apply first/plan.json --digest {digest} --yes", {0})
        outcomes = list(self._lines("first/outcomes.jsonl"))
        failed = {one["rule_id"] for one in outcomes if not OutcomeKind(one["outcome"]).is_change}
        self._expect("changes that did not succeed", failed, set())
        self._command("verify first", {3})

    def _scan_again(self) -> None:
        self._command("scan --out second --balancers", {3})
        still = self._groups("second", {"open"})
        self._expect("groups that were to be closed and are not", still, set())

    def _roll_one_back(self, original: dict[str, list[str]]) -> None:
        """Roll back a group in which rules were split, and see that its rules say the same as before."""
        outcomes = list(self._lines("first/outcomes.jsonl"))
        group = min(one["security_group_id"] for one in outcomes if one["outcome"] == "split")
        self._command(f"rollback first --group {group} --yes", {0})
        same = self._world()[group] == original[group]
        self._expect("groups that are not as before the change", set() if same else {group}, set())

    # --- tools

    @contextmanager
    def _emulator(self) -> Iterator[None]:
        """Start the emulator as a process, take its address and keys, and end it at the end."""
        command = [sys.executable, "-m", "orchestrator.cli", *_EMULATE.split()]
        clean = {k: v for k, v in os.environ.items() if not k.upper().startswith(_NOT_THE_DEMOS)}
        clean["HOME"] = str(self.folder.resolve())  # so that no profile of the user's is found
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        with subprocess.Popen(command, env=clean, **pipes) as it:  # noqa: S603 (our own command)
            try:
                self._environment = {**clean, **_exports(it.stdout or [])}
                yield
            finally:
                it.terminate()

    def _command(self, line: str, expected: set[int], *, quiet: bool = False) -> None:
        """Run one command of ours as its user would; what it says is shown unless it is long."""
        say()
        say(f"$ sgsweep {line}")
        ended = subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "-m", "orchestrator.cli", *shlex.split(line)],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )
        if quiet:
            shown = ended.stderr.splitlines()
            for one in (*shown[:12], f"  ... {max(len(shown) - 15, 0)} lines more ...", *shown[-3:]):
                say(one)
        if ended.returncode not in expected:
            self.surprises.append(f"sgsweep {line}: exit code {ended.returncode}, foretold {expected}")

    def _expect(self, what: str, found: Collection[str], foretold: Collection[str]) -> None:
        if set(found) == set(foretold):
            say(f"  as foretold: {len(found)} {what}")
            return
        extra, missing = sorted(set(found) - set(foretold)), sorted(set(foretold) - set(found))
        self.surprises.append(f"{what}: not foretold {extra[:5]}, missing {missing[:5]}")
        say(f"  NOT AS FORETOLD: {self.surprises[-1]}")

    def _world(self) -> dict[str, list[str]]:
        """Ask the emulator what every group's rules are, by what they say and not by their ids."""
        url = f"{self._environment['SGSWEEP_ENDPOINT']}/_emulator/world"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (our own emulator)
            accounts = json.load(answer)
        return {
            group: sorted(
                json.dumps({k: v for k, v in rule.items() if k not in _NEW}, sort_keys=True) for rule in rules
            )
            for regions in accounts.values()
            for groups in regions.values()
            for group, rules in groups.items()
        }

    def _groups(self, run: str, statuses: set[str]) -> set[str]:
        """Return the groups with a failing finding of one of these statuses."""
        return {
            one["security_group_id"]
            for one in self._lines(f"{run}/findings.jsonl")
            if one["verdict"] == "fail" and one["status"] in statuses
        }

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        path = self.folder / name
        if path.exists():
            yield from map(json.loads, read_trusted(path).splitlines())

    def _document(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        document: dict[str, Any] = json.loads(read_trusted(path)) if path.exists() else _NOTHING
        return document

    def _tell(self, seconds: float) -> None:
        """Say it all in one table that a manager understands."""
        before, after = self._document("first/summary.json"), self._document("second/summary.json")
        say()
        say("                              before     after")
        table([(f"{name:<26}", f"{value(before):>8}", f"{value(after):>8}") for name, value in _ROWS])
        say(f"  not seen: {CLOSED} accounts have no role that lets us in; they are listed, not passed over")
        say(f"  {seconds:.0f} seconds for every command together")
        say(f"  the run folders: {self.folder}; open {self.folder / 'first' / 'report.html'}")
        for surprise in self.surprises:
            say(f"NOT AS FORETOLD: {surprise}")
        if not self.surprises:
            say("every stage ended as foretold")


_NEW = frozenset({"SecurityGroupRuleId", "CreateTime"})  # a rule that was put back has new ones
_NOTHING: dict[str, Any] = {"actions": [], "digest": "none"}
_ROWS: tuple[tuple[str, Callable[[dict[str, Any]], float]], ...] = (
    ("accounts reached", lambda s: s["accounts"]["reached"]),
    ("accounts unreachable", lambda s: s["accounts"]["unreachable"]),
    ("regions", lambda s: s["regions"]),
    ("security groups", lambda s: s["security_groups"]),
    ("rules", lambda s: s["rules"]),
    ("open findings", lambda s: sum(s["open"].values())),
    ("  on rules", lambda s: s["open_rules"]),
    ("  with a public address", lambda s: s["open"]["exposed"]),
    ("managed by a service", lambda s: sum(one["managed"] for one in s["findings"].values())),
    ("calls", lambda s: s["api"]["calls"]),
    ("throttled", lambda s: s["api"]["throttled"]),
    ("seconds", lambda s: s["seconds"]),
)


def _exports(lines: Any) -> dict[str, str]:  # noqa: ANN401 (what a process writes)
    """Read the `export NAME=value` lines that `emulate` gives before it serves."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            found[name] = value
        if len(found) == 3:
            return found
    raise RuntimeError("the emulator did not start")
