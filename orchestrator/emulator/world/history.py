"""Who opened which rule, when and by what: the calls that were made before the cloud started.

A door (`Origin.doors`) was opened by a person in the console, by the root account, by Terraform or ROS, with its group,
or by a change of a rule that was narrow before. Some were opened so long ago that ActionTrail does not tell; of some
nothing is known. Beside them stand calls that opened nothing: refused ones, reads, changes of other rules. The rules'
own CreateTime is the seed's: it is older than all of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from orchestrator.emulator.world.model import Actor, Event, Group, Rule
from orchestrator.emulator.world.origin import Origin

DAY_SECONDS: Final = 86_400.0
KEPT_DAYS: Final = 90
"""ActionTrail tells of so many days."""

CONSOLE: Final = "ecs.console.aliyun.com"
TERRAFORM: Final = (
    "AlibabaCloud (linux; amd64) Golang/1.22.7 Core/0.01 HashiCorp-Terraform/1.9.8 Provider/1.240.0"
)
ROS: Final = "ros.aliyuncs.com"
_SDK: Final = "AlibabaCloud (Linux; amd64) Python/3.11.9 Core/1.0.0 TeaDSL/1 config_retry"

_USERS: Final = ("li.wei", "zhang.min", "wang.fang", "ops-bot", "chen.jie", "sun.yu")
_KINDS: Final = ("console", "root", "terraform", "ros", "created", "modified", "old", "unknown")
_WEIGHTS: Final = (30, 8, 18, 8, 10, 8, 12, 6)
_PARAMETERS: Final = (
    ("IpProtocol", "ip_protocol"),
    ("PortRange", "port_range"),
    ("PortRangeListId", "port_range_list_id"),
    ("SourcePortRange", "source_port_range"),
    ("SourceCidrIp", "source_cidr_ip"),
    ("Ipv6SourceCidrIp", "ipv6_source_cidr_ip"),
    ("SourcePrefixListId", "source_prefix_list_id"),
    ("DestCidrIp", "dest_cidr_ip"),
    ("Ipv6DestCidrIp", "ipv6_dest_cidr_ip"),
    ("Policy", "policy"),
    ("Description", "description"),
)


class _Caller(NamedTuple):
    """Somebody, the address they called from, and the user agent."""

    actor: Actor
    source_ip: str
    user_agent: str


def make(origin: Origin) -> tuple[Event, ...]:
    """The calls of an account's region about its groups, oldest first."""
    maker = _Maker(origin)
    found = [event for number, group in enumerate(maker.groups()) for event in maker.of(group, number)]
    return tuple(sorted(found, key=lambda event: -event.age_seconds))


