"""What a group lets through without a rule that says so (ECS docs, basic and advanced security groups)."""

from collections.abc import Mapping

from orchestrator.securitygroup import (
    WITH_PORTS,
    Balancer,
    Cidr,
    Direction,
    GroupRef,
    PortRange,
    PrefixList,
    Rule,
    SecurityGroup,
    Source,
    parse_cidr,
)

AFTER_ALL = 1000
"""The priority of what is implied: any rule of the group wins over it."""

_ANYONE: tuple[Cidr, ...] = (parse_cidr("0.0.0.0/0"), parse_cidr("::/0"))
_INSIDE: tuple[Cidr, ...] = tuple(
    [
        parse_cidr(text)
        for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
    ]
)
BALANCER_ID = "LoadBalancerId"
"""The field of what is implied by a load balancer that names it: no rule of the API's has it."""


def implied_rules(group: SecurityGroup) -> tuple[Rule, ...]:
    """The accepts a group has by its kind, as rules without an id.

    A normal group lets its members reach each other (unless InnerAccessPolicy is Drop) and everything out; an
    enterprise group lets nothing through by itself. Neither lets the Internet in, but through a load balancer.
    """
    if group.kind == "enterprise":
        return listener_rules(group)
    out = [*[_accept("egress", peer) for peer in _ANYONE], *listener_rules(group)]
    if group.inner_access_policy == "drop":
        return tuple(out)
    return (_accept("ingress", GroupRef(group.security_group_id, group.placement.account_id)), *out)


def listener_rules(group: SecurityGroup) -> tuple[Rule, ...]:
    """What the load balancers that joined a group let in, as rules after all others, with the balancer's id.

    Without a Drop rule the listeners accept every request, before and after the balancer joins the group (help: Add an
    NLB instance to a security group): only a drop, and an accept that wins over it, decides.
    """
    return tuple(
        [
            _listener_rule(balancer, protocol)
            for balancer in group.balancing.balancers
            for protocol in sorted(WITH_PORTS)
            if any(one.protocol == protocol for one in balancer.ports)
        ]
    )


def balancer_of(rule: Mapping[str, object]) -> str:
    """The id of the load balancer that implies a rule, by the rule's fields; "" for a rule of the group."""
    return str(rule.get(BALANCER_ID) or "")


def _listener_rule(balancer: Balancer, protocol: str) -> Rule:
    ports = tuple([one for one in balancer.ports if one.protocol == protocol])
    blocks = tuple(
        [
            block
            for family in balancer.families
            for block in (_ANYONE if family in balancer.internet else _INSIDE)
            if block.family == family
        ]
    )
    source = blocks[0] if len(blocks) == 1 else PrefixList(", ".join(map(str, blocks)), entries=blocks)
    raw: dict[str, object] = {
        BALANCER_ID: balancer.balancer_id,
        "LoadBalancerName": balancer.name,
        "IpProtocol": protocol.upper(),
        "Listeners": [one.numbers for one in ports],
    }
    rule_id = balancer.balancer_id if protocol == "tcp" else f"{balancer.balancer_id}/{protocol}"
    return _accept("ingress", source, rule_id, protocol, ports, raw)


def _accept(
    direction: Direction,
    peer: Source,
    rule_id: str = "",
    protocol: str = "all",
    ports: tuple[PortRange, ...] = (),
    raw: dict[str, object] | None = None,
) -> Rule:
    source, destination = (peer, None) if direction == "ingress" else (None, peer)
    return Rule(
        rule_id=rule_id,
        direction=direction,
        policy="accept",
        priority=AFTER_ALL,
        protocol=protocol,
        ports=ports,
        source=source,
        destination=destination,
        source_ports=(),
        nic_type="",
        problems=(),
        raw=raw or {},
    )
