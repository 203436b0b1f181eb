"""A user's desk: a folder, an environment, the command as a process; and the cloud, another process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

COMMAND = (sys.executable, "-m", "orchestrator.cli")
PATIENCE_SECONDS = 60.0
_NO_CHANGES: Mapping[str, str] = {}
_EXPORT = re.compile(r"export (\w+)=(\S+)")
_HTTPS = re.compile(r"# https: (\S+) with ca_file (\S+)")
_KEYS = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """What it said last on stderr: of an error, the sentence."""
        return self.err.strip().rpartition("\n")[2]


class Cloud:
    """A `sgsweep emulate` process: its address and the hub's keys, and its control surface."""

    def __init__(self, exports: dict[str, str], https: tuple[str, str]) -> None:
        self.url = exports["SGSWEEP_ENDPOINT"]
        self.keys = {name: exports[name] for name in _KEYS}
        self.https_url, self.ca_file = https

    @property
    def secret(self) -> str:
        """The hub's secret, which must never be seen."""
        return self.keys[_KEYS[1]]

    def calls(self, *, changes: bool = False) -> list[dict[str, Any]]:
        """Return the calls that arrived, or only those that changed something."""
        found: list[dict[str, Any]] = self._ask(f"calls{'?changes=1' if changes else ''}")
        return found

    def world(self) -> dict[str, list[str]]:
        """Return what the rules of each group say, without ids and times."""
        return {
            group: sorted(json.dumps(_said(rule), sort_keys=True) for rule in rules)
            for regions in self._ask("world").values()
            for groups in regions.values()
            for group, rules in groups.items()
        }

    def expire(self) -> None:
        """Expire every session there is."""
        self._ask("expire", b"")

    def break_with(self, *faults: dict[str, object]) -> None:
        """Put these faults in force, in place of any others."""
        self._ask("faults", json.dumps(faults).encode())

    def forget(self) -> None:
        """Forget the calls and the faults; the world stays as it is."""
        self._ask("clear", b"")

    def _ask(self, what: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(f"{self.url}/_emulator/{what}", data=body)  # noqa: S310 (our own emulator)
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 (the same)
            return json.load(answer)


_NEW = frozenset({"SecurityGroupRuleId", "CreateTime"})  # a rule that was put back has new ones


def _said(rule: dict[str, Any]) -> dict[str, Any]:
    """Return what a rule says; priority 110 of old can no longer be written, and is put back as 100."""
    said = {key: value for key, value in rule.items() if key not in _NEW}
    return {**said, "Priority": 100} if said.get("Priority") == 110 else said


@contextmanager
def emulated(*options: str) -> Iterator[Cloud]:
    """Serve an emulated organization while the body runs."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ALIBABA_CLOUD_", "SGSWEEP_"))}
    process = subprocess.Popen(  # noqa: S603 (our own command)
        [*COMMAND, "emulate", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            yield _served(process)
        finally:
            process.terminate()


def _served(process: subprocess.Popen[str]) -> Cloud:
    assert process.stdout is not None
    exports: dict[str, str] = {}
    https = ("", "")
    for line in process.stdout:
        exports.update(_EXPORT.findall(line))
        https = _HTTPS.findall(line)[0] if line.startswith("# https") else https
        if len(exports) == 3:
            return Cloud(exports, https)
    raise AssertionError("the emulator did not start")


def private_key() -> bytes:
    """Return a new key to sign with, in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Desk:
    """One user at one cloud. What they are told is looked through for tracebacks and secrets, every time."""

    def __init__(self, folder: Path, cloud: Cloud | None = None, config: str = "") -> None:
        self.folder = folder
        self.cloud = cloud
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",  # nothing leaves this machine
            **({"SGSWEEP_ENDPOINT": cloud.url, **cloud.keys} if cloud else {}),
        }
        self.configure(config)

    def configure(self, text: str, name: str = "config.toml") -> Path:
        """Write a configuration."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def sgsweep(
        self,
        *arguments: str,
        typed: str | None = None,
        before: Sequence[str] = COMMAND,
        changes: Mapping[str, str] = _NO_CHANGES,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Ended:
        """Run the command to its end.

        Args:
            arguments: of the command.
            typed: its standard input.
            before: what stands before the arguments.
            changes: to its environment.
            patience_seconds: how long it may take.
        """
        process = self.start(*arguments, before=before, changes=changes)
        try:
            out, err = process.communicate(typed, timeout=patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{arguments} hung; it said {err}") from None
        return self.checked(Ended(process.returncode, out, err))

    def start(
        self, *arguments: str, before: Sequence[str] = COMMAND, changes: Mapping[str, str] = _NO_CHANGES
    ) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(  # noqa: S603 (our own command)
            [*before, *arguments],
            cwd=self.folder,
            env={**self.environment, **changes},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )

    def ended(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a started command to end."""
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return self.checked(Ended(process.returncode, out, err))

    def checked(self, ended: Ended) -> Ended:
        """Whatever happened: no traceback, no secret."""
        for text in (ended.out, ended.err):
            assert "Traceback" not in text, text
            assert "this is a bug" not in text, text
            assert self.cloud is None or self.cloud.secret not in text
        return ended

    def shell(self, line: str, keep: Sequence[int] = ()) -> Ended:
        """Run a line of bash in which `sgsweep` is the command; `keep` are descriptors that it has, too."""
        command = " ".join(COMMAND)
        done = subprocess.run(  # noqa: S603 (our own command)
            ["/bin/bash", "-c", f'sgsweep() {{ {command} "$@"; }}; {line}'],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            pass_fds=keep,
            text=True,
            errors="surrogateescape",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return self.checked(Ended(done.returncode, done.stdout, done.stderr))

    def interrupted(self, *arguments: str, when: Callable[[], bool], by: signal.Signals) -> Ended:
        """Run the command and send it a signal at that moment."""
        process = self.start(*arguments)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not when() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.03)
        process.send_signal(by)
        return self.ended(process)

    # --- the run folder

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the JSON lines of a file."""
        return [json.loads(line) for line in (self.folder / name).read_bytes().splitlines()]

    def document(self, name: str) -> dict[str, Any]:
        """Return a JSON document."""
        found: dict[str, Any] = json.loads((self.folder / name).read_bytes())
        return found

    def planned(self, name: str = "run", *options: str) -> str:
        """Scan into a folder and plan; return the digest."""
        scanned = self.sgsweep("scan", "--out", name, *options)
        assert scanned.code in {0, 1, 3}, scanned.err
        planned = self.sgsweep("plan", name)
        assert planned.code in {0, 3}, planned.err
        return planned.out.strip()
