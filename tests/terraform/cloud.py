"""What stands behind the provider's stand-in: accounts that remember what was made, and how members take roles.

A test writes down how the cloud is (`Setting`) and may change it between two runs of terraform; the stand-in reads it
anew at each call, and writes down what there is. What the API refuses is in `refusals`.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Values = dict[str, Any]
ACCOUNT = "1234567890123456"
ROOT_FOLDER = "r-AbCdEf"
GLOBAL = "ca-everyone"


@dataclass
class Setting:
    """How the cloud is before anything is made, and what goes wrong in it.

    Attributes:
        members: the folders, from the root down, in which each member is.
        failing: members in which ROS fails.
        roles_there: roles that a member has already, so that ROS fails there.
        config_on: whether Cloud Config is switched on.
        delegated: delegated administrators of Cloud Config.
        aggregators: account groups that exist: id, name, type and accounts of each.
        service_linked_roles: those of EventBridge that exist.
        contact_groups: Cloud Monitor's.
        aggregator_limit: how many members an account group may have.
        oss_from_outside: whether objects can be written through OSS's public host.
        group_update: what ROS does with the members when a group is updated: "none" are, or "all", one by one.
    """

    members: dict[str, list[str]] = field(
        default_factory=lambda: {
            "1000000000000001": [ROOT_FOLDER, "fd-shop"],
            "1000000000000002": [ROOT_FOLDER, "fd-shop"],
            "1000000000000003": [ROOT_FOLDER, "fd-bank"],
        }
    )
    failing: list[str] = field(default_factory=list)
    roles_there: dict[str, list[str]] = field(default_factory=dict)
    config_on: bool = True
    delegated: list[str] = field(default_factory=list)
    aggregators: list[Values] = field(default_factory=list)
    service_linked_roles: list[str] = field(default_factory=list)
    contact_groups: list[str] = field(default_factory=lambda: ["security"])
    aggregator_limit: int = 200
    oss_from_outside: bool = True
    group_update: str = "none"

    def write(self, path: Path) -> None:
        """Keep it for the stand-in."""
        path.write_text(json.dumps(asdict(self)))


class RefusedError(Exception):
    """The API refuses a call, or a call fails.

    Attributes:
        keeps: the provider writes the new values into the state all the same, as it does when an update fails.
    """

    def __init__(self, text: str, *, keeps: bool = False) -> None:
        super().__init__(text)
        self.keeps = keeps


_NUMBERED = {"security_group": "sg", "security_group_rule": "sgr", "ecs_prefix_list": "pl"}
_RULE_ID = (
    "security_group_id",
    "type",
    "ip_protocol",
    "port_range",
    "nic_type",
    "cidr_ip",
    "policy",
    "priority",
)


def _is_said(value: object) -> bool:
    """Whether a value is known, and not only to be computed."""
    return isinstance(value, str) and bool(value)


class Cloud:
    """What was made so far.

    Attributes:
        things: what terraform has made and not destroyed, by resource type and id.
        roles: what the stacks made in the members: account, role, its trust policy as text.
        stacks: a stack group's stack in each member: CURRENT or OUTDATED.
        used: buckets in which the function has kept something.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.things: dict[str, dict[str, Values]] = {}
        self.roles: dict[str, dict[str, str]] = {}
        self.stacks: dict[str, dict[str, str]] = {}
        self.used: set[str] = set()
        self._number = 0

    @property
    def setting(self) -> Setting:
        """How the cloud is now."""
        path = self._folder / "setting.json"
        return Setting(**json.loads(path.read_text())) if path.exists() else Setting()

    def all(self, kind: str) -> list[Values]:
        """Every thing of a type."""
        return list(self.things.get(kind, {}).values())

    def by(self, kind: str, key: str, value: object) -> Values | None:
        """The thing of a type whose argument has the value, if there is one."""
        return next((one for one in self.all(kind) if one.get(key) == value), None)

    def in_folders(self, folder_ids: list[str]) -> list[str]:
        """The members in any of the folders, in order."""
        return [account for account, path in self.setting.members.items() if set(path) & set(folder_ids)]

    def accounts_of(self, aggregator_id: str) -> list[str]:
        """The members that an account group holds."""
        for one in self.setting.aggregators:
            if one["id"] == aggregator_id:
                return list(one["accounts"])
        made = self.by("alicloud_config_aggregator", "id", aggregator_id) or {}
        if made.get("aggregator_type") == "RD":
            return list(self.setting.members)
        return self.in_folders((made.get("folder_id") or "").split(","))

    def tell(self) -> None:
        """Write down what there is, for the test to look at."""
        found = {
            "things": self.things,
            "roles": self.roles,
            "stacks": self.stacks,
        }
        (self._folder / "found.json").write_text(json.dumps(found))

    # what the provider does -----------------------------------------------------------------------------

    def create(self, kind: str, values: Values) -> None:
        """Make a thing; completes its values."""
        self._number += 1
        values.update(self._computed(kind, values))
        plain = (str, int, float, list, dict, type(None))
        values.update({key: f"standin-{key}" for key, one in values.items() if not isinstance(one, plain)})
        doing = getattr(self, f"_create_{kind.removeprefix('alicloud_')}", None)
        if doing:
            doing(values)
        self.things.setdefault(kind, {})[self._key(kind, values)] = dict(values)

    def update(self, kind: str, prior: Values, values: Values) -> None:
        """Change a thing."""
        self.things.setdefault(kind, {})[self._key(kind, values)] = dict(values)
        doing = getattr(self, f"_update_{kind.removeprefix('alicloud_')}", None)
        if doing:
            doing(prior, values)

    def delete(self, kind: str, prior: Values) -> None:
        """Remove a thing."""
        doing = getattr(self, f"_delete_{kind.removeprefix('alicloud_')}", None)
        if doing:
            doing(prior)
        self.things.get(kind, {}).pop(self._key(kind, prior), None)

    def read(self, kind: str, values: Values) -> Values:
        """Give a thing as the provider reads it back."""
        if kind == "alicloud_ros_stack_group":
            hidden = _hidden(values.get("template_body"))
            for one in values.get("parameters") or ():
                if one["parameter_key"] in hidden:
                    one["parameter_value"] = "******"
        return values

    def data(self, kind: str, values: Values) -> Values:
        """Give what a data source finds."""
        answers: dict[str, Any] = {
            "alicloud_caller_identity": lambda: {"account_id": ACCOUNT},
            "alicloud_config_configuration_recorders": self._recorders,
            "alicloud_config_aggregators": self._aggregators,
            "alicloud_ram_roles": lambda: self._roles(values["name_regex"]),
            "alicloud_resource_manager_accounts": lambda: {"ids": [ACCOUNT, *self.setting.members]},
            "alicloud_resource_manager_delegated_administrators": self._administrators,
            "alicloud_ros_stack_instances": lambda: self._instances(values["stack_group_name"]),
        }
        return {**values, "id": kind, **answers[kind]()}

    def _roles(self, pattern: str) -> Values:
        found = [one for one in self.all("alicloud_ram_role") if re.search(pattern, one["role_name"])]
        names = {"name": "role_name", "assume_role_policy_document": "assume_role_policy_document"}
        return {"roles": [{key: one[said] for key, said in names.items()} for one in found]}

    def _recorders(self) -> Values:
        status = "REGISTERED" if self.setting.config_on else "REGISTRABLE"
        return {"recorders": [{"account_id": ACCOUNT, "status": status}]}

    def _aggregators(self) -> Values:
        there = [(one["id"], one["name"], one["type"]) for one in self.setting.aggregators]
        made = [
            (one["id"], one["aggregator_name"], one["aggregator_type"])
            for one in self.all("alicloud_config_aggregator")
        ]
        names = ("aggregator_id", "aggregator_name", "aggregator_type")
        return {"aggregators": [dict(zip(names, one, strict=True)) for one in (*there, *made)]}

    def _administrators(self) -> Values:
        made = [one["account_id"] for one in self.all("alicloud_resource_manager_delegated_administrator")]
        return {"administrators": [{"account_id": one} for one in (*self.setting.delegated, *made)]}

    def _instances(self, group: str) -> Values:
        found = [
            {
                "stack_instance_account_id": account,
                "status": status,
                "status_reason": None if status == "CURRENT" else "it failed",
            }
            for account, status in self.stacks.get(group, {}).items()
        ]
        return {"instances": found}

    @staticmethod
    def _key(kind: str, values: Values) -> str:
        # several of these share the group's name as their id
        if kind == "alicloud_ros_stack_instances":
            return str(values["deployment_targets"][0]["rd_folder_ids"])
        return str(values["id"])

    def _computed(self, kind: str, values: Values) -> Values:  # noqa: PLR0911  (so many kinds)
        name = kind.removeprefix("alicloud_")
        region = "cn-shanghai"
        if name == "ram_role":
            return {"id": values["role_name"], "arn": f"acs:ram::{ACCOUNT}:role/{values['role_name']}"}
        if name == "fcv3_function":
            arn = f"acs:fc:{region}:{ACCOUNT}:functions/{values['function_name']}"
            return {"id": values["function_name"], "function_arn": arn}
        if name in ("config_rule", "config_aggregate_config_rule"):
            rule_id = f"cr-{self._number:022}"
            joined = f"{values.get('aggregator_id')}:{rule_id}"
            return {"id": rule_id if name == "config_rule" else joined, "config_rule_id": rule_id}
        if name == "config_aggregator":
            return {"id": f"ca-{self._number:022}"}
        if name == "ros_stack_instances":
            return {"id": values["stack_group_name"]}
        if name in _NUMBERED:
            return self._numbered(name, values)
        said = [str(values[key]) for key in _NAMED_BY.get(name, ())]
        return {"id": ":".join(said) or f"{name}-{self._number}"}

    def _numbered(self, name: str, values: Values) -> Values:
        """What ECS numbers, and what it says of it where nothing was given."""
        number = f"{_NUMBERED[name]}-{self._number:08}"
        if name != "security_group_rule":
            return {"id": number, **({"vpc_id": "vpc-default"} if not _is_said(values.get("vpc_id")) else {})}
        given = [values.get(key) for key in _RULE_ID]
        said = {key: "" for key in ("prefix_list_id",) if not _is_said(values.get(key))}
        return {
            "id": ":".join([str(one) for one in given if one is not None]),
            "security_group_rule_id": number,
            "nic_type": "intranet",
            **said,
        }

    # ROS ------------------------------------------------------------------------------------------------

    def _roll_out(self, group: str, account: str) -> bool:
        """Bring a member's stack up to date; tell whether that worked."""
        template = self.things["alicloud_ros_stack_group"][group]["template_body"]
        wanted = {
            one["Properties"]["RoleName"]: json.dumps(one["Properties"]["AssumeRolePolicyDocument"])
            for one in json.loads(template)["Resources"].values()
        }
        setting = self.setting
        works = account not in setting.failing and not set(wanted) & set(setting.roles_there.get(account, ()))
        self.stacks.setdefault(group, {})[account] = "CURRENT" if works else "OUTDATED"
        if works:
            self.roles[account] = wanted
        return works

    def _each(self, group: str, accounts: list[str], *, keeps: bool) -> None:
        failed = [account for account in accounts if not self._roll_out(group, account)]
        if failed:
            text = f"stack instance operation failed for account {failed[0]}"
            raise RefusedError(text, keeps=keeps)

    def _create_ros_stack_instances(self, values: Values) -> None:
        group, folders = values["stack_group_name"], values["deployment_targets"][0]["rd_folder_ids"]
        there = self.stacks.setdefault(group, {})
        accounts = self.in_folders(folders)
        known = [account for account in accounts if account in there]
        if known and values.get("deployment_options") != ["IgnoreExisting"]:
            raise RefusedError(f"StackInstanceExists: {known[0]}")
        self._each(group, [account for account in accounts if account not in there], keeps=False)

    def _update_ros_stack_instances(self, prior: Values, values: Values) -> None:
        group, folders = values["stack_group_name"], values["deployment_targets"][0]["rd_folder_ids"]
        there = self.stacks.setdefault(group, {})
        accounts = self.in_folders(folders)
        unknown = [account for account in accounts if account not in there]
        if unknown and prior["deployment_targets"] != values["deployment_targets"]:
            # what exists is updated; nothing is made
            raise RefusedError(f"StackInstanceNotFound: {unknown[0]}", keeps=True)
        self._each(group, [account for account in accounts if account in there], keeps=True)

    def _delete_ros_stack_instances(self, prior: Values) -> None:
        group, folders = prior["stack_group_name"], prior["deployment_targets"][0]["rd_folder_ids"]
        for account in self.in_folders(folders):
            # the provider writes a failure into its log, and goes on
            if account not in self.setting.failing:
                self.stacks.get(group, {}).pop(account, None)
                self.roles.pop(account, None)

    def _update_ros_stack_group(self, prior: Values, values: Values) -> None:
        if prior["template_body"] == values["template_body"] and prior["parameters"] == values["parameters"]:
            return
        there = self.stacks.setdefault(values["stack_group_name"], {})
        there.update(dict.fromkeys(there, "OUTDATED"))
        if self.setting.group_update == "all":
            # one account at a time, no failure tolerated, and the provider does not wait for it
            for account in there:
                if not self._roll_out(values["stack_group_name"], account):
                    break

    def _create_fcv3_function(self, values: Values) -> None:
        for value in (values.get("environment_variables") or {}).values():
            if value.startswith("oss://") and value.endswith("/ledger"):
                self.used.add(value.split("/")[2])


_NAMED_BY = {
    "oss_bucket": ("bucket",),
    "oss_bucket_object": ("key",),
    "log_project": ("project_name",),
    "log_store": ("project_name", "logstore_name"),
    "message_service_queue": ("queue_name",),
    "ram_policy": ("policy_name",),
    "ram_role_policy_attachment": ("policy_name", "role_name"),
    "event_bridge_rule": ("event_bus_name", "rule_name"),
    "event_bridge_service_linked_role": ("product_name",),
    "ros_stack_group": ("stack_group_name",),
    "sls_alert": ("project_name", "alert_name"),
    "cms_alarm": ("name",),
    "resource_manager_delegated_administrator": ("account_id", "service_principal"),
}


def _hidden(template: object) -> set[str]:
    """The parameters of a ROS template that are read back as asterisks."""
    found = json.loads(template) if isinstance(template, str) else {}
    return {name for name, one in found.get("Parameters", {}).items() if one.get("NoEcho")}


def from_environment() -> Cloud:
    """The cloud of the folder in STANDIN_FOLDER."""
    return Cloud(Path(os.environ["STANDIN_FOLDER"]))
