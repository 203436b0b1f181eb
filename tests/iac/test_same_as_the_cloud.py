"""Any rule set written as code is judged as the same rules read from the cloud are."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.iac import CodeJudgement
from orchestrator.iac.gathering import gather
from orchestrator.iac.ros import read_template
from orchestrator.iac.templates import Text
from orchestrator.iac.terraform import read_terraform
from orchestrator.iac.values import FileChange
from orchestrator.policy import default_checks, evaluate, parse_checks
from orchestrator.securitygroup import Lists, Placement, parse_group
from tests.iac.plans import PROVIDER, Plan, state, state_group, state_rule

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHECKS = (
    *default_checks(),
    *parse_checks(
        [
            {"id": "egress", "direction": "egress", "ports": ["tcp/25"], "severity": "low"},
            {"id": "lateral", "zone": "private", "ports": ["tcp/22"], "wider_than": 16},
            {"id": "icmp", "protocol": "icmp"},
        ]
    ),
)
LISTS = {
    "pl-anyone": ("0.0.0.0/1", "128.0.0.0/1"),
    "pl-office": ("203.0.113.0/24", "8.8.8.0/24"),
    "pl-six": ("2000::/3",),
    "pl-wide": ("8.0.0.0/9",),
}
V4 = [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "64.0.0.0/2",
    "8.0.0.0/8",
    "8.0.0.0/9",
    "8.8.8.8",
    "10.0.0.0/8",
    "8.8.0.0/16",
]
V6 = ["::/0", "2000::/3", "2400::/20", "2400::/32", "fd00::/8"]

peers = st.one_of(
    st.sampled_from(V4).map(lambda block: ("cidr_ip", block)),
    st.sampled_from(V6).map(lambda block: ("ipv6_cidr_ip", block)),
    st.sampled_from(list(LISTS)).map(lambda one: ("prefix_list_id", one)),
    st.just(("source_security_group_id", "sg-friend")),
)
protocols = st.one_of(
    st.tuples(
        st.sampled_from(["tcp", "udp"]),
        st.sampled_from(
            ["22/22", "20/25", "1/65535", "3389/3389", "443/443", "25/25", "1434/1434", "6000/7000"]
        ),
    ),
    st.tuples(st.sampled_from(["icmp", "icmpv6", "gre", "all"]), st.just("-1/-1")),
)
rules = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ingress", "ingress", "ingress", "egress"]),
        "policy": st.sampled_from(["accept", "accept", "drop", None]),
        "priority": st.sampled_from([1, 1, 2, 50, 100, None]),
        "what": protocols,
        "peer": peers,
    }
)
Drawn = dict[str, Any]


def values(rule: Drawn) -> Drawn:
    """The rule as the provider's arguments."""
    protocol, ports = rule["what"]
    kept = {key: rule[key] for key in ("type", "policy", "priority")}
    return {**kept, "ip_protocol": protocol, "port_range": ports, rule["peer"][0]: rule["peer"][1]}


def permission(number: int, rule: Drawn) -> Drawn:
    """The rule as DescribeSecurityGroupAttribute gives it."""
    protocol, ports = rule["what"]
    side = "Source" if rule["type"] == "ingress" else "Dest"
    names = {
        "cidr_ip": f"{side}CidrIp",
        "ipv6_cidr_ip": f"Ipv6{side}CidrIp",
        "prefix_list_id": f"{side}PrefixListId",
        "source_security_group_id": f"{side}GroupId",
    }
    return {
        "SecurityGroupRuleId": str(number),
        "Direction": rule["type"],
        "Policy": (rule["policy"] or "accept").capitalize(),
        "Priority": rule["priority"] or 1,
        "IpProtocol": protocol.upper(),
        "PortRange": ports,
        "NicType": "intranet",
        names[rule["peer"][0]]: rule["peer"][1],
    }


def in_cloud(drawn: list[Drawn]) -> list[tuple[Any, ...]]:
    """What a scan says of the rules."""
    listing = {"SecurityGroupId": "sg-1", "VpcId": "vpc-1"}
    raws = [permission(number, rule) for number, rule in enumerate(drawn)]
    group = parse_group(Placement(""), "", listing, {}, raws, Lists(dict(LISTS)))
    return sorted(said(evaluate(group, CHECKS, NOW)), key=repr)


