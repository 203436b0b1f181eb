"""What classic balancers forward (CLB: slb 2014-05-15): to default servers, a vServer group, or a master and a slave.

An intranet balancer may have an elastic address bound, which none of these calls tells; it is told as `unread`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from accounts.paging import Answer
from orchestrator.evidence.forwarding import (
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

ACTIONS = (
    "slb:DescribeLoadBalancers",
    "slb:DescribeLoadBalancerListeners",
    "slb:DescribeLoadBalancerAttribute",
    "slb:DescribeVServerGroups",
    "slb:DescribeVServerGroupAttribute",
    "slb:DescribeMasterSlaveServerGroupAttribute",
)
"""The RAM actions that classic balancers are read by."""

_PER_PAGE = 100  # DescribeLoadBalancers and DescribeLoadBalancerListeners, the API's maximum
_CONFIGS = ("TCPListenerConfig", "UDPListenerConfig", "HTTPListenerConfig", "HTTPSListenerConfig")
_WEB = ("http", "https")  # the balancer calls the server itself there, from 100.64.0.0/10
_PROTOCOLS = {"tcp": "tcp", "udp": "udp", "http": "tcp", "https": "tcp"}


async def read_clb(session: ProductCaller, region_id: str) -> list[Forwarding]:
    """Return what the classic balancers of a region forward.

    Raises:
        CloudError: they could not be read in full.
    """
    return await _Clb(session, region_id).forwardings()


class _Clb:
    """One reading; a group of servers that several listeners name is read once."""

    def __init__(self, session: ProductCaller, region_id: str) -> None:
        self._session = ProductSession(session, "slb")
        self._region_id = region_id
        self._groups: dict[str, list[BackendServer]] = {}

    async def forwardings(self) -> list[Forwarding]:
        balancers = await self._balancers()
        found: list[Forwarding] = []
        if balancers:
            for balancer_id, listeners in (await self._listeners()).items():
                if balancer_id in balancers:
                    found += await self._of(balancers[balancer_id], listeners)
        return found

    def _listing(self, action: str, *path: str) -> PagedList:
        return PagedList(self._session, action, self._region_id, path)

    async def _balancers(self) -> dict[str, Answer]:
        """Return those that forward at all: one that is inactive or locked does not."""
        asked: Answer = {"RegionId": self._region_id, "PageSize": _PER_PAGE}
        listing = self._listing("DescribeLoadBalancers", "LoadBalancers", "LoadBalancer")
        return {
            str(one["LoadBalancerId"]): one
            async for page in listing.numbered(asked, named="LoadBalancerId")
            for one in page
            if one.get("LoadBalancerStatus") not in ("inactive", "locked")
        }

    async def _listeners(self) -> dict[str, list[Answer]]:
        """Return the listeners of the region by their balancer; one that was stopped takes nothing."""
        listing = self._listing("DescribeLoadBalancerListeners", "Listeners")
        asked: Answer = {"RegionId": self._region_id, "MaxResults": _PER_PAGE}
        found: defaultdict[str, list[Answer]] = defaultdict(list)
        for one in await every(listing, asked):
            if one.get("Status") != "stopped":
                found[text_of(one, "LoadBalancerId")].append(one)
        return found

    async def _of(self, balancer: Answer, listeners: Sequence[Answer]) -> list[Forwarding]:
        """Return what a balancer forwards, by its listeners and by the forwarding rules of those for the web."""
        found: list[Forwarding] = []
        for listener in listeners:
            servers = await self._servers(str(balancer["LoadBalancerId"]), listener)
            found += [_forwarding(balancer, listener, one) for one in servers]
        web = [one for one in listeners if text_of(one, "ListenerProtocol") in _WEB]
        if web:
            found += await self._by_rules(balancer, web)
        return [one for one in found if one.ports]

    async def _servers(self, balancer_id: str, listener: Answer) -> list[BackendServer]:
        """Return where a listener forwards to; a group that it names stands before the default servers."""
        if group_id := text_of(listener, "VServerGroupId"):
            return await self._vserver_group(group_id)
        if group_id := _master_slave_group(listener):
            return await self._master_slave_group(group_id)
        return await self._default_servers(balancer_id) if port_of(listener, "BackendServerPort") else []

    async def _vserver_group(self, group_id: str) -> list[BackendServer]:
        action = "DescribeVServerGroupAttribute"
        return await self._group(action, "VServerGroupId", group_id, "BackendServers", "BackendServer")

    async def _master_slave_group(self, group_id: str) -> list[BackendServer]:
        action = "DescribeMasterSlaveServerGroupAttribute"
        path = ("MasterSlaveBackendServers", "MasterSlaveBackendServer")
        return await self._group(action, "MasterSlaveServerGroupId", group_id, *path)

    async def _default_servers(self, balancer_id: str) -> list[BackendServer]:
        action = "DescribeLoadBalancerAttribute"
        return await self._group(action, "LoadBalancerId", balancer_id, "BackendServers", "BackendServer")

    async def _group(self, action: str, key: str, group_id: str, *path: str) -> list[BackendServer]:
        """Return the servers that one call lists whole."""
        if group_id not in self._groups:
            listing = self._listing(action, *path)
            asked: Answer = {"RegionId": self._region_id, key: group_id}
            answer, found = await listing.whole(asked)
            if answer.get(key, group_id) != group_id:
                raise listing.malformed(f"asked for {group_id}, answered about another", answer)
            self._groups[group_id] = [_server(one) for one in found]
        return self._groups[group_id]

    async def _by_rules(self, balancer: Answer, web: Sequence[Answer]) -> list[Forwarding]:
        """Return what rules of listeners for the web forward to groups; which listener's they are is not told."""
        listing = self._listing("DescribeVServerGroups", "VServerGroups", "VServerGroup")
        asked: Answer = {
            "RegionId": self._region_id,
            "LoadBalancerId": balancer["LoadBalancerId"],
            "IncludeRule": True,
        }
        _, groups = await listing.whole(asked, named="VServerGroupId")
        ruled = [(group, rule_id) for group in groups for rule_id in _rules(group)]
        found: list[Forwarding] = []
        for group, rule_id in ruled:
            for one in await self._vserver_group(str(group["VServerGroupId"])):
                for listener in web:
                    made = _forwarding(balancer, listener, one)
                    is_its_own = len(web) == 1 or made.effect == "blocks"
                    found.append(
                        replace(made, step_id=rule_id, effect=made.effect if is_its_own else "unread")
                    )
        return found


