"""Load balancers: which security groups they joined, and on which ports they listen there (NLB and ALB).

A group that a balancer joined follows the balancer's rule (see `exposure.listener_rules`). One call a region and
product tells who joined a group; listeners are read only of those. Both listings are by token.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence

from accounts.paging import Answer, counted
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, Denied
from orchestrator.inventory.paging import PagedList, ProductSession
from orchestrator.securitygroup import MAX_PORT, NOT_BALANCED, Balancer, Balancing, PortRange

_PRODUCTS = ("nlb", "alb")
_PER_PAGE = 100  # ListLoadBalancers and ListListeners, the APIs' maximum
_BALANCERS_PER_CALL = 20  # LoadBalancerIds of ListListeners, the APIs' maximum
_PROTOCOLS = {"TCP": "tcp", "TCPSSL": "tcp", "HTTP": "tcp", "HTTPS": "tcp", "UDP": "udp", "QUIC": "udp"}
_FAMILIES = {"ipv4": (4,), "dualstack": (4, 6)}
_EVERY_FAMILY = (4, 6)


class InRegion:
    """The load balancers of a region by the groups they joined, and why they, or some, could not be read."""

    def __init__(
        self, joined: Mapping[str, Sequence[Balancer]], unread: str = "", *, is_required: bool = False
    ) -> None:
        self.unread = unread
        self._joined = joined
        self._is_required = is_required

    @property
    def group_ids(self) -> tuple[str, ...]:
        """The groups that a balancer joined."""
        return tuple(self._joined)

    def of(self, security_group_id: str, known: Balancing = NOT_BALANCED) -> Balancing:
        """Return what joined the group; where not all could be read, also what was known of it before."""
        found = self._joined.get(security_group_id, ())
        if not self.unread:
            return Balancing(tuple(found)) if found else NOT_BALANCED
        every = {one.balancer_id: one for one in (*known.balancers, *found)}
        return Balancing(tuple(every.values()), self.unread, self._is_required)


class Balancers:
    """Asks one account for its load balancers. A product that it has no right to is not asked for again elsewhere."""

    def __init__(self, session: AccountSession, *, is_required: bool) -> None:
        """Remember whom to ask.

        Args:
            session: may read.
            is_required: a group whose balancers could not be read must not be judged without them.
        """
        self._session = session
        self._is_required = is_required
        self._denied: dict[str, Denied] = {}

    async def of(self, region_id: str) -> InRegion:
        """Return those of a region. What could not be read is no error: it is told."""
        found: defaultdict[str, list[Balancer]] = defaultdict(list)
        unread: list[str] = []
        for product in _PRODUCTS:
            error = await self._add(product, region_id, found)
            if error is not None:
                where = f"{product}:{error.action}: {error.code}: {error.message}"
                unread.append(f"{where} (RequestId {error.request_id})")
        return InRegion(found, "; ".join(unread), is_required=self._is_required)

    async def _add(
        self, product: str, region_id: str, found: Mapping[str, list[Balancer]]
    ) -> CloudError | None:
        """Add what a product's balancers joined, or return why that is not known."""
        if product in self._denied:
            return self._denied[product]
        try:
            for group_id, balancer in await _Product(self._session, product, region_id).joined():
                found[group_id].append(balancer)
        except Denied as denied:
            self._denied[product] = denied
            return denied
        except CloudError as error:
            return error
        return None


class _Product:
    """One product's listings in one region."""

    def __init__(self, session: AccountSession, product: str, region_id: str) -> None:
        self._session = ProductSession(session, product)
        self._region_id = region_id

    async def joined(self) -> list[tuple[str, Balancer]]:
        """Return each group that a balancer joined, with it; listeners are read of those only.

        Raises:
            CloudError: they could not be read in full.
        """
        members: dict[str, tuple[Answer, tuple[str, ...]]] = {}
        async for one in self._each("ListLoadBalancers", "LoadBalancers", "LoadBalancerId"):
            if group_ids := self._group_ids(one):
                members[str(one["LoadBalancerId"])] = one, group_ids
        ports = await self._listeners(list(members))
        return [
            (group_id, _balancer(one, tuple(ports[balancer_id])))
            for balancer_id, (one, group_ids) in members.items()
            for group_id in group_ids
        ]

    def _listing(self, action: str, name: str) -> PagedList:
        return PagedList(self._session, action, self._region_id, (name,))

    async def _each(
        self, action: str, name: str, named: str, balancer_ids: Sequence[str] = ()
    ) -> AsyncIterator[Answer]:
        """Yield each item. ALB takes no RegionId, its endpoint says it; a gateway for every region needs one."""
        asked: Answer = {"RegionId": self._region_id, "MaxResults": _PER_PAGE}
        if balancer_ids:
            asked["LoadBalancerIds"] = list(balancer_ids)
        listing = self._listing(action, name)
        async for page, found in listing.pages(asked, named=named):
            for one in found:
                is_other = bool(balancer_ids) and one.get("LoadBalancerId") not in balancer_ids
                if is_other or one.get("RegionId", self._region_id) != self._region_id:
                    raise listing.malformed(
                        f"{one[named]} is of another region or balancer than asked for", page
                    )
                yield one

    def _group_ids(self, balancer: Answer) -> tuple[str, ...]:
        """Return the groups that a balancer joined; none where the field is left out."""
        group_ids = balancer.get("SecurityGroupIds") or []
        if not isinstance(group_ids, list) or not all(isinstance(one, str) and one for one in group_ids):
            raise self._listing("ListLoadBalancers", "LoadBalancers").malformed(
                f"SecurityGroupIds of {balancer['LoadBalancerId']} is no list of ids", {}
            )
        return tuple(dict.fromkeys(group_ids))

    async def _listeners(self, balancer_ids: Sequence[str]) -> dict[str, list[PortRange]]:
        """Return where these balancers listen, by their ids; a listener that was stopped takes nothing."""
        found: defaultdict[str, list[PortRange]] = defaultdict(list)
        for start in range(0, len(balancer_ids), _BALANCERS_PER_CALL):
            some = balancer_ids[start : start + _BALANCERS_PER_CALL]
            async for one in self._each("ListListeners", "Listeners", "ListenerId", some):
                if one.get("ListenerStatus") != "Stopped":
                    found[str(one["LoadBalancerId"])].append(self._ports(one))
        return found

    def _ports(self, listener: Answer) -> PortRange:
        """Return what a listener takes: one port, or (NLB, port 0) a range."""
        protocol = _PROTOCOLS.get(str(listener.get("ListenerProtocol")).upper())
        first = last = counted(listener, "ListenerPort")
        if first == 0:
            first, last = counted(listener, "StartPort"), counted(listener, "EndPort")
        if protocol is None or first is None or last is None or not 1 <= first <= last <= MAX_PORT:
            raise self._listing("ListListeners", "Listeners").malformed(
                f"it is not known where listener {listener['ListenerId']} listens", {}
            )
        return PortRange(protocol, first, last)


def _balancer(answer: Answer, ports: tuple[PortRange, ...]) -> Balancer:
    """Return a balancer; what is not said of its addresses is taken for public, and of both families."""
    families = _FAMILIES.get(str(answer.get("AddressIpVersion")).lower(), _EVERY_FAMILY)
    kinds = {4: answer.get("AddressType"), 6: answer.get("Ipv6AddressType", answer.get("AddressType"))}
    return Balancer(
        balancer_id=str(answer["LoadBalancerId"]),
        name=str(answer.get("LoadBalancerName") or ""),
        families=families,
        internet=tuple([family for family in families if kinds[family] != "Intranet"]),
        ports=ports,
    )
