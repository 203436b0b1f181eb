"""Which flow logs there are, and each thing that keeps one from vouching for a window."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.cloud.errors import CountMismatch, Denied, Unavailable
from orchestrator.emulator import Bend, BendKind, Fault, Kind
from orchestrator.evidence.flow_logs import (
    NUMBER_FIELDS,
    TEXT_FIELDS,
    FlowLog,
    Window,
    coverage,
    covering,
    has_answers,
    read_flow_logs,
    unindexed,
)
from orchestrator.inventory import Interface
from tests.evidence.traffic_kit import DAY, NOW, REGION, log, scene

END = int(NOW.timestamp())
WINDOW = Window(END - 14 * DAY, END)
LOG = FlowLog(
    "fl-1", "VPC", "vpc-1", "project", "logstore", status="Active", business_status="Normal",
    deliver_status="SUCCESS", traffic_type="All", traffic_paths=("all",), ip_version="DualStack",
    created=END - 100 * DAY,
)  # fmt: skip
STORE: dict[str, Any] = {"ttl": 30, "createTime": END - 100 * DAY}
KEYS: dict[str, Any] = {
    **{name: {"type": "text", "doc_value": True} for name in TEXT_FIELDS},
    **{name: {"type": "long", "doc_value": True} for name in NUMBER_FIELDS},
}
INDEX: dict[str, Any] = {"keys": KEYS, "lastModifyTime": END - 100 * DAY}


def judged(
    store: dict[str, Any] | None = None, index: dict[str, Any] | None = None, family: int = 4, **fields: Any
) -> str:
    """What keeps a log from vouching, with these fields changed."""
    changed = msgspec.structs.replace(LOG, **fields)
    return coverage(changed, {**STORE, **(store or {})}, {**INDEX, **(index or {})}, WINDOW, family)


@pytest.mark.parametrize(
    ("fields", "family"),
    [
        ({}, 4),
        ({}, 6),
        ({"traffic_type": "Allow"}, 4),
        ({"traffic_paths": ()}, 4),
        ({"ip_version": "IPv4"}, 4),
        ({"ip_version": ""}, 4),
        ({"created": float(WINDOW.begin)}, 4),
        ({"store": {"ttl": 14}}, 4),
        ({"store": {"ttl": "14", "createTime": str(WINDOW.begin)}}, 4),
        ({"store": {"ttl": 3650, "createTime": None}}, 4),
        ({"index": {"lastModifyTime": WINDOW.begin}}, 4),
        ({"index": {"lastModifyTime": None}}, 4),
    ],
)
def test_a_window_that_was_logged_throughout(fields: dict[str, Any], family: int) -> None:
    """Nothing is said against it."""
    assert judged(family=family, **fields) == ""


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "Inactive"}, "fl-1 is Inactive, not Active"),
        ({"status": ""}, "fl-1 is of unknown status, not Active"),
        ({"traffic_type": "Drop"}, "of Drop traffic"),
        ({"traffic_type": ""}, "of unknown traffic"),
        ({"ip_version": "IPv4", "family": 6}, "is of IPv4, and the rule lets in IPv6"),
        ({"ip_version": "", "family": 6}, "is of IPv4, and the rule lets in IPv6"),
        ({"ip_version": "IPv5"}, "is of IPv5"),
        (
            {"deliver_status": "FAILED", "deliver_message": "ProjectNotExist"},
            "not delivered (FAILED: ProjectNotExist)",
        ),
        ({"deliver_status": ""}, "not delivered (its status is not told)"),
        ({"business_status": "FinancialLocked"}, "business status FinancialLocked"),
        ({"business_status": ""}, "business status unknown"),
        ({"traffic_paths": ("internetGateway",)}, "is of internetGateway alone"),
        ({"traffic_paths": ("all", "cen")}, "is of all, cen alone"),
        ({"created": WINDOW.begin + 1.0}, "was created within the window"),
        ({"created": None}, "does not say since when"),
        ({"store": {"ttl": 13}}, "keeps logs for 13 days, not for 14"),
        ({"store": {"ttl": None}}, "keeps logs for unknown days"),
        ({"store": {"createTime": WINDOW.begin + 1}}, "was made within the window"),
        ({"index": {"lastModifyTime": WINDOW.begin + 1}}, "was indexed anew within the window"),
        ({"index": {"keys": None}}, "no index for analysis of eni-id, srcaddr"),
    ],
)
def test_what_keeps_a_log_from_vouching_is_named(fields: dict[str, Any], reason: str) -> None:
    """Each by itself, with the log's id."""
    found = judged(**fields)
    assert reason in found
    assert "fl-1" in found


