"""What a visit of the doctor has learned of this cloud, and its keeping: probe.json, see `config.facts`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from orchestrator.config.facts import Fact, Facts, Probe, read_probe
from orchestrator.files import replaced
from orchestrator.run.agreement import Agreement
from orchestrator.run.canary import CanaryTried
from orchestrator.run.hub import Hub
from orchestrator.run.scanning import now


class ProbeKept(msgspec.Struct, frozen=True):
    """What is known of this cloud now, and where that is kept.

    Attributes:
        path: of the file.
        facts: all that is known, what was known before included.
        error: why they could not be kept; empty if they were.
    """

    path: str
    facts: Facts
    error: str = ""


def learned(agreement: Agreement, canary: CanaryTried | None, *, heeded: bool | None) -> Facts:
    """Return what this visit has learned of the cloud."""
    at = now().isoformat(timespec="seconds")
    found: dict[str, Fact[object]] = {}
    if agreement.meaning is not None:
        found["rule_count"] = Fact(agreement.meaning, at, f"{agreement.of} groups, read and counted")
    if heeded is not None:
        found["session_policy"] = Fact(heeded, at, "a listing that the session policy did not allow")
    if canary is not None:
        where = f"the canary group {canary.security_group_id} of account {canary.account_id}"
        for name in ("settle_seconds", "rights_first", "bad_id_refuses", "gone_rule"):
            value = getattr(canary, name)
            if value is not None:
                found[name] = Fact(value, at, where)
    return msgspec.convert(msgspec.to_builtins(found), Facts)


def keep_facts(hub: Hub, path: Path | None, facts: Facts) -> ProbeKept:
    """Keep what was learned, with what was known before of the same cloud and is believed."""
    if path is None:
        return ProbeKept("", facts)
    endpoint, account_id = hub.config.cloud.identity, hub.identity.account_id
    before = read_probe(path, endpoint, account_id).facts
    merged = msgspec.structs.replace(before, **facts.learned)
    probe = Probe(endpoint=endpoint, hub_account_id=account_id, facts=merged)
    try:
        with replaced(path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(probe), indent=2) + b"\n")
    except OSError as error:
        return ProbeKept(str(path), merged, f"{path} could not be written: {error.strerror}")
    return ProbeKept(str(path), merged)
