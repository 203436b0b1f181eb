"""What is forwarded from the Internet to a server: by a DNAT entry, or by a listener of a load balancer.

One value for all of them, since all are held against interfaces and ports in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from accounts.paging import Answer, counted
from orchestrator.evidence.values import Effect, WayKind
from orchestrator.exposure import NO_PORTS, PortSet
from orchestrator.inventory.paging import PagedList
from orchestrator.securitygroup import MAX_PORT, PortRange

Caller = Literal["client", "balancer", "either"]
"""Whose address the server sees: the client's, the balancer's own private one, or it is not known."""


class Backend(msgspec.Struct, frozen=True):
    """A server that something is forwarded to.

    Attributes:
        kind: `ecs`, `eni`, `ip`, or another word of the API's, which names nothing that a group can be on.
        id: of the instance or interface; "" where only the address is known.
        address: its private one; "" where only the id is known.
        vpc_id: where the address is one of; "" where that is not known.
    """

    kind: str
    id: str = ""
    address: str = ""
    vpc_id: str = ""


class BackendServer(msgspec.Struct, frozen=True):
    """A server of a balancer: where it is, the port it is called at (0 for the listener's), its weight is 0."""

    target: Backend
    port: int = 0
    is_idle: bool = False


class Forwarding(msgspec.Struct, frozen=True, kw_only=True):
    """What is forwarded to one server.

    Attributes:
        kind: by what.
        address: the public address or name that is called.
        address_effect: whether the Internet reaches that; `unread` where it may have a public address besides.
        step_id: of the DNAT entry or the listener.
        effect: whether that lets everybody in; `unread` where it has an access list.
        ports: of the server that are called; None for all of every protocol.
        listens: the ports that are called at a listener; a DNAT entry tells only the first.
        calls: the port that is called for the first of `ports`; 0 where it is the same port.
        target: the server.
        caller: whose address the server sees.
        balancer_id: of the balancer; "" for DNAT.
        joined: the security groups that the balancer joined.
    """

    kind: WayKind
    address: str
    address_effect: Effect = "passes"
    step_id: str = ""
    effect: Effect = "passes"
    ports: PortSet | None
    listens: PortSet = NO_PORTS
    calls: int = 0
    target: Backend
    caller: Caller = "client"
    balancer_id: str = ""
    joined: tuple[str, ...] = ()

    def called(self, port: PortRange) -> int:
        """Return the port that is called to get to the first of some of its ports; 0 for the same port."""
        if not self.calls or self.ports is None:
            return 0
        first = min(one.first for one in self.ports if one.protocol == port.protocol)
        return self.calls + port.first - first


def port_of(answer: Mapping[str, object], key: str) -> int:
    """Return the port that stands under the key; 0 where it is none."""
    port = counted(answer, key)
    return port if port is not None and 1 <= port <= MAX_PORT else 0


def text_of(answer: Mapping[str, object], key: str) -> str:
    """Return the text that stands under the key; "" where it is none."""
    value = answer.get(key)
    return value if isinstance(value, str) else ""


async def every(listing: PagedList, asked: Answer) -> list[Answer]:
    """Return a list by token whose items no single field tells apart, held against its own count.

    Raises:
        CountMismatch: it counts more than it gave.
        CloudError: it could not be read in full.
    """
    found: list[Answer] = []
    total = 0
    async for page, some in listing.pages(asked):
        found += some
        total = max(total, counted(page, "TotalCount") or 0)
    if len(found) < total:
        raise listing.mismatch(f"{total} are counted, but {len(found)} were given; run again", {})
    return found


def server_of(answer: Answer, *, kind: str, vpc_id: str = "") -> BackendServer:
    """Return a server of a balancer.

    Args:
        answer: ServerId, ServerIp, Port and Weight, as far as there are.
        kind: its type in small letters.
        vpc_id: where its address is one of.
    """
    target = Backend(kind, text_of(answer, "ServerId"), text_of(answer, "ServerIp"), vpc_id)
    return BackendServer(target, port_of(answer, "Port"), counted(answer, "Weight") == 0)
