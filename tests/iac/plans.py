"""Plans and states as `terraform show -json` writes them, made by hand; the real one is held against them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

PROVIDER = "registry.terraform.io/aliyun/alicloud"
Values = dict[str, Any]
_RULE: Values = {
    "type": "ingress",
    "ip_protocol": "tcp",
    "port_range": "22/22",
    "policy": None,
    "priority": None,
    "cidr_ip": None,
    "ipv6_cidr_ip": None,
    "source_security_group_id": None,
    "source_group_owner_account": None,
    "source_group_owner_id": None,
    "description": None,
}
_COMPUTED = {"id": True, "nic_type": True, "prefix_list_id": True, "security_group_rule_id": True}


class Plan:
    """A plan that grows resource by resource."""

    def __init__(self) -> None:
        self.changes: list[Values] = []
        self.prior: list[Values] = []
        self.blocks: list[Values] = []
        self.more: Values = {}

    def change(self, address: str, before: Values | None, after: Values | None, **more: Any) -> Self:
        """Add a change of a resource of the root module; `unknown`, `references` and `actions` may be given."""
        kind, _, name = address.partition(".")
        name, _, key = name.partition("[")
        index = json.loads(key[:-1]) if key else None
        default = (
            "no-op"
            if before == after
            else "delete"
            if after is None
            else "create"
            if before is None
            else "update"
        )
        change = {
            "actions": more.get("actions", [default]),
            "before": before,
            "after": after,
            "after_unknown": more.get("unknown", {}),
        }
        one = {"address": address, "mode": "managed", "type": kind, "name": name, "provider_name": PROVIDER}
        if index is not None:
            one["index"] = index
        self.changes.append({**one, "change": change, **more.get("also", {})})
        if before is not None:
            self.prior.append({**one, "values": before})
        expressions = {
            argument: {"references": named} for argument, named in more.get("references", {}).items()
        }
        if all((block["type"], block["name"]) != (kind, name) for block in self.blocks):
            self.blocks.append({"type": kind, "name": name, "mode": "managed", "expressions": expressions})
        return self

    def group(self, name: str = "web", **values: Any) -> Self:
        """Add a group that is to be made."""
        after = {"security_group_name": name, "vpc_id": "vpc-1", "tags": None, **values}
        return self.change(f"alicloud_security_group.{name}", None, after, unknown={"id": True})

    def rule(self, name: str, group: str = "web", unknown: Iterable[str] = (), **values: Any) -> Self:
        """Add a rule of that group that is to be made: SSH, unless said otherwise."""
        references = {
            "security_group_id": [f"alicloud_security_group.{group}.id", f"alicloud_security_group.{group}"]
        }
        references |= {argument: [f"alicloud_later.x.{argument}"] for argument in unknown}
        later = _COMPUTED | {"security_group_id": True} | dict.fromkeys(unknown, True)
        after = {key: value for key, value in {**_RULE, **values}.items() if key not in set(unknown)}
        return self.change(
            f"alicloud_security_group_rule.{name}", None, after, unknown=later, references=references
        )

    @property
    def data(self) -> Values:
        """The plan's JSON as a value."""
        return {
            "format_version": "1.2",
            "terraform_version": "1.11.4",
            "planned_values": {},
            "resource_changes": self.changes,
            "prior_state": {"format_version": "1.0", "values": {"root_module": {"resources": self.prior}}},
            "configuration": {"root_module": {"resources": self.blocks}},
            **self.more,
        }

    def write(self, folder: Path, name: str = "plan.json") -> Path:
        """Write it to a file."""
        return written(folder, self.data, name)


def written(folder: Path, data: object, name: str = "plan.json") -> Path:
    """Write a value as a JSON file."""
    path = folder / name
    path.write_text(json.dumps(data))
    return path


def state(*resources: Mapping[str, Any]) -> Values:
    """A state as `terraform show -json` writes it."""
    return {"format_version": "1.0", "values": {"root_module": {"resources": list(resources)}}}


def state_rule(name: str, rule_id: str, group_id: str = "sg-1", **values: Any) -> Values:
    """A rule in a state: SSH, unless said otherwise."""
    return {
        "address": f"alicloud_security_group_rule.{name}",
        "mode": "managed",
        "type": "alicloud_security_group_rule",
        "name": name,
        "provider_name": PROVIDER,
        "values": {
            **_RULE,
            "policy": "accept",
            "priority": 1,
            "nic_type": "intranet",
            "security_group_id": group_id,
            "security_group_rule_id": rule_id,
            "prefix_list_id": "",
            **values,
        },
    }


def state_group(name: str, group_id: str = "sg-1", **values: Any) -> Values:
    """A group in a state."""
    return {
        "address": f"alicloud_security_group.{name}",
        "mode": "managed",
        "type": "alicloud_security_group",
        "name": name,
        "provider_name": PROVIDER,
        "values": {"id": group_id, "security_group_name": name, "vpc_id": "vpc-1", "tags": {}, **values},
    }