def said(findings: Any) -> list[tuple[Any, ...]]:
    """What is said of each rule: its number, and all that a verdict is made of."""
    return [
        (
            one.rule_id.rpartition("_")[2].rpartition("[")[2].rstrip("]").rpartition("R")[2],
            one.check_id,
            one.wide_for,
            one.verdict,
            one.status,
            one.severity,
            one.action,
            str(one.ports),
            one.together,
        )
        for one in findings
    ]


def of_code(change: FileChange) -> list[tuple[Any, ...]]:
    """What `check` says of the rules."""
    judgement = CodeJudgement(partial(evaluate, checks=CHECKS, now=NOW), CHECKS)
    gathered = gather(change.after, change.before)
    return sorted(said([one for _, found in judgement.findings(gathered) for one in found]), key=repr)


def planned(drawn: list[Drawn]) -> FileChange:
    """The rules as a plan, each a resource of its own, the lists, too."""
    plan = Plan().group()
    for name, blocks in LISTS.items():
        entries = [{"cidr": block, "description": None} for block in blocks]
        address = f"alicloud_ecs_prefix_list.{name[3:]}"
        plan.change(address, None, {"entry": entries}, unknown={"id": True, "entry": [{} for _ in entries]})
    for number, rule in enumerate(drawn):
        later = {"prefix_list_id"} if rule["peer"][0] == "prefix_list_id" else set()
        plan.rule(f"r_{number}", unknown=later, **values(rule))
        if later:
            named = f"alicloud_ecs_prefix_list.{rule['peer'][1][3:]}"
            plan.blocks[-1]["expressions"]["prefix_list_id"] = {"references": [f"{named}.id", named]}
    return read_terraform(plan.data, "plan.json")


def in_state(drawn: list[Drawn]) -> FileChange:
    """The rules in a state."""
    lists = [
        {
            "address": f"alicloud_ecs_prefix_list.{name[3:]}",
            "type": "alicloud_ecs_prefix_list",
            "name": name[3:],
            "provider_name": PROVIDER,
            "values": {"id": name, "entry": [{"cidr": block} for block in blocks]},
        }
        for name, blocks in LISTS.items()
    ]
    made = [state_rule(f"r_{number}", "", **values(rule)) for number, rule in enumerate(drawn)]
    return read_terraform(state(state_group("web"), *lists, *made), "state.json")


def in_template(drawn: list[Drawn]) -> FileChange:
    """The rules in a template: some within the group, some by themselves."""
    resources: Drawn = {"Web": {"Type": "ALIYUN::ECS::SecurityGroup", "Properties": {"VpcId": "vpc-1"}}}
    for name, blocks in LISTS.items():
        entries = [{"Cidr": block} for block in blocks]
        resources[name] = {"Type": "ALIYUN::ECS::PrefixList", "Properties": {"Entries": entries}}
    for number, rule in enumerate(drawn):
        raw = permission(number, rule)
        fields = {key: value for key, value in raw.items() if key not in {"Direction", "SecurityGroupRuleId"}}
        for key in ("SourcePrefixListId", "DestPrefixListId"):
            if key in fields:
                fields[key] = {"Fn::GetAtt": [fields[key], "PrefixListId"]}
        way = "Ingress" if rule["type"] == "ingress" else "Egress"
        fields["SecurityGroupId"] = {"Ref": "Web"}
        resources[f"R{number}"] = {"Type": f"ALIYUN::ECS::SecurityGroup{way}", "Properties": fields}
    data = {"ROSTemplateFormatVersion": "2015-09-01", "Resources": resources}
    return read_template(Path("stack.json"), Text(data, {}), {}).change


@settings(max_examples=150, deadline=None)
@given(st.lists(rules, max_size=7))
def test_code_is_judged_as_the_cloud_is(drawn: list[Drawn]) -> None:
    """A plan, a state and a template of the same rules: the verdicts, severities and ports of a scan of them."""
    wanted = in_cloud(drawn)
    assert of_code(planned(drawn)) == wanted
    assert of_code(in_state(drawn)) == wanted
    assert of_code(in_template(drawn)) == wanted
