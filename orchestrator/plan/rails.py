"""The rails around a plan: what is protected, how much may change, and whose pipeline would put it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

import msgspec

from orchestrator.plan.values import Action, UnsafePlan
from orchestrator.policy import PolicyError
from orchestrator.securitygroup import SecurityGroup, parse_cidr


class CodeMark(msgspec.Struct, frozen=True, kw_only=True):
    """How a group shows that a tool makes it: a tag ("key" or "key=value") or a name, as patterns in any case."""

    tool: str
    tag: str = ""
    name: str = ""


DEFAULT_CODE_MARKS = (
    CodeMark(tool="ROS", tag="acs:ros:*"),  # the system tag acs:ros:stackId (ROS GetFeatureDetails)
    CodeMark(tool="ACK", tag="ack.aliyun.com"),  # its value is the cluster's id
    CodeMark(tool="ACK", name="alicloud-cs-auto-created-security-group-*"),
    CodeMark(tool="Terraform", tag="*=terraform"),
    CodeMark(tool="Terraform", tag="terraform*"),
    CodeMark(tool="Terraform", name="tf-*"),
    CodeMark(tool="Terraform", name="terraform-*"),
)
"""ROS and ACK mark what they make; Terraform does not, so its marks are what people use for it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan may hold. Limits are unset where None.

    Attributes:
        protected_accounts: ids or name patterns of accounts that are never changed.
        protected_groups: ids or name patterns of groups that are never changed.
        protected_tags: "key" or "key=value"; a group with such a tag is never changed.
        narrow_to: what `narrow` leaves open: CIDRs, or ids of prefix lists (`pl-...`).
        rules_per_group: how many rules, of both directions, the cloud lets a group have.
        returned_limit: a rule that came back this many times after being removed is left alone.
        remove_returned: remove it all the same.
        code_marks: how groups show that a tool makes them.
        max_rules: of the run.
        max_groups: of the run.
        max_accounts: of the run.
        max_rules_per_account: of each account.
        max_share_of_rules: of the rules that were read, 0 to 1.
        max_share_of_groups: of the groups that were read.
        max_share_of_accounts: of the accounts that were reached.
        max_share_of_rules_per_account: of the rules that were read in each account.
    """

    protected_accounts: tuple[str, ...] = ()
    protected_groups: tuple[str, ...] = ()
    protected_tags: tuple[str, ...] = ("sgsweep=protected",)
    narrow_to: tuple[str, ...] = ()
    rules_per_group: int = 200
    returned_limit: int = 2
    remove_returned: bool = False
    code_marks: tuple[CodeMark, ...] = DEFAULT_CODE_MARKS
    max_rules: int | None = None
    max_groups: int | None = None
    max_accounts: int | None = None
    max_rules_per_account: int | None = None
    max_share_of_rules: float | None = None
    max_share_of_groups: float | None = None
    max_share_of_accounts: float | None = None
    max_share_of_rules_per_account: float | None = None

    def __post_init__(self) -> None:
        """Refuse an allow-list entry that is neither a CIDR nor the id of a prefix list."""
        for entry in self.narrow_to:
            if not entry.startswith("pl-"):
                try:
                    parse_cidr(entry)
                except ValueError:
                    advice = "write a CIDR or the id of a prefix list"
                    raise PolicyError(f"narrow_to: {entry} is no block: {advice}") from None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """How much was read, for the relative limits. `rules_by_account` holds every account that was reached."""

    rules: int
    groups: int
    accounts: int
    rules_by_account: Mapping[str, int] = {}


def protection(group: SecurityGroup, settings: Settings) -> str:
    """Why the group must not be changed; "" if it may."""
    account = group.placement
    if pattern := _match(settings.protected_accounts, (account.account_id, account.account_name)):
        return f"the account is protected ({pattern})"
    if pattern := _match(settings.protected_groups, (group.security_group_id, group.name)):
        return f"the group is protected ({pattern})"
    if pattern := next(
        (tag for tag in settings.protected_tags if any(_is_tag(*pair, tag) for pair in group.tags)), ""
    ):
        return f"the group is protected by its tag ({pattern})"
    return ""


def managed_as_code(group: SecurityGroup, settings: Settings) -> tuple[str, ...]:
    """The note that somebody's pipeline will put the rule back, where the group shows it."""
    found = [mark.tool for mark in settings.code_marks if _shows(group, mark)]
    return tuple(
        [
            f"managed as code by {tool}: change it there too, or it will be put back"
            for tool in dict.fromkeys(found)
        ]
    )


def check_limits(actions: Iterable[Action], settings: Settings, totals: Totals) -> None:
    """Refuse a plan that changes more than the settings allow.

    Raises:
        UnsafePlan: it does; the text names every limit that is passed, with both numbers.
    """
    passed = list(_passed(list(actions), settings, totals))
    if passed:
        raise UnsafePlan(
            f"the plan would change more than is allowed: {'; '.join(passed)}. "
            "Narrow the scan, or raise the limit in [remediation]"
        )


def _passed(actions: list[Action], settings: Settings, totals: Totals) -> Iterator[str]:
    """A sentence for each limit that is passed."""
    by_account = Counter([action.account_id for action in actions])
    rules, groups, accounts = len(actions), len({action.place for action in actions}), len(by_account)
    absolute = (
        ("max_rules", rules, settings.max_rules, "rules"),
        ("max_groups", groups, settings.max_groups, "groups"),
        ("max_accounts", accounts, settings.max_accounts, "accounts"),
        *((f"max_rules_per_account in {account}", count, settings.max_rules_per_account, "rules")
          for account, count in by_account.items()),
    )  # fmt: skip
    for name, count, most, things in absolute:
        if most is not None and count > most:
            yield f"{count} {things}, {name} is {most}"
    relative = (
        ("max_share_of_rules", rules, totals.rules, settings.max_share_of_rules, "rules"),
        ("max_share_of_groups", groups, totals.groups, settings.max_share_of_groups, "groups"),
        ("max_share_of_accounts", accounts, totals.accounts, settings.max_share_of_accounts, "accounts"),
        *((f"max_share_of_rules_per_account in {account}", count, totals.rules_by_account.get(account, 0),
           settings.max_share_of_rules_per_account, "rules") for account, count in by_account.items()),
    )  # fmt: skip
    for name, count, total, share, things in relative:
        if share is not None and count > share * total:
            yield f"{count} of {total} {things}, {name} is {share:g}"


def _match(patterns: Iterable[str], texts: Iterable[str]) -> str:
    """The first pattern that fits one of the texts."""
    known = [text for text in texts if text]
    return next((p for p in patterns if any(fnmatchcase(text, p) for text in known)), "")


def _shows(group: SecurityGroup, mark: CodeMark) -> bool:
    if mark.name and fnmatchcase(group.name.lower(), mark.name.lower()):
        return True
    return bool(mark.tag) and any(_is_tag(k.lower(), v.lower(), mark.tag.lower()) for k, v in group.tags)


def _is_tag(key: str, value: str, wanted: str) -> bool:
    wanted_key, has_value, wanted_value = wanted.partition("=")
    return fnmatchcase(key, wanted_key) and (not has_value or fnmatchcase(value, wanted_value))
