"""Single rules that a write is refused for: with one of them in a batch, the whole call fails and changes nothing.

Stands for what the API finds wrong with one rule of many: a description it does not take, a prefix list that is gone,
a quota that only this rule meets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct, field

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.question import CallQuestion
from orchestrator.emulator.world.model import Group, Rule, stored


class RuleRefusal(Struct, frozen=True, kw_only=True):
    """A refusal of a write that holds a certain rule.

    `rule` are the rule's own fields as the API names them, each with a glob pattern: `{"Description": "*ticket*"}`,
    `{"SourcePrefixListId": "pl-1"}`, `{"SecurityGroupRuleId": "sgr-1"}`; a rule that is to be added has no id yet.
    `action`, `account`, `region` and `group` are patterns, too. At most `count` calls are refused.
    """

    code: str
    status: int = 400
    message: str = "The request was refused for one of its rules."
    rule: Mapping[str, str] = field(default_factory=dict)
    action: str = "*"
    account: str = "*"
    region: str = "*"
    group: str = "*"
    count: int | None = None

    def concerns(self, context: CallQuestion, group: Group) -> bool:
        """Whether a call is within its reach."""
        return (
            fnmatchcase(context.operation.action, self.action)
            and fnmatchcase(context.account_id, self.account)
            and fnmatchcase(context.region_id, self.region)
            and fnmatchcase(group.security_group_id, self.group)
        )

    def matches(self, rule: Rule) -> bool:
        """Whether the rule is one it is about."""
        fields = stored(rule)
        return all(fnmatchcase(str(fields.get(name, "")), pattern) for name, pattern in self.rule.items())


class RuleRefusals:
    """The refusals in force."""

    def __init__(self, refusals: Iterable[RuleRefusal] = ()) -> None:
        self.active: tuple[RuleRefusal, ...] = ()
        self.struck: list[int] = []
        self.set(refusals)

    def set(self, refusals: Iterable[RuleRefusal]) -> None:
        """Replace all refusals; their counts begin anew."""
        self.active = tuple(refusals)
        self.struck = [0] * len(self.active)

    def check(self, context: CallQuestion, group: Group, rules: Iterable[Rule]) -> None:
        """Raise ApiError where a write of these rules is refused."""
        if not self.active:
            return
        rules = tuple(rules)
        for index, one in enumerate(self.active):
            spent = one.count is not None and self.struck[index] >= one.count
            if not spent and one.concerns(context, group) and any(map(one.matches, rules)):
                self.struck[index] += 1
                raise ApiError(one.status, one.code, one.message)


def read_refusals(data: bytes) -> tuple[RuleRefusal, ...]:
    """Refusals from JSON: a list of objects with RuleRefusal's fields; ValueError says what is wrong."""
    try:
        return msgspec.json.decode(data, type=tuple[RuleRefusal, ...])
    except msgspec.MsgspecError as error:
        raise ValueError(f"refusals: {error}") from None
