"""What NLB (2022-04-30) and ALB (2020-06-16) balancers forward, and which security groups they joined.

Listeners are read only of those balancers that forward to somebody who is asked for, or that joined a group that is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from accounts.paging import Answer
from orchestrator.evidence.forwarding import (
    Backend,
    BackendServer,
    Caller,
    Forwarding,
    every,
    port_of,
    server_of,
    text_of,
)
from orchestrator.evidence.values import Effect
from orchestrator.exposure import PortSet
from orchestrator.inventory.paging import PagedList, ProductCaller, ProductSession
from orchestrator.securitygroup import PortRange

Product = Literal["nlb", "alb"]
PRODUCTS: tuple[Product, ...] = ("nlb", "alb")

ACTIONS = tuple(
    f"{product}:{action}"
    for product in PRODUCTS
    for action in ("ListLoadBalancers", "ListServerGroups", "ListServerGroupServers", "ListListeners")
)
"""The RAM actions that these balancers are read by."""

_PER_PAGE = 100  # of each listing, the APIs' maximum
_BALANCERS_PER_CALL = 20  # LoadBalancerIds of ListListeners, the APIs' maximum
_LISTENS = {"TCP": "tcp", "TCPSSL": "tcp", "UDP": "udp", "HTTP": "tcp", "HTTPS": "tcp", "QUIC": "udp"}


class Balanced(msgspec.Struct, frozen=True):
    """What the balancers of one product do in a region.

    Attributes:
        forwardings: to servers that were asked for, and of balancers that joined a group that was.
        joined: the ids of groups that a balancer joined, whatever its address.
    """

    forwardings: tuple[Forwarding, ...] = ()
    joined: frozenset[str] = frozenset()


class _Group(msgspec.Struct, frozen=True):
    """A server group with its servers."""

    group_id: str
    balancer_ids: tuple[str, ...]
    keeps_client: bool
    servers: tuple[BackendServer, ...]


async def read_balanced(
    session: ProductCaller,
    product: Product,
    region_id: str,
    is_asked: Callable[[Backend], bool],
    group_ids: Collection[str],
) -> Balanced:
    """Return what the balancers of a product do in a region.

    Args:
        session: may do `ACTIONS`.
        product: nlb or alb.
        region_id: the region.
        is_asked: tells whether a server is one that matters.
        group_ids: security groups that matter.

    Raises:
        CloudError: it could not be read in full.
    """
    return await _Reading(session, product, region_id).balanced(is_asked, group_ids)


class _Reading:
    """One product's listings in one region."""

    def __init__(self, session: ProductCaller, product: Product, region_id: str) -> None:
        self._session = ProductSession(session, product)
        self._product = product
        self._region_id = region_id

    async def balanced(self, is_asked: Callable[[Backend], bool], group_ids: Collection[str]) -> Balanced:
        every_balancer = await self._all("ListLoadBalancers", "LoadBalancers", "LoadBalancerId")
        joined = {str(one["LoadBalancerId"]): self._joined(one) for one in every_balancer}
        public = {str(one["LoadBalancerId"]): one for one in every_balancer if _is_public(one)}
        groups = await self._groups(public) if public else {}
        wanted = {
            balancer_id
            for group in groups.values()
            if any(is_asked(server.target) for server in group.servers)
            for balancer_id in group.balancer_ids
        }
        wanted |= {balancer_id for balancer_id in public if set(joined[balancer_id]) & set(group_ids)}
        listeners = await self._listeners([one for one in public if one in wanted])
        made = [
            one
            for balancer_id, mine in listeners.items()
            for one in self._forwardings(public[balancer_id], mine, groups)
        ]
        return Balanced(tuple(made), frozenset(group_id for ids in joined.values() for group_id in ids))

    def _joined(self, balancer: Answer) -> tuple[str, ...]:
        """Return the groups that a balancer joined; none where the field is left out."""
        given = balancer.get("SecurityGroupIds") or []
        if not isinstance(given, list) or len(_texts(balancer, "SecurityGroupIds")) < len(given):
            listing = PagedList(self._session, "ListLoadBalancers", self._region_id, ("LoadBalancers",))
            message = f"SecurityGroupIds of {balancer['LoadBalancerId']} is no list of ids"
            raise listing.malformed(message, {})
        return _texts(balancer, "SecurityGroupIds")

    async def _all(
        self, action: str, name: str, named: str, balancer_ids: Sequence[str] = ()
    ) -> list[Answer]:
        """Return a whole list. ALB takes no RegionId, its endpoint says it; a gateway for every region needs one."""
        listing = PagedList(self._session, action, self._region_id, (name,))
        asked: Answer = {"RegionId": self._region_id, "MaxResults": _PER_PAGE}
        if balancer_ids:
            asked["LoadBalancerIds"] = list(balancer_ids)
        return [one async for _, page in listing.pages(asked, named=named) for one in page]

    async def _groups(self, public: Collection[str]) -> dict[str, _Group]:
        """Return the server groups that these balancers use, with their servers."""
        rows = await self._all("ListServerGroups", "ServerGroups", "ServerGroupId")
        rows = [one for one in rows if not set(_texts(one, "RelatedLoadBalancerIds")).isdisjoint(public)]
        servers = await self._servers() if rows else {}
        return {
            str(one["ServerGroupId"]): self._group(one, servers.get(str(one["ServerGroupId"]), ()))
            for one in rows
        }

    async def _servers(self) -> Mapping[str, Sequence[Answer]]:
        """Return the servers of the region by their group."""
        listing = PagedList(self._session, "ListServerGroupServers", self._region_id, ("Servers",))
        found: defaultdict[str, list[Answer]] = defaultdict(list)
        for one in await every(listing, {"RegionId": self._region_id, "MaxResults": _PER_PAGE}):
            found[text_of(one, "ServerGroupId")].append(one)
        return found

    def _group(self, row: Answer, servers: Sequence[Answer]) -> _Group:
        vpc_id = text_of(row, "VpcId")
        return _Group(
            group_id=str(row["ServerGroupId"]),
            balancer_ids=_texts(row, "RelatedLoadBalancerIds"),
            keeps_client=row.get("PreserveClientIpEnabled") is True,
            servers=tuple(
                server_of(one, kind=text_of(one, "ServerType").lower(), vpc_id=vpc_id) for one in servers
            ),
        )

    async def _listeners(self, balancer_ids: Sequence[str]) -> dict[str, list[Answer]]:
        """Return the listeners of these balancers; one that was stopped takes nothing."""
        found: defaultdict[str, list[Answer]] = defaultdict(list)
        for start in range(0, len(balancer_ids), _BALANCERS_PER_CALL):
            some = balancer_ids[start : start + _BALANCERS_PER_CALL]
            for one in await self._all("ListListeners", "Listeners", "ListenerId", some):
                if one.get("ListenerStatus") != "Stopped" and one.get("LoadBalancerId") in some:
                    found[str(one["LoadBalancerId"])].append(one)
        return found

    def _forwardings(
        self, balancer: Answer, listeners: Sequence[Answer], groups: Mapping[str, _Group]
    ) -> Iterator[Forwarding]:
        """Yield what a balancer forwards; what rules of an ALB's listeners forward is not told by them."""
        named: set[str] = set()
        for listener in listeners:
            ids = _forwarded(listener)
            named |= set(ids)
            mine = [groups[one] for one in ids if one in groups]
            for group in mine:
                for server in group.servers:
                    yield self._forwarding(balancer, listener, group, server)
            if not any(group.servers for group in mine):
                nobody = BackendServer(Backend("balancer", str(balancer["LoadBalancerId"])))
                yield self._forwarding(balancer, listener, None, nobody)
        for group in groups.values():
            if str(balancer["LoadBalancerId"]) in group.balancer_ids and group.group_id not in named:
                for listener in listeners:
                    for server in group.servers:
                        yield self._forwarding(balancer, listener, group, server, is_known=False)

    def _forwarding(
        self,
        balancer: Answer,
        listener: Answer,
        group: _Group | None,
        server: BackendServer,
        *,
        is_known: bool = True,
    ) -> Forwarding:
        """Return what a listener forwards to a server; an ALB's may have an access list, which its list leaves out."""
        listens = self._listens(listener)
        protocol = "udp" if text_of(listener, "ListenerProtocol").upper() == "UDP" else "tcp"
        port = PortRange(protocol, server.port, server.port) if server.port else listens
        effect: Effect = "passes" if self._product == "nlb" and is_known else "unread"
        return Forwarding(
            kind=self._product,
            address=text_of(balancer, "DNSName") or text_of(balancer, "LoadBalancerName"),
            step_id=str(listener["ListenerId"]),
            effect="blocks" if server.is_idle else effect,
            ports=PortSet([port]),
            listens=PortSet([listens]),
            calls=listens.first if port != listens else 0,
            target=server.target,
            caller=self._caller(listener, group),
            balancer_id=str(balancer["LoadBalancerId"]),
            joined=self._joined(balancer),
        )

    def _caller(self, listener: Answer, group: _Group | None) -> Caller:
        """Return whom the server sees; whether that is kept where an NLB ends TLS is not documented."""
        if self._product == "alb" or group is None or not group.keeps_client:
            return "balancer"
        return "either" if text_of(listener, "ListenerProtocol").upper() == "TCPSSL" else "client"

    def _listens(self, listener: Answer) -> PortRange:
        """Return what a listener takes: one port, or (NLB, port 0) a range.

        Raises:
            Unavailable: it does not say.
        """
        protocol = _LISTENS.get(text_of(listener, "ListenerProtocol").upper())
        first = last = port_of(listener, "ListenerPort")
        if not first:
            first, last = port_of(listener, "StartPort"), port_of(listener, "EndPort")
        if protocol is None or not 1 <= first <= last:
            listing = PagedList(self._session, "ListListeners", self._region_id, ("Listeners",))
            raise listing.malformed(f"it is not known where listener {listener['ListenerId']} listens", {})
        return PortRange(protocol, first, last)


def _is_public(balancer: Answer) -> bool:
    """Tell whether it takes anything from the Internet; what is not said of its addresses is taken for public."""
    if balancer.get("LoadBalancerStatus") in ("Inactive", "CreateFailed"):
        return False
    return balancer.get("AddressType") != "Intranet" or balancer.get("Ipv6AddressType") == "Internet"


def _forwarded(listener: Answer) -> tuple[str, ...]:
    """Return the server groups that a listener forwards to by itself: NLB's one, ALB's default actions."""
    if group_id := text_of(listener, "ServerGroupId"):
        return (group_id,)
    actions = listener.get("DefaultActions")
    found: list[str] = []
    for action in actions if isinstance(actions, list) else []:
        config = action.get("ForwardGroupConfig") if isinstance(action, Mapping) else None
        tuples = config.get("ServerGroupTuples") if isinstance(config, Mapping) else None
        rows = tuples if isinstance(tuples, list) else []
        found += [text_of(one, "ServerGroupId") for one in rows if isinstance(one, Mapping)]
    return tuple(filter(None, found))


def _texts(answer: Answer, key: str) -> tuple[str, ...]:
    value = answer.get(key)
    return tuple(one for one in value if isinstance(one, str) and one) if isinstance(value, list) else ()
