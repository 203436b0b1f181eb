"""What stands behind groups, and the ways in: read once a region, told for each rule with a finding.

A right that is missing is asked for once in the account, and told of every rule that it matters for. What cannot be
read makes what is told `incomplete`; the rest goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from orchestrator.evidence import balancer_servers, clb, estate, group_references, nat, network_acls, vpcs
from orchestrator.evidence.doors import DoorId
from orchestrator.evidence.estate import NetworkInterface, RegionEstate
from orchestrator.evidence.region_reading import PartReader, RegionRead, UnreadPart, read_estate, read_region
from orchestrator.evidence.values import MOST_WAYS_TOLD, Behind, BehindInstance, BehindStatus
from orchestrator.evidence.vpcs import Tags, read_vpc_tags
from orchestrator.evidence.ways_in import Admission, Surroundings, admission_of, ways_in
from orchestrator.inventory.paging import ProductCaller
from orchestrator.policy.findings import Finding
from orchestrator.securitygroup import SecurityGroup

ACTIONS = (
    *estate.ACTIONS,
    *group_references.ACTIONS,
    *network_acls.ACTIONS,
    *nat.ACTIONS,
    *clb.ACTIONS,
    *balancer_servers.ACTIONS,
    *vpcs.ACTIONS,
)
"""The RAM actions of this reader, for its session's policy."""

_NOTHING_GIVEN = (
    "ecs:DescribeNetworkInterfaces and ecs:DescribeInstances gave nothing: that there is nothing and that nothing may "
    "be seen are answered alike"
)
_NO_WAY = "no way in was found by public addresses, DNAT entries, CLB, NLB and ALB listeners; that is not proof of none"
_FORWARDERS = ("clb", "dnat", "network acls")
_BALANCERS = ("alb", "nlb")


class CarriedTags(msgspec.Struct, frozen=True):
    """The tags around a group that may name its owner: of each instance behind it, and of its VPC."""

    instances: tuple[Tags, ...] = ()
    vpc: Tags = ()


class Estates:
    """What stands behind the groups of one account, region by region: one to an account.

    What the account may not read in one region is not asked for in another.
    """

    def __init__(self, session: ProductCaller) -> None:
        """Remember whom to ask.

        Args:
            session: of the account, may do `ACTIONS`.
        """
        self._reader = PartReader(session)
        self._last: tuple[str, RegionEstate | None, list[UnreadPart]] | None = None

    async def behind(
        self,
        region_id: str,
        findings: Mapping[str, Sequence[Finding]],
        referenced: Collection[str] = (),
        groups: Mapping[str, SecurityGroup] | None = None,
    ) -> dict[DoorId, Behind]:
        """Return what stands behind each finding's rule, by the ids of group and rule.

        Args:
            region_id: where the groups are.
            findings: by the id of their group.
            referenced: groups that are known to be named by a rule of another; of others on no interface it is asked.
            groups: as they were read, with their lists, as far as they are at hand: sources are exact by them.

        Raises:
            HubCredentialsError: the hub's own credentials no longer hold. What else goes wrong is told of each rule.
        """
        rules: defaultdict[DoorId, list[Finding]] = defaultdict(list)
        for group_id, mine in findings.items():
            for one in mine:
                rules[group_id, one.rule_id].append(one)
        if not rules:
            return {}
        known = groups or {}
        admissions = {key: admission_of(mine, known.get(key[0])) for key, mine in rules.items()}
        self._last = None  # what is told now is read now
        stands, problems = await self._estate(region_id)
        if stands is None:
            return dict.fromkeys(admissions, _unread(problems))
        read = await read_region(self._reader, region_id, stands, admissions, referenced)
        told = msgspec.structs.replace(read, problems=(*problems, *read.problems))
        return {key: _told(key[0], admission, told) for key, admission in admissions.items()}

    async def tags(self, region_id: str, vpc_ids: Mapping[str, str]) -> dict[str, CarriedTags]:
        """Return the tags around groups, by the group's id; what could not be read names nobody.

        Asked of a region right after `behind`, it reads the VPCs alone.

        Args:
            region_id: where the groups are.
            vpc_ids: the VPC of each group, by the group's id; "" in the classic network.

        Raises:
            HubCredentialsError: the hub's own credentials no longer hold.
        """
        stands, _ = await self._estate(region_id)
        wanted = frozenset(filter(None, vpc_ids.values()))
        of_vpcs = await self._of_vpcs(region_id, wanted) if wanted else {}
        return {
            group_id: CarriedTags(
                stands.tags_behind(group_id) if stands is not None else (), of_vpcs.get(vpc_id, ())
            )
            for group_id, vpc_id in vpc_ids.items()
        }

    async def _of_vpcs(self, region_id: str, vpc_ids: Collection[str]) -> Mapping[str, Tags]:
        session = self._reader.session
        found = await self._reader.part("vpcs", "vpc", lambda: read_vpc_tags(session, region_id, vpc_ids))
        return {} if isinstance(found, UnreadPart) else found

    async def _estate(self, region_id: str) -> tuple[RegionEstate | None, list[UnreadPart]]:
        if self._last is None or self._last[0] != region_id:
            self._last = (region_id, *await read_estate(self._reader, region_id))
        return self._last[1:]