def _forwarding(balancer: Answer, listener: Answer, server: BackendServer) -> Forwarding:
    """Return what a listener forwards to a server."""
    name = text_of(listener, "ListenerProtocol").lower()
    called = port_of(listener, "ListenerPort")
    port = server.port or port_of(listener, "BackendServerPort")
    is_public = text_of(balancer, "AddressType").lower() != "intranet"
    is_plain = name in _PROTOCOLS and text_of(listener, "AclStatus") != "on"
    effect: Effect = "passes" if is_plain else "unread"
    caller: Caller = "balancer" if name in _WEB else "client"
    balancer_id = str(balancer["LoadBalancerId"])
    return Forwarding(
        kind="clb",
        address=text_of(balancer, "Address"),
        address_effect="passes" if is_public else "unread",
        step_id=f"{balancer_id}:{name}:{called}",
        effect="blocks" if server.is_idle else effect,
        ports=PortSet([PortRange(_PROTOCOLS.get(name, "tcp"), port, port)] if port else []),
        calls=called if called != port else 0,
        target=server.target,
        caller=caller,
        balancer_id=balancer_id,
    )


def _master_slave_group(listener: Answer) -> str:
    """Return the group of a master and a slave that the listener's own configuration names; "" for none."""
    configs = (listener.get(one) for one in _CONFIGS)
    found = (text_of(one, "MasterSlaveServerGroupId") for one in configs if isinstance(one, Mapping))
    return next(filter(None, found), "")


def _server(answer: Answer) -> BackendServer:
    made = server_of(answer, kind=text_of(answer, "Type").lower() or "ecs")
    return (
        replace(made, is_idle=False) if "ServerType" in answer else made
    )  # a slave waits, whatever its weight


def _rules(group: Answer) -> list[str]:
    """Return the ids of the forwarding rules that name a group of servers."""
    value: object = group
    for key in ("AssociatedObjects", "Rules", "Rule"):
        value = value.get(key) if isinstance(value, Mapping) else None
    rules = value if isinstance(value, list) else []
    return [text_of(one, "RuleId") or "rule" for one in rules if isinstance(one, Mapping)]
