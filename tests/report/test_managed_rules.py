"""Cloud Config's managed rules as their pages have them, and docs/packs.md, whose tables are computed here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.config import packs
from orchestrator.journal import RuleEffects
from orchestrator.policy import Check, evaluate
from orchestrator.report import (
    KINDS,
    MANAGED_RULES,
    ComparedRule,
    ManagedResult,
    ManagedRule,
    OwnResult,
    RuleParameters,
    difference,
    documented,
    managed_rule,
    standing,
    worst,
)
from orchestrator.securitygroup import Balancer, Balancing, Lists, PortRange, SecurityGroup
from tests.rulebook import NOW, group, permission

PAGE = (Path(__file__).parents[2] / "docs" / "packs.md").read_text(encoding="utf-8")
PACK = packs()["cloud-config-security-groups"]
CHECKS = {one.removeprefix("Cloud Config: "): check for check in PACK for one in check.references}
PARAMETERS = RuleParameters()
LISTS = Lists(prefix_lists={"pl-1": ("0.0.0.0/0",)}, port_lists={"prl-1": ("22/22",), "prl-2": ("443/443",)})
NO_SOURCE = {"SourceCidrIp": ""}
EVERYTHING = {"IpProtocol": "ALL", "PortRange": "-1/-1"}
OUT = {"Direction": "egress", **NO_SOURCE}
DROP = permission(Policy="Drop")
NLB = Balancing((Balancer("nlb-1", "shop", (4,), (4,), (PortRange("tcp", 22, 22),)),))

SAMPLES: dict[str, SecurityGroup] = {
    "TCP 22 from 0.0.0.0/0": group(permission()),
    "TCP 22 from ::/0": group(permission(**NO_SOURCE, Ipv6SourceCidrIp="::/0")),
    "TCP 22 from 0.0.0.0/1 and from 128.0.0.0/1": group(
        permission(SourceCidrIp="0.0.0.0/1"), permission(SourceCidrIp="128.0.0.0/1")
    ),
    "TCP 22 from a prefix list that holds 0.0.0.0/0": group(
        permission(**NO_SOURCE, SourcePrefixListId="pl-1"), lists=LISTS
    ),
    "TCP 22 from 8.8.8.0/24": group(permission(SourceCidrIp="8.8.8.0/24")),
    "TCP 22 from 20.0.0.0/9": group(permission(SourceCidrIp="20.0.0.0/9")),
    "TCP 22 from 0.0.0.0/0, and a Drop of the same at the same priority": group(DROP, permission()),
    "TCP 22 from 0.0.0.0/0, and a Drop of the same at a higher priority": group(DROP, permission(Priority=2)),
    "TCP 22 from 0.0.0.0/0 by a port list": group(permission(PortRange="", PortRangeListId="prl-1"), lists=LISTS),
    "TCP 443 from 0.0.0.0/0 by a port list": group(
        permission(PortRange="", PortRangeListId="prl-2"), lists=LISTS
    ),
    "TCP 22 from 0.0.0.0/0, on the internal card of the classic network": group(permission(), VpcId=""),
    "TCP 22 from 0.0.0.0/0, in a group of a cloud service": group(permission(), ServiceManaged=True),
    "no rule, and a public NLB that listens on TCP 22": msgspec.structs.replace(group(), balancing=NLB),
    "TCP 443 from 0.0.0.0/0": group(permission(PortRange="443/443")),
    "TCP 8080 from ::/0": group(permission(PortRange="8080/8080", **NO_SOURCE, Ipv6SourceCidrIp="::/0")),
    "TCP 1/65535 from 0.0.0.0/0": group(permission(PortRange="1/65535")),
    "ALL from 0.0.0.0/0": group(permission(**EVERYTHING)),
    "ALL from 10.0.0.0/8": group(permission(**EVERYTHING, SourceCidrIp="10.0.0.0/8")),
    "ALL from 192.168.0.0/24": group(permission(**EVERYTHING, SourceCidrIp="192.168.0.0/24")),
    "ALL from another security group": group(permission(**EVERYTHING, **NO_SOURCE, SourceGroupId="sg-2")),
    "ICMP from 0.0.0.0/0": group(permission(IpProtocol="ICMP", PortRange="-1/-1")),
    "ALL out to 0.0.0.0/0": group(permission(**EVERYTHING, **OUT, DestCidrIp="0.0.0.0/0")),
    "ALL out to ::/0": group(permission(**EVERYTHING, **OUT, Ipv6DestCidrIp="::/0")),
    "TCP 1/65535 out to 0.0.0.0/0": group(permission(PortRange="1/65535", **OUT, DestCidrIp="0.0.0.0/0")),
}  # fmt: skip

WORDS = {
    "fail": "NON_COMPLIANT",
    "pass": "COMPLIANT",
    "not_applicable": "NOT_APPLICABLE",
    "unclear": "not said",
}


def known(one: SecurityGroup, check: Check) -> OwnResult:
    """Return how a group stands by a check, as a run that has read it knows it."""
    judged = evaluate(one, (check,), NOW)
    ours = worst([standing(finding, RuleEffects(())) for finding in judged])
    chosen = tuple(finding for finding in judged if standing(finding, RuleEffects(())) == ours)
    reason = next((finding.reason.rstrip(".") for finding in chosen), "")
    return OwnResult(ours=ours, findings=chosen, group=one, reason=reason)


def told(rule: ManagedRule, one: SecurityGroup) -> tuple[str, str, str]:
    """Return their word, ours, and why they differ; "" where they do not."""
    subject = ComparedRule(rule=rule, check=CHECKS[rule.identifier], parameters=PARAMETERS)
    ours, says = known(one, subject.check), documented(rule, one, PARAMETERS).says
    word: Any = WORDS[says] if says != "unclear" else "COMPLIANT" if ours.ours == "open" else "NON_COMPLIANT"
    theirs = ManagedResult(
        config_rule=rule.identifier,
        config_rule_id="cr-1",
        account_id="1000",
        region_id="cn-hangzhou",
        security_group_id="sg-1",
        compliance=word,
    )
    found = difference(theirs, subject, ours, NOW)
    return (
        WORDS[says],
        ours.ours,
        found.why if found and found.became == "explained" else "" if found is None else "?",
    )


def table() -> str:
    """Return the page's table: every sample that a managed rule and our check of the same judge otherwise."""
    lines = ["| their rule | the group | theirs | ours | why |", "|---|---|---|---|---|"]
    for rule in MANAGED_RULES.values():
        for name, one in SAMPLES.items() if rule.identifier in CHECKS else ():
            theirs, ours, why = told(rule, one)
            if why:
                lines.append(f"| `{rule.identifier}` | {name} | {theirs} | {ours} | {why} |")
    return "\n".join(lines)