def _unread(problems: Sequence[UnreadPart]) -> Behind:
    """Return what is told where not even the interfaces are known."""
    status: BehindStatus = "not_permitted" if any(one.is_right for one in problems) else "incomplete"
    return Behind(status=status, reason=_texts(problems))


def _told(group_id: str, admission: Admission | None, read: RegionRead) -> Behind:
    """Return what stands behind one rule."""
    around = read.around
    if around is None:
        return _unread(read.problems)
    mine = around.estate.of(group_id)
    gaps = [one.text for one in read.problems if _matters(one, mine, admission)]
    if not any(one.part == "instances" for one in read.problems):
        gaps += _unseen(around.estate, mine)
    ways = ways_in(admission, around) if admission is not None else ()
    is_idle = not mine and group_id not in read.needed
    reason = "; ".join(gaps)
    if not gaps and admission is not None and not ways and mine:
        reason = _NO_WAY
    return Behind(
        status="incomplete" if gaps else "seen",
        interfaces=len(mine),
        instances=tuple(_instances(around, mine)),
        public_addresses=tuple(
            dict.fromkeys(address.text for one in mine for address in one.public_addresses)
        ),
        via=ways[:MOST_WAYS_TOLD],
        ways_untold=max(0, len(ways) - MOST_WAYS_TOLD),
        is_unused=is_idle and not gaps,
        reason=reason,
    )


def _matters(problem: UnreadPart, mine: Sequence[NetworkInterface], admission: Admission | None) -> bool:
    """Tell whether something may be missing in what is told of a rule, or that its group is unused is not sure."""
    is_by_balancer = admission is not None and bool(admission.balancer_id)
    if problem.part in _BALANCERS:
        return admission is not None or not mine
    if problem.part in _FORWARDERS:
        return admission is not None and not is_by_balancer and any(one.is_in_use for one in mine)
    return problem.part == "instances" or (problem.part == "references" and not mine)


def _unseen(stands: RegionEstate, mine: Sequence[NetworkInterface]) -> Iterator[str]:
    """Yield what was asked for and not given."""
    if stands.is_empty:
        yield _NOTHING_GIVEN
    ids = {one.instance_id for one in mine} & set(stands.unseen)
    if ids:
        yield f"ecs:DescribeInstances did not give {', '.join(sorted(ids)[:3])}"


def _instances(around: Surroundings, mine: Sequence[NetworkInterface]) -> Iterator[BehindInstance]:
    known = around.estate.instances
    for instance_id in dict.fromkeys(one.instance_id for one in mine if one.instance_id):
        yield BehindInstance(instance_id, known[instance_id].name if instance_id in known else "")


def _texts(problems: Sequence[UnreadPart]) -> str:
    return "; ".join(one.text for one in problems)