class _Maker:
    """Makes the calls of one region, in the order of its groups."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._dice = origin.dice("history")
        self._rng = self._dice.rng

    def groups(self) -> Iterable[Group]:
        return self._origin.estate.groups.values()

    def of(self, group: Group, number: int) -> Iterator[Event]:
        """The calls about one group; in the showcase the kinds take turns."""
        doors = self._origin.doors(group)
        if group.service_managed or not (doors or self._rng.random() < 0.3):
            return
        kind = self._rng.choices(_KINDS, _WEIGHTS)[0]
        if self._origin.is_showcase:
            kind = _KINDS[number % len(_KINDS)]
        age = self._rng.uniform(1, KEPT_DAYS - 2) * DAY_SECONDS
        if kind == "old":
            age += KEPT_DAYS * DAY_SECONDS
        rules = doors or tuple(rule for rule in group.rules if rule.direction == "ingress")[:1]
        if kind != "unknown" and rules:
            yield from self._opening(kind, group, rules, age)
        yield from self._beside(group, rules, age)

    # --- what opened

    def _opening(self, kind: str, group: Group, rules: tuple[Rule, ...], age: float) -> Iterator[Event]:
        who = self._who(kind)
        if kind in {"created", "ros", "terraform"}:
            parameters = {"VpcId": group.vpc_id, "SecurityGroupName": group.name}
            opened = rules if kind == "created" else ()
            yield self._event("CreateSecurityGroup", who, group, parameters, age + 3, opened=opened)
        if kind == "modified":
            for rule in rules:
                yield self._modification(rule, who, group, age)
        elif kind == "terraform":
            for nth, rule in enumerate(rules):
                parameters = {**_permission(rule), "NicType": rule.nic_type}
                yield self._event(
                    "AuthorizeSecurityGroup", who, group, parameters, age - nth,
                    opened=(rule,),
                )  # fmt: skip
        elif kind != "created":
            parameters = {}
            for nth, rule in enumerate(rules, 1):
                parameters |= {f"Permissions.{nth}.{key}": value for key, value in _permission(rule).items()}
            yield self._event("AuthorizeSecurityGroup", who, group, parameters, age, opened=rules)

    def _modification(self, rule: Rule, who: _Caller, group: Group, age: float) -> Event:
        """A rule that was narrow before, as the call left it."""
        parameters = {"SecurityGroupRuleId": rule.security_group_rule_id, **_permission(rule)}
        return self._event("ModifySecurityGroupRule", who, group, parameters, age, opened=(rule,))

    def _who(self, kind: str) -> _Caller:
        office = f"203.{self._rng.randrange(1, 250)}.{self._rng.randrange(256)}.{self._rng.randrange(1, 255)}"
        if kind == "root":
            account_id = self._origin.account_id
            return _Caller(Actor("root-account", "root", account_id), office, CONSOLE)
        if kind == "terraform":
            return _Caller(self._role("terraform-deploy", "pipeline"), office, TERRAFORM)
        if kind == "ros":
            return _Caller(self._role("aliyunrosdefaultrole", "ros"), "ros.aliyuncs.com", ROS)
        agent = CONSOLE if kind in {"console", "created"} or self._rng.random() < 0.7 else _SDK
        key = "" if agent == CONSOLE else f"LTAI5t{self._rng.getrandbits(72):018x}"
        return _Caller(Actor("ram-user", self._rng.choice(_USERS), self._number(), key), office, agent)

    def _role(self, name: str, session: str) -> Actor:
        key = f"STS.N{self._rng.getrandbits(80):020X}"
        return Actor("assumed-role", f"{name}:{session}", f"{self._number()}:{session}", key)

    def _number(self) -> str:
        return f"2{self._rng.randrange(10**17):017d}"

    # --- what opened nothing

    def _beside(self, group: Group, rules: tuple[Rule, ...], age: float) -> Iterator[Event]:
        """A refused call that says just what the opening one said, a read, a group's own policy, a revoked rule."""
        who = self._who("console")
        if rules and self._rng.random() < 0.3:
            parameters = {f"Permissions.1.{key}": value for key, value in _permission(rules[0]).items()}
            yield self._event(
                "AuthorizeSecurityGroup", who, group, parameters, age * 0.9,
                error_code="Forbidden.RAM",
            )  # fmt: skip
        if self._rng.random() < 0.3:
            parameters = {"Direction": "all"}
            yield self._event("DescribeSecurityGroupAttribute", who, group, parameters, age * 0.8)
        if group.kind == "normal" and self._rng.random() < 0.15:
            parameters = {"InnerAccessPolicy": group.inner_access_policy}
            yield self._event("ModifySecurityGroupPolicy", who, group, parameters, age * 0.7)
        if self._rng.random() < 0.2:
            parameters = {"SecurityGroupRuleId.1": self._dice.new_id("sgr")}
            yield self._event("RevokeSecurityGroup", who, group, parameters, age * 0.6)

    def _event(
        self,
        action: str,
        who: _Caller,
        group: Group,
        parameters: Mapping[str, str],
        age: float,
        *,
        opened: tuple[Rule, ...] = (),
        error_code: str = "",
    ) -> Event:
        return Event(
            age_seconds=float(int(age)),
            action=action,
            actor=who.actor,
            parameters={
                "RegionId": self._origin.region_id,
                **({} if action == "CreateSecurityGroup" else {"SecurityGroupId": group.security_group_id}),
                **{key: value for key, value in parameters.items() if value},
            },
            event_id=self._dice.uuid(),
            source_ip=who.source_ip,
            user_agent=who.user_agent,
            error_code=error_code,
            is_read=action.startswith("Describe"),
            group_id=group.security_group_id,
            opened=tuple(rule.security_group_rule_id for rule in opened),
        )


def _permission(rule: Rule) -> dict[str, str]:
    """A rule as Authorize and Modify are sent it."""
    sent = {key: str(getattr(rule, name)) for key, name in _PARAMETERS if getattr(rule, name)}
    return {**sent, "Priority": str(rule.priority)}