def test_the_table_of_differences_is_as_computed() -> None:
    """Each row of the page is what the two say of that group now, and no difference is missing."""
    assert "| ? |" not in table(), "a difference that nothing explains"
    assert table() in PAGE, f"docs/packs.md should have\n{table()}"


def test_the_page_says_what_each_kind_of_difference_means() -> None:
    """Each word that `--json` may give stands in the page's last table once, and no other does."""
    listed = PAGE[PAGE.index("| `kind` | why |") :]
    words = [
        word for line in listed.splitlines()[2:] for word in re.findall("`([a-z0-9_]+)`", line.split("|")[1])
    ]
    assert sorted(words) == sorted(KINDS)


def test_the_page_names_every_item_of_both_products() -> None:
    """Each check of both packs stands there with its official names and its own id, and no other does."""
    shown = re.findall(r"^\| ([^|]+) \| `((?:config|firewall)-[a-z0-9-]+)` \|", PAGE, re.MULTILINE)
    listed = {
        (reference.partition(": ")[2], check.id)
        for pack in ("cloud-config-security-groups", "cloud-firewall-security-groups")
        for check in packs()[pack]
        for reference in check.references
    }
    assert {(name.strip("`"), check_id) for name, check_id in shown} == listed


def test_every_rule_of_their_pack_has_a_check_but_the_one_about_instances() -> None:
    """The pack "security group best practices" has eight rules, of which one is about instances; and the tutorial's."""
    theirs = {
        "ecs-security-group-white-list-port-check", "sg-public-access-check", "ecs-security-group-not-open-all-port",
        "ecs-security-group-not-open-all-protocol", "ecs-security-group-not-internet-cidr-access",
        "ecs-security-group-egress-not-all-access", "ecs-security-group-risky-ports-check-with-protocol",
    }  # fmt: skip
    assert CHECKS.keys() == theirs | {"sg-risky-ports-check"}
    assert CHECKS.keys() | {"ecs-instance-attached-security-group"} <= MANAGED_RULES.keys()
    assert "`ecs-instance-attached-security-group`" in PAGE


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("sg-risky-ports-check", "sg-risky-ports-check"),
        ("prod-sg-risky-ports-check", "sg-risky-ports-check"),
        ("SG_RISKY_PORTS_CHECK", "sg-risky-ports-check"),
        (
            "ecs-security-group-risky-ports-check-with-protocol",
            "ecs-security-group-risky-ports-check-with-protocol",
        ),
        ("安全组入网设置有效", "sg-public-access-check"),
        (" 安全组非白名单端口入网设置有效 ", "ecs-security-group-white-list-port-check"),
        ("no open ports", None),
        ("", None),
    ],
)
def test_which_rule_a_name_is_of(name: str, identifier: str | None) -> None:
    """The identifier within a name tells, whatever stands around it, and so does the console's own name."""
    found = managed_rule(name)
    assert (found and found.identifier) == identifier


