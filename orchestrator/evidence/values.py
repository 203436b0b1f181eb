"""What evidence is: of one finding's rule, as `evidence.jsonl` has it (the contract's keys, and more beside them)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

OpenedStatus = Literal["found", "not_found", "too_old", "not_permitted", "unread", "not_asked"]
TrafficStatus = Literal["observed", "quiet", "not_logged", "not_permitted", "incomplete", "not_asked"]
BehindStatus = Literal["seen", "incomplete", "not_permitted", "not_asked"]
Effect = Literal["passes", "blocks", "unread", "unknown"]
WayKind = Literal["address", "eip", "ipv6", "dnat", "clb", "nlb", "alb"]

MOST_NETWORKS_TOLD = 1_000
"""So many networks are told of one door: beyond that it is no list for people, nor what a rule may be narrowed to."""

MOST_WAYS_TOLD = 200
"""So many ways in are told of one door, those that pass first."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """Who opened a door, by ActionTrail.

    Attributes:
        status: `too_old`: the trail reaches back 90 days and the rule is older; `not_found`: it is younger, and yet no
            event is about it; `not_permitted`: the right to ask is missing; `unread`: it could not be read in full.
        by: the user's or role session's name, as the event has it.
        arn: of the identity.
        at: the event's time, ISO 8601, UTC.
        source_ip: from where it was called.
        via: by what: `console`, `Terraform`, `ROS`, an SDK, as the user agent and the identity tell.
        event_id, request_id, event_name: of the event.
        is_ours: it was a change of sgsweep's own.
        reason: why it is not known, in a sentence with the RequestId, or what is doubtful about who is named; else "".
    """

    status: OpenedStatus
    by: str = ""
    arn: str = ""
    at: str = ""
    source_ip: str = ""
    via: str = ""
    event_id: str = ""
    request_id: str = ""
    event_name: str = ""
    is_ours: bool = False
    reason: str = ""


class Flows(msgspec.Struct, frozen=True, kw_only=True):
    """What came from one network.

    Attributes:
        cidr: the network, a single address as /32 or /128.
        flows: records of the flow log.
        days: on how many days; where it used several ports or interfaces, of the one with the most.
        packets, bytes: in.
        bytes_out: of the answers; 0 where none was logged.
        last_seen: the end of the last flow, ISO 8601, UTC.
        is_knock: none of its flows was more than a knock: a SYN without an ACK, or an RST (TCP); UDP has no knocks.
        lets_in_as_well: ids of other rules that let it in, too: closing this rule does not cut it.
    """

    cidr: str
    flows: int
    days: int = 0
    packets: int = 0
    bytes: int = 0
    bytes_out: int = 0
    last_seen: str = ""
    is_knock: bool = False
    lets_in_as_well: tuple[str, ...] = ()


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Who used a door, by VPC flow logs.

    Attributes:
        status: `quiet` is said only of a window that was logged throughout, and so is `observed`: what is not complete
            says what was seen beside why it may not be all. Nobody is cut where something was observed and `sources`
            are none: another rule lets all of them in as well.
        days: the window.
        flows: accepted flows of use, from sources that closing would cut.
        sources: those sources as networks that hold no other address, most flows first; at most
            `MOST_NETWORKS_TOLD` of them.
        sources_untold: how many networks there were beyond these.
        last_seen: of the last of them.
        knocks: from how many addresses there were knocks only; `knocks_are_least` if there may be more.
        kept: sources that another rule lets in as well, of which as many are told; `kept_untold` were beyond these.
            Where those rules are closed, too, they are cut: see `cut_with`.
        reason: why it is not known, naming what is missing; "" where it is.
    """

    status: TrafficStatus
    days: int = 0
    flows: int = 0
    sources: tuple[Flows, ...] = ()
    sources_untold: int = 0
    last_seen: str = ""
    knocks: int = 0
    knocks_are_least: bool = False
    kept: tuple[Flows, ...] = ()
    kept_untold: int = 0
    reason: str = ""

    def cut_with(self, rule_ids: Collection[str]) -> tuple[Flows, ...]:
        """Return the sources that closing cuts when these other rules are closed with it."""
        closed = set(rule_ids)
        return (*self.sources, *(one for one in self.kept if closed.issuperset(one.lets_in_as_well)))


class WayStep(msgspec.Struct, frozen=True):
    """One step of a packet's way.

    Attributes:
        kind: `address`, `route`, `network acl`, `dnat`, `listener`, `group`.
        id: of what is passed; "" where it has none.
        effect: whether it lets the packet on; `unread` where that was not or could not be read, `unknown` where nobody
            documents it or what was read does not tell.
    """

    kind: Literal["address", "route", "network acl", "dnat", "listener", "group"]
    id: str
    effect: Effect


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A way from the Internet to what stands behind a group.

    Attributes:
        kind: `address`, `eip`, `ipv6`, `dnat`, `clb`, `nlb`, `alb`.
        address: the public address or name that is called.
        port: the port that is called there; 0 for the finding's own.
        to: the interface, instance or address that it ends at.
        steps: in the order of the packet. The group's own is whether the finding's rule lets in who comes this way;
            routes are not read, which matters where answers must find their way out.
    """

    kind: WayKind
    address: str
    port: int = 0
    to: str = ""
    steps: tuple[WayStep, ...] = ()

    @property
    def effect(self) -> Effect:
        """Whether a packet gets through: `blocks` where one step does, `passes` where every step is known to."""
        effects = {one.effect for one in self.steps}
        order: tuple[Effect, ...] = ("blocks", "unknown", "unread")
        return next((one for one in order if one in effects), "passes")


class BehindInstance(msgspec.Struct, frozen=True):
    """An instance behind a group."""

    id: str
    name: str = ""


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind a group.

    Attributes:
        status: `incomplete`: some of it could not be read.
        interfaces: how many obey the group; an instance of the classic network counts as one.
        instances: those that they belong to.
        public_addresses: of them, their own and elastic ones.
        via: the ways in from the Internet to the finding's ports that were found by these reads, blocked ones among
            them. None found is not proof of none. An egress finding has none.
        ways_untold: how many ways there were beyond these `MOST_WAYS_TOLD`.
        is_unused: the group is on no interface, no balancer joined it and no rule names it.
        reason: what could not be read; else, where no way in was found, that it is so.
    """

    status: BehindStatus
    interfaces: int = 0
    instances: tuple[BehindInstance, ...] = ()
    public_addresses: tuple[str, ...] = ()
    via: tuple[Way, ...] = ()
    ways_untold: int = 0
    is_unused: bool = False
    reason: str = ""


class OwnedBy(msgspec.Struct, frozen=True):
    """Who owns a group, and from where that is known."""

    name: str = ""
    taken_from: str = msgspec.field(name="from", default="")


NOT_ASKED = (Opened(status="not_asked"), Traffic(status="not_asked"), Behind(status="not_asked"))


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the door that a rule opens; for each rule with an open finding there is one."""

    account_id: str
    region_id: str
    security_group_id: str
    rule_id: str
    opened: Opened = NOT_ASKED[0]
    traffic: Traffic = NOT_ASKED[1]
    behind: Behind = NOT_ASKED[2]
    owner: OwnedBy = OwnedBy()
