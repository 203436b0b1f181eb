"""`sgsweep check` in this process, and what it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import Result

from tests.cli.in_process import command


def check(*arguments: str | Path) -> Result:
    """Run `sgsweep check`."""
    return command("check", *arguments)


def findings(*arguments: str | Path) -> dict[str, tuple[str, str, str]]:
    """Check id, status and verdict of each finding, by address and check."""
    found = json.loads(check(*arguments, "--format", "json").stdout)["findings"]
    return {
        f"{one['address']} {one['check_id']}": (one["severity"], one["status"], one["verdict"])
        for one in found
    }


def told(*arguments: str | Path) -> dict[str, str]:
    """What is found at each address: the check ids, each with its standing where it is not simply open."""
    found: list[dict[str, Any]] = json.loads(check(*arguments, "--format", "json").stdout)["findings"]
    by_address: dict[str, list[str]] = {}
    for one in found:
        how = one["check_id"] if one["status"] == "open" else f"{one['check_id']} {one['status']}"
        by_address.setdefault(one["address"], []).append(how)
    return {address: ", ".join(how) for address, how in by_address.items()}
