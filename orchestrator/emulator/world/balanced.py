"""Groups that a load balancer has joined: their Accept rules decide nothing, only a Drop that wins closes a listener.

Help page "Add an NLB instance to a security group": without a Deny rule the listener ports accept every request,
before and after the balancer joins a group. Each function makes a group in a `Site` and the balancer that joined it.
"""

from __future__ import annotations

from typing import Final

from orchestrator.emulator.world.archetypes import ANYONE, ANYONE_6, Archetype, Site
from orchestrator.emulator.world.model import Balancer, Group, Listener, Rule


def _join(
    site: Site, product: str, group: Group, *ports: int, address_type: str = "Internet", whole: bool = False
) -> Group:
    """Let a balancer of `product` join a group; `whole` listens on every port (NLB only)."""
    protocol = "TCP" if product == "nlb" else "HTTP"
    listeners = [Listener(f"lsn-{site.new_id('x')[2:]}", protocol, port) for port in ports]
    if whole:
        listeners.append(Listener(f"lsn-{site.new_id('x')[2:]}", protocol, 0, 1, 65535))
    made = Balancer(
        balancer_id=site.new_id(product),
        product=product,
        name=f"{product}-{group.name}",
        group_ids=(group.security_group_id,),
        vpc_id=group.vpc_id,
        address_type=address_type,
        listeners=tuple(listeners),
    )
    site.estate.balancers[made.balancer_id] = made
    return group


def _closed(site: Site, ports: str) -> tuple[Rule, Rule]:
    return (
        site.allow(ports, ANYONE, priority=50, policy="Drop"),
        site.allow(ports, ANYONE_6, priority=50, policy="Drop"),
    )


# --- something dangerous is open to the Internet, though no rule says so


def nlb_without_drop(site: Site) -> Group:
    """SSH behind a network balancer; the rules let in an office only, and change nothing."""
    rules = (site.allow("22/22", site.office()), site.allow("443/443", ANYONE))
    return _join(site, "nlb", site.group("balanced-ssh", *rules), 22, 443)


def nlb_on_every_port(site: Site) -> Group:
    """A network balancer that listens on every port, in a group without a rule."""
    return _join(site, "nlb", site.group("balanced-all"), whole=True)


def nlb_with_another_drop(site: Site) -> Group:
    """The Drop is for another port than the listener's: 3389 stays open."""
    group = site.group("balanced-half", *_closed(site, "22/22"))
    return _join(site, "nlb", group, 22, 3389)


def alb_without_drop(site: Site) -> Group:
    """Elasticsearch behind an application balancer, and an Accept for everyone that looks like the reason."""
    return _join(site, "alb", site.group("balanced-search", site.allow("9200/9200", ANYONE)), 80, 9200)


# --- nothing dangerous is open


def nlb_with_drop(site: Site) -> Group:
    """SSH behind a network balancer, dropped for all but the office."""
    rules = (site.allow("22/22", site.office()), *_closed(site, "22/22"))
    return _join(site, "nlb", site.group("balanced-closed", *rules), 22)


def alb_web(site: Site) -> Group:
    """80 and 443 behind an application balancer."""
    rules = (site.allow("80/80", ANYONE), site.allow("443/443", ANYONE))
    return _join(site, "alb", site.group("balanced-web", *rules), 80, 443)


def nlb_internal(site: Site) -> Group:
    """SSH behind a network balancer without a public address."""
    group = site.group("balanced-internal", site.allow("22/22", site.private()))
    return _join(site, "nlb", group, 22, address_type="Intranet")


def nlb_own(site: Site) -> Group:
    """The managed group that a network balancer makes for itself: its own addresses first, everybody last.

    The help page tells of the rules of priority 1; that of priority 100 is UNCONFIRMED.
    """
    rules = (
        site.allow("-1/-1", site.private(), "ALL", priority=1),
        site.allow("-1/-1", ANYONE, "ALL", priority=100),
    )
    group = site.group(
        f"nlb-managed-{site.rng.randrange(1000)}", *rules, service_managed=True, service_id="1098"
    )
    return _join(site, "nlb", group, 80)


OPEN: Final[tuple[Archetype, ...]] = (
    nlb_without_drop,
    nlb_on_every_port,
    nlb_with_another_drop,
    alb_without_drop,
)
CLOSED: Final[tuple[Archetype, ...]] = (nlb_with_drop, alb_web, nlb_internal)
OWN: Final[tuple[Archetype, ...]] = (nlb_own,)
"""Managed: reported, never changed."""
BALANCED: Final = (*OPEN, *CLOSED, *OWN)
