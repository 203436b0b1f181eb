"""What waits for what, by Terraform's own graph of an example: what is not as it must be."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from tests.terraform.conftest import Terraform

# whatever makes something run waits for the rights it runs with
_STARTS = (
    "alicloud_config_rule.this",
    "alicloud_config_remediation.this",
    "alicloud_config_aggregate_config_rule.this",
    "alicloud_config_aggregate_remediation.this",
    "alicloud_event_bridge_rule.changes",
)
_OWN = {
    "module.remediation.alicloud_ram_role_policy_attachment.this",
    "module.remediation.module.records.alicloud_log_store_index.this",
}
_RIGHTS = {
    "single-account": _OWN,
    "organization": _OWN
    | {
        "module.hub.alicloud_ram_role_policy_attachment.this",
        "module.management.alicloud_ram_role_policy_attachment.this",
        "module.members.alicloud_ros_stack_instances.members",
        "module.members.terraform_data.rolled_out",
        "alicloud_config_aggregator.organization",
    },
}
Graph = dict[str, set[str]]


def _graph(terraform: Terraform, example: str) -> Graph:
    """Each resource, and what it needs, near and far."""
    folder = f"examples/{example}"
    terraform.init(folder)
    said = terraform.run(folder, "graph").stdout
    near: Graph = defaultdict(set)
    for one, other in re.findall(r'"([^"]+)" -> "([^"]+)"', said):
        near[one].add(other)
    return {one: _reached(near, one) for one in near}


def _reached(near: Graph, start: str) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = near.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


def order(terraform: Terraform, example: str) -> Iterator[str]:
    """What runs is made after the functions, roles and rights that it will need; names wait for nothing."""
    graph = _graph(terraform, example)
    function = "module.remediation.module.{}.alicloud_fcv3_function.this"
    for start in _STARTS:
        name = (
            "on_event" if "event_bridge" in start else "remediate" if "remediation" in start else "evaluate"
        )
        there = graph.get(f"module.remediation.{start}", set())
        lacking = (_RIGHTS[example] | {function.format(name)}) - there
        yield from (f"{start} does not wait for {one}" for one in sorted(lacking))
    linked = "module.remediation.alicloud_event_bridge_service_linked_role.this"
    if linked not in graph.get("module.remediation.alicloud_event_bridge_rule.changes", set()):
        yield "the event rule does not wait for the service-linked roles"
    # the account's number is read while planning: what is named by it must never look new
    if waits := graph.get("module.remediation.data.alicloud_caller_identity.here"):
        yield f"the account's number is read after {min(waits)}"