@pytest.mark.parametrize("name", [*TEXT_FIELDS, *NUMBER_FIELDS])
@pytest.mark.parametrize(
    "change", [None, {"doc_value": False}, {"doc_value": "true"}, {"type": "json"}, {"type": "text"}]
)
def test_every_field_of_the_queries_must_be_seen_by_sql(name: str, change: dict[str, Any] | None) -> None:
    """Indexed, with analysis on, as the type that it is compared as."""
    keys = {key: value for key, value in KEYS.items() if key != name}
    if change is not None:
        keys[name] = {**KEYS[name], **change}
    is_same = change == {"type": "text"} and name in TEXT_FIELDS
    assert unindexed({"keys": keys}) == ([] if is_same else [name])
    assert (name in judged(index={"keys": keys})) is not is_same


def test_what_went_out_needs_two_fields_more() -> None:
    """Their lack keeps nothing else from being told."""
    assert not has_answers(INDEX)
    more = {"dstaddr": {"type": "text", "doc_value": True}, "srcport": {"type": "long", "doc_value": True}}
    assert has_answers({"keys": {**KEYS, **more}})
    assert not has_answers({"keys": {**more, "srcport": {"type": "text", "doc_value": True}}})


def test_the_nearest_log_comes_first() -> None:
    """An interface's own, then its vSwitch's, then its VPC's; those of others, and what names nothing, are not its."""
    kinds = ("VPC", "VSwitch", "NetworkInterface", "VPC", "NetworkInterface", "Planet")
    ids = ("vpc-1", "vsw-1", "eni-1", "vpc-2", "", "eni-1")
    logs = [
        msgspec.structs.replace(LOG, flow_log_id=str(at), resource_type=kind, resource_id=id_)
        for at, (kind, id_) in enumerate(zip(kinds, ids, strict=True))
    ]
    mine = Interface(("sg-1",), "i-1", 0, 0, 0, interface_id="eni-1", vpc_id="vpc-1", vswitch_id="vsw-1")
    assert [one.flow_log_id for one in covering(logs, mine)] == ["2", "1", "0"]
    assert covering(logs, Interface(("sg-1",), "i-1", 0, 0, 0)) == []


async def test_every_page_is_read_as_the_cloud_has_it() -> None:
    """Fields as they come, over pages of fifty."""
    made = [log(number, traffic_type="Allow", age_days=float(number)) for number in range(1, 121)]
    async with scene(logs=made) as it:
        found = await read_flow_logs(it.session(), REGION)
        assert it.calls["DescribeFlowLogs"] == 3
        epoch = it.it.emulator.state.epoch
    assert [one.flow_log_id for one in found] == [one.flow_log_id for one in made]
    assert found[4] == FlowLog(
        "fl-5", "VPC", "vpc-1", made[4].project, made[4].logstore, status="Active", business_status="Normal",
        deliver_status="SUCCESS", traffic_type="Allow", traffic_paths=("all",), ip_version="IPv4",
        created=epoch - 5 * DAY,
    )  # fmt: skip


async def test_a_list_that_is_shorter_than_its_count_is_not_believed() -> None:
    """Where its TotalCount says that there are more."""
    async with scene(logs=[log(number) for number in range(1, 4)]) as it:
        it.it.emulator.bend(Bend(kind=BendKind.CUT, action="DescribeFlowLogs"), seed=1)
        with pytest.raises(CountMismatch):
            await read_flow_logs(it.session(), REGION)


@pytest.mark.parametrize(("kind", "error"), [(Kind.DENIED, Denied), (Kind.UNAVAILABLE, Unavailable)])
async def test_what_cannot_be_read_is_an_error(kind: Kind, error: type[Exception]) -> None:
    """No right, or no answer: never an empty list."""
    async with scene(attempts=1) as it:
        it.it.emulator.set_faults(Fault(kind=kind, action="DescribeFlowLogs"))
        with pytest.raises(error):
            await read_flow_logs(it.session(), REGION)
