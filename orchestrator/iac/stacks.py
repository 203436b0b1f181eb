"""A ROS stack that Terraform makes, as what its template declares: within the plan, under the resource's own address.

`alicloud_ros_stack` and `alicloud_ros_stack_group` hold a template, or the address of one; the instances of a stack
group may give it other parameters. What of this is not in the plan is undetermined: a stack can open what it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from orchestrator.iac.functions import Later
from orchestrator.iac.input_file import looks_like_yaml, parse
from orchestrator.iac.ros import is_template, read_template
from orchestrator.iac.templates import Text, json_text, read_text
from orchestrator.iac.values import Code, DeclaredGroup, IacError, unseen

STACK, STACK_GROUP = "alicloud_ros_stack", "alicloud_ros_stack_group"
INSTANCES = frozenset({"alicloud_ros_stack_instance", "alicloud_ros_stack_instances"})
KINDS = frozenset({STACK, STACK_GROUP}) | INSTANCES

_LATER = Later("is not known until apply")
_BESIDE = "{} opens by its own template is not seen here ({}): judge that template by itself"


def stack_code(address: str, values: Mapping[str, Any], unknown: Mapping[str, Any]) -> Code:
    """What the template of a stack, or of a stack group, declares with its parameters.

    Args:
        address: of the resource.
        values: its arguments.
        unknown: which of them are not known until apply.
    """
    body = values.get("template_body")
    if not isinstance(body, str) or not body.strip():
        argument = "template_body" if unknown.get("template_body") else "template_url"
        why = "is not known until apply" if unknown.get(argument) else "names it, and is not read here"
        return hidden(address, f"{argument} {why}")
    try:
        text = _text(Path(address), body.encode())
        known = text.data.get("Parameters")
        given = _given(values, unknown, known if isinstance(known, dict) else {})
        code = read_template(Path(address), text, given).change.after
    except IacError as error:
        return hidden(address, str(error))
    return _within(code, address)


def instance_code(
    address: str, values: Mapping[str, Any], unknown: Mapping[str, Any], groups: set[str]
) -> Code:
    """What the instances of a stack group may make otherwise than its template says by itself.

    Args:
        address: of the resource.
        values: its arguments.
        unknown: which of them are not known until apply.
        groups: names of the stack groups that the plan holds, and that are judged by themselves.
    """
    if values.get("stack_group_name") not in groups:
        return hidden(address, "the template of its stack group is not in the plan")
    if values.get("parameter_overrides") or unknown.get("parameter_overrides"):
        return hidden(
            address, "parameter_overrides: it gives the template of its stack group other parameters"
        )
    return Code(groups={}, rules=())


def hidden(address: str, why: str) -> Code:
    """A stack of which it is not known what it opens."""
    rule = unseen(address, f"what {_BESIDE.format(address, why)}")
    return Code(groups={address: DeclaredGroup(key=address, address=address)}, rules=(rule,))


def merged(codes: Iterable[Code]) -> Code:
    """All of them as one."""
    found = list(codes)
    return Code(
        groups={key: group for code in found for key, group in code.groups.items()},
        rules=tuple([rule for code in found for rule in code.rules]),
        prefix_lists={key: entries for code in found for key, entries in code.prefix_lists.items()},
        port_lists={key: ports for code in found for key, ports in code.port_lists.items()},
    )


def _text(path: Path, content: bytes) -> Text:
    is_yaml = looks_like_yaml(path, content)
    text = read_text(path, content) if is_yaml else json_text(path, content, parse(path, content))
    if not is_template(text.data):
        raise IacError("template_body is no template of ROS")
    return text


def _given(
    values: Mapping[str, Any], unknown: Mapping[str, Any], declared: Mapping[str, Any]
) -> dict[str, str | Later]:
    """The values of the template's parameters; a default counts only where it is sure that nothing else is given."""
    is_open = unknown.get("parameters") is True or values.get("use_previous_parameters") is True
    found: dict[str, str | Later] = dict.fromkeys(map(str, declared), _LATER) if is_open else {}
    for key, value in _pairs(values.get("parameters"), unknown.get("parameters")):
        if key is None:  # whichever it is
            return dict.fromkeys(map(str, declared), _LATER)
        found[key] = value
    return found


def _pairs(items: object, flags: object) -> Iterator[tuple[str | None, str | Later]]:
    """Name and value of each parameter; a set tells what is not known by place, or not at all."""
    given = items if isinstance(items, list) else []
    later = flags if isinstance(flags, list) else []
    for number, item in enumerate(given):
        one = item if isinstance(item, dict) else {}
        is_later = later[number] if number < len(later) and isinstance(later[number], dict) else {}
        key, value = one.get("parameter_key"), one.get("parameter_value")
        is_known = isinstance(value, str) and not is_later.get("parameter_value")
        yield key if isinstance(key, str) else None, str(value) if is_known else _LATER
    if len(later) > len(given):
        yield None, _LATER


def _within(code: Code, address: str) -> Code:
    """The template's code with every name below the stack's address; ids of the cloud stay as they are."""
    names = {*code.groups, *code.prefix_lists}

    def below(name: str) -> str:
        return f"{address}/{name}" if name in names else name

    groups = [
        replace(group, key=below(key), address=f"{address}/{group.address}", clone_of=below(group.clone_of))
        for key, group in code.groups.items()
    ]
    rules = [
        replace(
            rule,
            address=f"{address}/{rule.address}",
            resource=address,
            group=below(rule.group),
            fields={
                name: below(value) if isinstance(value, str) else value for name, value in rule.fields.items()
            },
        )
        for rule in code.rules
    ]
    return Code(
        groups={group.key: group for group in groups},
        rules=tuple(rules),
        prefix_lists={below(key): entries for key, entries in code.prefix_lists.items()},
    )
