"""A run beside Cloud Config's own results: where they differ, why, and what is not known enough to say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_config20200907 import models
from alibabacloud_config20200907.client import Client

from orchestrator import run
from orchestrator.cli.exit_codes import of_comparison
from orchestrator.config import packs
from orchestrator.emulator import World, WorldOutline
from orchestrator.emulator.services.config.recorder import Key, changed
from orchestrator.emulator.world.model import PrefixList, Rule
from orchestrator.journal import JournalError
from orchestrator.policy import parse_exemptions
from orchestrator.report import ComparedChecks, JudgementDifference, RuleParameters, render_comparison
from orchestrator.run import Filters, UsageError
from orchestrator.run.evaluations import read_evaluations
from tests.emulator.clients import Official
from tests.run.conftest import Desk, MakeDesk
from tests.run.test_diff import ANY, Estate, ssh

GROUP = "ACS::ECS::SecurityGroup"
RISKY = "sg-risky-ports-check"
LONG_AGO = 1_600_000_000_000


def redis() -> Rule:
    """A rule that opens Redis, so that the run keeps the rules of its group."""
    return Rule("sgr-redis", port_range="6379/6379", source_cidr_ip=ANY)


@pytest.fixture
def estate(desk_at: MakeDesk) -> Estate:
    """Two accounts without any group yet."""
    return Estate(desk_at)


def results_of_the_cloud(desk: Desk, accounts: Iterable[str], most: int = 100) -> list[dict[str, Any]]:
    """Set the managed rule up for all accounts by the official client, evaluate, and return its pages."""
    emulator = desk.emulator
    client: Any = Client(Official(emulator).config())
    made = models.CreateAggregatorRequest(aggregator_name="all", description="all", aggregator_type="RD")
    aggregator_id = client.create_aggregator(made).body.aggregator_id
    rule = models.CreateAggregateConfigRuleRequest(
        aggregator_id=aggregator_id,
        config_rule_name=f"prod-{RISKY}",
        source_owner="ALIYUN",
        source_identifier=RISKY,
        input_parameters={"ports": "22,3389"},
        resource_types_scope=[GROUP],
        config_rule_trigger_types="ConfigurationItemChangeNotification",
        risk_level=1,
    )
    rule_id = client.create_aggregate_config_rule(rule).body.config_rule_id
    world = emulator.world
    for account in accounts:
        for region in world.region_ids:
            for name in list(world.estate(account, region).groups):
                changed(emulator.state, Key(account, region, name))
    pages: list[dict[str, Any]] = []
    token: str | None = None
    while not pages or token:
        asked = models.ListAggregateConfigRuleEvaluationResultsRequest(
            aggregator_id=aggregator_id, config_rule_id=rule_id, max_results=most, next_token=token
        )
        pages.append(client.list_aggregate_config_rule_evaluation_results(asked).body.to_map())
        token = pages[-1]["EvaluationResults"].get("NextToken")
    return pages


def result(
    estate: Estate, name: str, compliance: str = "NON_COMPLIANT", rule: str = RISKY, **more: Any
) -> dict[str, Any]:
    """Return a result as the API writes it, of a day long before any run."""
    named = {
        "ConfigRuleName": rule,
        "ConfigRuleId": f"cr-{rule}",
        "RegionId": estate.regions[0],
        "ResourceId": f"sg-{name}",
        "ResourceType": GROUP,
        "ResourceOwnerId": int(estate.accounts[0]),
    }
    tops = ("ResultRecordedTimestamp", "Annotation")
    top: dict[str, Any] = {key: more.pop(key) for key in tops if key in more}
    return {
        "ComplianceType": compliance,
        "ResultRecordedTimestamp": LONG_AGO,
        **top,
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": {**named, **more}},
    }


def compared(
    estate: Estate, *given: Any, named: dict[str, str] | None = None, **parameters: Any
) -> ComparedChecks:
    """Write the results, a page each or results by themselves, and compare the run with them."""
    pages = [
        one if "EvaluationResults" in one else {"EvaluationResults": {"EvaluationResultList": [one]}}
        for one in given
    ]
    path = estate.desk.folder / "theirs.json"
    path.write_text("\n".join(map(json.dumps, pages)))
    return run.compare(estate.desk.folder / "run", [path], named or {}, RuleParameters(**parameters))


def only(found: ComparedChecks) -> JudgementDifference:
    """Return the one difference."""
    (one,) = found.differences
    return one


def test_the_clouds_own_results(estate: Estate) -> None:
    """Pages of the official client as they come: what both fail agrees, and each other group says why not."""
    lists = estate.world.estate(estate.accounts[0], estate.regions[0]).prefix_lists
    lists["pl-1"] = PrefixList("pl-1", "all", entries=(ANY,))
    drop = Rule("sgr-drop", policy="Drop", port_range="22/22", source_cidr_ip=ANY)
    ping = Rule("sgr-ping", ip_protocol="ICMP", port_range="-1/-1", source_cidr_ip=ANY)
    estate.group("both", ssh())
    estate.group("clean", ssh(source="203.0.113.0/24"))
    estate.group("six", Rule("sgr-six", port_range="22/22", ipv6_source_cidr_ip="::/0"))
    estate.group("halves", ssh("sgr-low", "0.0.0.0/1"), ssh("sgr-high", "128.0.0.0/1"))
    estate.group("list", Rule("sgr-list", port_range="22/22", source_prefix_list_id="pl-1"))
    estate.group("ping", ping, redis())
    estate.group("dropped", drop, ssh(), account=1)
    pages = results_of_the_cloud(estate.desk, estate.accounts, 2)
    assert len(pages) > 2
    estate.scan("run")
    found = compared(estate, *pages)
    assert (found.results, found.agreeing, found.rules) == (7, 2, {f"prod-{RISKY}": RISKY})
    assert {one.security_group_id: (one.kind, one.rule_ids) for one in found.differences} == {
        "sg-six": ("ipv6", ("sgr-six",)),
        "sg-halves": ("source", ("sgr-low", "sgr-high")),
        "sg-list": ("prefix_list", ("sgr-list",)),
        "sg-ping": ("no_ports", ("sgr-ping",)),
        "sg-dropped": ("shadowed", ("sgr-ssh",)),
    }
    assert {one.became for one in found.differences} == {"explained"}
    assert of_comparison(found) == 0


@pytest.mark.parametrize("seed", [5, 11])
def test_every_difference_in_a_whole_organization_is_explained(desk_at: MakeDesk, seed: int) -> None:
    """Whatever groups there are, with load balancers and drops and lists: what both know is never unexplained."""
    desk = desk_at(World.generate(WorldOutline(seed, 4, region_ids=2, groups_per_account=14, balancers=True)))
    pages = results_of_the_cloud(desk, desk.emulator.world.account_ids)
    desk.scan("run", checks=packs()["cloud-config-security-groups"])
    path = desk.folder / "theirs.json"
    path.write_text("\n".join(map(json.dumps, pages)))
    found = run.compare(desk.folder / "run", [path], {}, RuleParameters())
    assert found.agreeing > len(found.differences) > 5
    assert list(found.of("unexplained")) == []
    assert of_comparison(found) == 0
    desk.scan("default")
    found = run.compare(desk.folder / "default", [path], {}, RuleParameters())
    assert {one.kind for one in found.differences if one.became != "explained"} == {"no_rules"}
    assert of_comparison(found) == 3
    one = next(found.of("not_comparable"))
    assert 'scan with packs = ["cloud-config-security-groups"]' in one.why


def test_what_is_set_aside_or_closed_here_says_so(estate: Estate) -> None:
    """A waiver for the run's own check, a service's group, a change of the run; IGNORED there is a waiver of theirs."""
    for name in ("waived", "closed", "ignored", "nothing"):
        estate.group(name, ssh(f"sgr-{name}"))
    estate.group("theirs", ssh("sgr-theirs"), service_managed=True)
    waivers = parse_exemptions(
        [
            {
                "check": "ssh", "group": ["sg-waived", "sg-ignored", "sg-nothing"], "owner": "ann", "reason": "bastion",
                "expires": "2099-01-01",
            }
        ]
    )  # fmt: skip
    estate.scan("run", exemptions=waivers)
    estate.apply("run")
    found = compared(
        estate,
        *(result(estate, name) for name in ("waived", "closed", "theirs")),
        result(estate, "ignored", "IGNORED", IgnoreDate="2027-01-01"),
        result(estate, "nothing", "INSUFFICIENT_DATA"),
    )
    by_group = {one.security_group_id: one for one in found.differences}
    assert {name: (one.kind, one.ours) for name, one in by_group.items()} == {
        "sg-waived": ("exempt", "exempt"),
        "sg-closed": ("closed", "closed"),
        "sg-theirs": ("managed", "managed"),
    }
    assert "by ann: bastion" in by_group["sg-waived"].why
    assert (found.agreeing, of_comparison(found)) == (2, 0)


def test_what_they_ignore_or_have_no_data_of_is_open_here(estate: Estate) -> None:
    """Their word for it is the reason; not applicable is none where the listing does not say so."""
    estate.group("a", ssh())
    estate.scan("run")
    given = {"IGNORED": {"IgnoreDate": "2027-01-01"}, "INSUFFICIENT_DATA": {}, "NOT_APPLICABLE": {}}
    told = [only(compared(estate, result(estate, "a", word, **more))) for word, more in given.items()]
    assert [(one.kind, one.became) for one in told] == [
        ("ignored", "explained"), ("no_data", "explained"), ("not_applicable", "unexplained")
    ]  # fmt: skip
    assert "until 2027-01-01" in told[0].why


def test_what_nothing_accounts_for_is_1(estate: Estate) -> None:
    """They fail what is clean here, pass what their own page fails, or fail what their page passes."""
    estate.group("clean")
    estate.group("open", ssh())
    estate.group("other", redis())
    estate.scan("run", checks=packs()["cloud-config-security-groups"])
    for name, word, kind in (
        ("clean", "NON_COMPLIANT", "unexplained"),
        ("open", "COMPLIANT", "unlike"),
        ("other", "NON_COMPLIANT", "unlike"),
    ):
        found = compared(estate, result(estate, "open"), result(estate, name, word, Annotation="{}"))
        one = next(one for one in found.differences if one.security_group_id == f"sg-{name}")
        assert (one.kind, one.became, one.annotation, of_comparison(found)) == (
            kind,
            "unexplained",
            "{}",
            1,
        ), name
    found = compared(estate, result(estate, "other"), result(estate, "open"), risky=(22, 6379))
    assert (found.differences, found.agreeing) == ((), 2)


def test_what_is_evaluated_after_the_run_is_3(estate: Estate) -> None:
    """What changed in between is not known here, so nothing is said to be wrong, nor right."""
    estate.group("a", ssh())
    estate.scan("run")
    late: dict[str, Any] = {"ResultRecordedTimestamp": 4_000_000_000_000}
    for name in ("a", "made-since"):
        found = compared(estate, result(estate, "a"), result(estate, name, "COMPLIANT", **late))
        assert (only(found).kind, only(found).became, of_comparison(found)) == ("later", "not_comparable", 3)
    assert of_comparison(compared(estate, result(estate, "a", **late))) == 0


def test_what_the_run_has_not_seen_is_3(estate: Estate) -> None:
    """An account or region that it was not asked for, a rule that it could not judge; what is gone is explained."""
    estate.group("a", ssh())
    estate.group("list", Rule("sgr-list", port_range="22/22", source_prefix_list_id="pl-absent"))
    filters = Filters(accounts=(estate.accounts[0],), regions=(estate.regions[0],), exposure=False)
    estate.scan("run", filters)
    for given, kind, code in (
        (result(estate, "a", ResourceOwnerId=int(estate.accounts[1])), "not_seen", 3),
        (result(estate, "a", RegionId=estate.regions[1]), "not_seen", 3),
        (result(estate, "list"), "undetermined", 3),
        (result(estate, "list", "COMPLIANT"), "undetermined", 3),
        (result(estate, "gone"), "gone", 0),
    ):
        found = compared(estate, given, result(estate, "a"))
        assert (only(found).kind, of_comparison(found)) == (kind, code), given
    assert (
        "was not in the scope of this run"
        in only(compared(estate, result(estate, "a", RegionId="cn-x"), result(estate, "a"))).why
    )


def test_what_the_run_did_not_look_for_is_told_only_where_they_fail_it(estate: Estate) -> None:
    """The run keeps no rules of a group without findings, so it cannot say; the pack looks for it."""
    listed = "ecs-security-group-white-list-port-check"
    estate.group("web", Rule("sgr-web", port_range="8080/8080", source_cidr_ip=ANY))
    estate.scan("run")
    found = compared(estate, result(estate, "web", rule=listed))
    assert (only(found).kind, of_comparison(found)) == ("not_looked_for", 3)
    assert 'packs = ["cloud-config-security-groups"]' in only(found).why
    found = compared(estate, result(estate, "web", "COMPLIANT", listed))
    assert (found.differences, found.agreeing, of_comparison(found)) == ((), 0, 0)


def test_a_run_of_the_pack_is_held_against_every_rule_of_theirs(estate: Estate) -> None:
    """Each rule by its identifier or its Chinese name; what is narrower than fails here, or spelled otherwise."""
    estate.group(
        "office",
        ssh("sgr-office", "203.0.113.0/24"),
        Rule("sgr-web", port_range="8080/8080", source_cidr_ip=ANY),
    )
    estate.group("range", Rule("sgr-range", port_range="1/65535", source_cidr_ip=ANY))
    estate.group(
        "inside", Rule("sgr-inside", ip_protocol="ALL", port_range="-1/-1", source_cidr_ip="192.168.0.0/24")
    )
    estate.scan("run", checks=packs()["cloud-config-security-groups"])
    found = compared(
        estate,
        result(estate, "office", rule="ecs-security-group-not-internet-cidr-access"),
        result(estate, "office", rule="安全组非白名单端口入网设置有效"),
        result(estate, "range", "COMPLIANT", "sg-public-access-check"),
        result(estate, "range", "COMPLIANT", "ecs-security-group-not-open-all-protocol"),
        result(estate, "inside", rule="ecs-security-group-not-open-all-port"),
    )
    kinds = {
        (one.security_group_id, one.managed_rule.removeprefix("ecs-security-group-")): one.kind
        for one in found.differences
        if one.theirs
    }
    assert kinds == {
        ("sg-range", "sg-public-access-check"): "spelling",
        ("sg-range", "not-open-all-protocol"): "protocol",
        ("sg-inside", "not-open-all-port"): "broader",
    }
    assert found.agreeing == 2


def test_groups_that_only_this_run_has(estate: Estate) -> None:
    """They look at the account and not at the group: 1. Their pages go on: 3. They hold nothing of an account: told."""
    estate.group("named", ssh("sgr-1"))
    estate.group("left", ssh("sgr-2"))
    estate.group("far", ssh("sgr-3"), account=1)
    estate.scan("run")
    found = compared(estate, result(estate, "named"))
    one = only(found)
    assert (one.security_group_id, one.kind, one.theirs, one.rule_ids) == (
        "sg-left",
        "no_result",
        "",
        ("sgr-2",),
    )
    assert (of_comparison(found), found.absent_accounts) == (1, (estate.accounts[1],))
    page = {"EvaluationResults": {"EvaluationResultList": [result(estate, "named")], "NextToken": "more"}}
    found = compared(estate, page)
    assert (only(found).kind, found.is_cut_short, of_comparison(found)) == ("cut_short", True, 3)


def test_a_rule_whose_name_does_not_tell(estate: Estate) -> None:
    """It is not guessed: where they fail something by it, that is 1, until it is said which rule it is."""
    estate.group("a", ssh())
    estate.scan("run")
    given = result(estate, "a"), result(estate, "a", rule="our rule 7")
    found = compared(estate, *given)
    assert (only(found).kind, only(found).became, found.rules["our rule 7"]) == (
        "unknown_rule",
        "unexplained",
        "",
    )
    assert compared(estate, *given, named={"cr-our rule 7": RISKY}).differences == ()
    assert compared(estate, *given, named={"our rule 7": RISKY}).differences == ()
    described = result(estate, "a", rule="ecs-security-group-description-check")
    assert (
        only(compared(estate, *given[:1], described)).kind,
        of_comparison(compared(estate, *given[:1], described)),
    ) == ("other_subject", 0)
    for named, said in (
        ({"none": RISKY}, "no result is of such a rule"),
        ({"our rule 7": "x"}, "no such managed rule"),
    ):
        with pytest.raises(UsageError, match=said):
            compared(estate, *given, named=named)
    with pytest.raises(UsageError, match="no rule is known by its name"):
        compared(estate, given[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ("\xff", "is not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ('{"DiscoveredResourceProfiles": {}}', "holds no EvaluationResultList"),
        ('{"Code": "NoPermission", "Message": "no"}', "It is an error: NoPermission"),
        ('{"EvaluationResults": {"EvaluationResultList": {}}}', "is no list"),
        ('{"EvaluationResults": {"EvaluationResultList": []}}', "no result at all"),
        ('{"EvaluationResults": {"EvaluationResultList": [1]}}', "result 1: has no EvaluationResultIdentifier"),
        ("[7]", "holds no EvaluationResultList"),
    ],
)  # fmt: skip
def test_a_file_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    """Whatever it is, the sentence says what it looks like, and what to give."""
    path = tmp_path / "theirs.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=said):
        read_evaluations([path])
    with pytest.raises(UsageError, match="is a folder"):
        read_evaluations([tmp_path])


@pytest.mark.parametrize("key", ["ResourceId", "RegionId", "ResourceOwnerId", "ComplianceType"])
def test_a_result_that_is_not_understood_is_an_error(estate: Estate, tmp_path: Path, key: str) -> None:
    """It may be the one that matters, so it is named and not passed over."""
    one = result(estate, "a")
    one["EvaluationResultIdentifier"]["EvaluationResultQualifier"].pop(key, None)
    one.pop(key, None)
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([result(estate, "b"), one]))
    with pytest.raises(UsageError, match=f"result 2: .*{key}"):
        read_evaluations([path])


def test_the_shapes_that_a_file_may_have(estate: Estate, tmp_path: Path) -> None:
    """An answer, several, in a list or one after another, within `body`, or the results alone; the latest counts."""
    one, other = result(estate, "a"), result(estate, "b", "COMPLIANT")
    again = result(estate, "a", "COMPLIANT", ResultRecordedTimestamp=LONG_AGO + 1)
    machine = result(estate, "i", ResourceType="ACS::ECS::Instance")
    answer = {"EvaluationResults": {"EvaluationResultList": [one, other, again, machine], "MaxResults": 10}}
    for text in (
        json.dumps(answer),
        json.dumps([answer]),
        json.dumps({"headers": {}, "statusCode": 200, "body": answer}),
        "\ufeff" + json.dumps([one, other, again, machine]),
        "\n".join(
            json.dumps({"EvaluationResults": {"EvaluationResultList": [row]}})
            for row in (one, again, other, machine)
        ),
    ):
        path = tmp_path / "theirs.json"
        path.write_text(text, encoding="utf-8")
        found = read_evaluations([path])
        assert (len(found), found.other_resources, found.is_cut_short) == (2, 1, False)
        words = {
            place.security_group_id: [each.compliance for each in of] for place, of in found.results.items()
        }
        assert words == {"sg-a": ["COMPLIANT"], "sg-b": ["COMPLIANT"]}


def test_as_json(estate: Estate) -> None:
    """One object: the counts agree with the lists, and each difference has its reason and both words."""
    estate.group("a", ssh())
    estate.group("six", Rule("sgr-six", port_range="22/22", ipv6_source_cidr_ip="::/0"))
    estate.scan("run")
    parts: list[str] = []
    render_comparison(compared(estate, result(estate, "a"), result(estate, "six", "COMPLIANT")), parts.append)
    found = json.loads("".join(parts))
    assert found["counts"] == {
        "agreeing": 1, "explained": 1, "unexplained": 0, "not_comparable": 0, "by_kind": {"ipv6": 1}
    }  # fmt: skip
    (one,) = found["explained"]
    assert (one["theirs"], one["ours"], one["rule_ids"]) == ("COMPLIANT", "open", ["sgr-six"])
    assert one["recorded_at"] == "2020-09-13T12:26:40+00:00"
    with pytest.raises(JournalError):
        run.compare(estate.desk.folder / "absent", [estate.desk.folder / "theirs.json"], {}, RuleParameters())
