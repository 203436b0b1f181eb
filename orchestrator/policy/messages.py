"""The one sentence that says why."""

from collections.abc import Sequence
from datetime import datetime

from orchestrator.exposure import PUBLIC, Count, PortSet, balancer_of, count
from orchestrator.policy.exemptions import Exemption
from orchestrator.policy.judge import Judgement

_INTERNET = count(PUBLIC)


def reason(one: Judgement, ports: PortSet, matching: Sequence[Exemption], now: datetime) -> str:
    """Why this finding, in one sentence."""
    return f"{_what(one, few(ports.texts))}{_waiver(matching, now)}."


def few(texts: Sequence[str], most: int = 6) -> str:
    """The first few of some texts: "tcp/22, tcp/3389 and 5 more"."""
    shown = ", ".join(texts[:most])
    return shown if len(texts) <= most else f"{shown} and {len(texts) - most} more"


def reach_text(size: Count, zone: str) -> str:
    """How many addresses, as people say it: "the whole IPv4 Internet", "16,777,216 public IPv4 addresses"."""
    kind = {"internet": "public ", "private": "private ", "any": ""}[zone]
    parts = []
    if zone == "internet" and size.ipv4 >= _INTERNET.ipv4:
        parts.append("the whole IPv4 Internet")
    elif size.ipv4:
        parts.append(f"{size.ipv4:,} {kind}IPv4 addresses")
    if zone == "internet" and size.ipv6 >= _INTERNET.ipv6:
        parts.append("the whole IPv6 Internet")
    elif size.ipv6:
        parts.append(f"{kind}IPv6 addresses worth a /{129 - size.ipv6.bit_length()}")
    return " and ".join(parts)


def _what(one: Judgement, ports: str) -> str:
    source = one.rule.peer
    balancer_id = balancer_of(one.rule.raw)
    if one.kind == "shadowed" and balancer_id:
        return f"Load balancer {balancer_id} would open {ports} to {source}, but rules that win drop every packet to it"
    if one.kind == "shadowed":
        return f"Would open {ports} to {source}, but rules that win drop every packet to it"
    reach = reach_text(one.size, one.check.definition.zone)
    if balancer_id:
        name = str(one.rule.raw.get("LoadBalancerName") or "")
        return (
            f"Load balancer {balancer_id}{f' ({name})' if name else ''} listens on {ports} and lets in {reach}: "
            "no Drop rule wins there, and what Accept rules say does not matter"
        )
    opens = f"Lets {ports} out to" if one.rule.direction == "egress" else f"Opens {ports} to"
    if one.kind == "wide":
        return f"{opens} {reach} ({source}): wide, though below the threshold"
    if one.together:
        return f"{opens} {reach} ({source}); it fails with other rules, as one of the largest contributors"
    return f"{opens} {reach} ({source})"


def _waiver(matching: Sequence[Exemption], now: datetime) -> str:
    if not matching:
        return ""
    live = next((one for one in matching if one.is_live(now)), None)
    if live:
        return f"; exempt until {live.expires.date().isoformat()} by {live.owner}: {live.reason}"
    return f"; the exemption {matching[0].id} expired on {matching[0].expires.date().isoformat()}"