@pytest.mark.parametrize(
    ("identifier", "raws", "says"),
    [
        ("sg-risky-ports-check", [permission(PortRange="3380/3390")], "fail"),
        ("sg-risky-ports-check", [permission(PortRange="23/3388")], "pass"),
        ("sg-risky-ports-check", [permission(IpProtocol="UDP")], "fail"),
        ("sg-risky-ports-check", [permission(IpProtocol="ICMP", PortRange="-1/-1")], "unclear"),
        ("sg-risky-ports-check", [permission(PortRange="", PortRangeListId="prl-1")], "unclear"),
        ("sg-risky-ports-check",
         [permission(PortRange="", PortRangeListId="prl-1", SourceCidrIp="8.8.8.0/24")], "pass"),
        ("sg-risky-ports-check", [DROP], "pass"),
        ("sg-risky-ports-check", [DROP, permission(Priority=2)], "fail"),
        ("ecs-security-group-risky-ports-check-with-protocol", [DROP, permission(Priority=2)], "pass"),
        ("ecs-security-group-risky-ports-check-with-protocol", [DROP, permission()], "fail"),
        ("ecs-security-group-risky-ports-check-with-protocol", [permission(**EVERYTHING)], "unclear"),
        ("ecs-security-group-risky-ports-check-with-protocol",
         [permission(IpProtocol="ICMP", PortRange="-1/-1")], "pass"),
        ("ecs-security-group-risky-ports-check-with-protocol",
         [permission(Policy="Drop", SourceCidrIp="8.8.8.0/24"), permission(Priority=2)], "fail"),
        ("ecs-security-group-risky-ports-check-with-protocol",
         [DROP, permission(PortRange="20/30", Priority=2)], "pass"),
        ("ecs-security-group-white-list-port-check", [permission(PortRange="80/80")], "pass"),
        ("ecs-security-group-white-list-port-check", [permission(PortRange="80/81")], "fail"),
        ("ecs-security-group-white-list-port-check", [permission(IpProtocol="GRE", PortRange="-1/-1")], "unclear"),
        ("ecs-security-group-white-list-port-check",
         [permission(IpProtocol="GRE", PortRange="-1/-1", SourceCidrIp="8.8.8.0/24")], "pass"),
        ("ecs-security-group-white-list-port-check", [permission(**EVERYTHING)], "fail"),
        ("ecs-security-group-white-list-port-check", [permission(SourceCidrIp="8.8.8.0/24")], "pass"),
        ("sg-public-access-check", [permission(**EVERYTHING)], "fail"),
        ("sg-public-access-check", [permission(**EVERYTHING, SourceCidrIp="8.0.0.0/8")], "pass"),
        ("sg-public-access-check", [permission(Policy="Drop", **EVERYTHING), permission(**EVERYTHING, Priority=9)],
         "pass"),
        ("ecs-security-group-not-open-all-port", [permission(**EVERYTHING, SourceCidrIp="10.1.1.1/32")], "fail"),
        ("ecs-security-group-not-open-all-port", [permission(PortRange="1/65535")], "pass"),
        ("ecs-security-group-not-open-all-protocol", [permission(PortRange="-1/-1")], "pass"),
        ("ecs-security-group-not-internet-cidr-access", [permission(SourceCidrIp="8.8.8.8/32")], "fail"),
        ("ecs-security-group-not-internet-cidr-access", [permission(SourceCidrIp="10.0.0.0/8")], "pass"),
        ("ecs-security-group-egress-not-all-access", [permission(**EVERYTHING, **OUT, DestCidrIp="8.8.8.8/32")],
         "pass"),
        ("ecs-security-group-egress-not-all-access", [permission(**EVERYTHING)], "pass"),
        ("ecs-security-group-description-check", [permission()], "unclear"),
    ],
)  # fmt: skip
def test_what_a_page_says(identifier: str, raws: list[dict[str, object]], says: str) -> None:
    """By what stands written in a rule: 0.0.0.0/0, -1/-1, ALL; a Drop counts where its page says so."""
    assert documented(MANAGED_RULES[identifier], group(*raws), PARAMETERS).says == says


def test_the_ports_are_those_that_a_rule_was_set_up_with() -> None:
    """Without a word they are 22 and 3389, and 80 and 443 for the allow-list."""
    risky, listed = (
        MANAGED_RULES["sg-risky-ports-check"],
        MANAGED_RULES["ecs-security-group-white-list-port-check"],
    )
    redis = group(permission(PortRange="6379/6379"))
    assert documented(risky, redis, RuleParameters(risky=(6379,))).says == "fail"
    assert documented(risky, redis, PARAMETERS).says == "pass"
    assert documented(listed, redis, RuleParameters(allowed=(6379,))).says == "pass"
