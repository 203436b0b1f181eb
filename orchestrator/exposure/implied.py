"""What a group lets through without a rule that says so (ECS docs, basic and advanced security groups)."""

from orchestrator.securitygroup import Cidr, Direction, GroupRef, Rule, SecurityGroup, Source, parse_cidr

AFTER_ALL = 1000
"""The priority of what is implied: any rule of the group wins over it."""

_ANYONE: tuple[Cidr, ...] = (parse_cidr("0.0.0.0/0"), parse_cidr("::/0"))


def implied_rules(group: SecurityGroup) -> tuple[Rule, ...]:
    """The accepts a group has by its kind, as rules without an id.

    A normal group lets its members reach each other (unless InnerAccessPolicy is Drop) and everything out; an
    enterprise group lets nothing through by itself. Neither lets the Internet in.
    """
    if group.kind == "enterprise":
        return ()
    out = [_accept("egress", peer) for peer in _ANYONE]
    if group.inner_access_policy == "drop":
        return tuple(out)
    return (_accept("ingress", GroupRef(group.security_group_id)), *out)


def _accept(direction: Direction, peer: Source) -> Rule:
    source, destination = (peer, None) if direction == "ingress" else (None, peer)
    return Rule(
        rule_id="",
        direction=direction,
        policy="accept",
        priority=AFTER_ALL,
        protocol="all",
        ports=(),
        source=source,
        destination=destination,
        source_ports=(),
        nic_type="",
        description="",
        problems=(),
        raw={},
    )
