"""The rails around a plan: what is protected, how much may change, and whose pipeline would put it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from matching import named, tagged
from orchestrator.exposure import PUBLIC, blocks, both
from orchestrator.exposure import count as count_of
from orchestrator.plan.values import Action, PlanError, UnsafePlan
from orchestrator.policy import Thresholds
from orchestrator.securitygroup import SecurityGroup, parse_cidr


class CodeMark(msgspec.Struct, frozen=True, kw_only=True):
    """How a group shows that a tool makes it: a tag ("key" or "key=value") or a name, as patterns in any case."""

    tool: str
    tag: str = ""
    name: str = ""


CODE_MARKS = (
    CodeMark(tool="ROS", tag="acs:ros:*"),  # the system tag acs:ros:stackId (ROS GetFeatureDetails)
    CodeMark(tool="ACK", tag="ack.aliyun.com"),  # its value is the cluster's id
    CodeMark(tool="ACK", name="alicloud-cs-auto-created-security-group-*"),
    CodeMark(tool="Terraform", tag="*=terraform"),
    CodeMark(tool="Terraform", tag="terraform*"),
    CodeMark(tool="Terraform", name="tf-*"),
    CodeMark(tool="Terraform", name="terraform-*"),
)
"""ROS and ACK mark what they make; Terraform does not, so its marks are what people use for it."""


LIMITS = (
    "max_rules",
    "max_groups",
    "max_accounts",
    "max_rules_per_account",
    "max_share_of_rules",
    "max_share_of_groups",
    "max_share_of_accounts",
    "max_share_of_rules_per_account",
)
"""The settings that say how much a plan may change."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan may hold. Limits are unset where None; how values match is `matching`'s to say.

    Attributes:
        protected_accounts: ids or names of accounts that are never changed.
        protected_groups: ids or names of groups that are never changed.
        protected_tags: "key" or "key=value"; a group with such a tag is never changed.
        change_protected: ids of groups that this one command changes though they are protected. No key of a file: a
            standing exception from a protection would be none.
        narrow_to: what `narrow` leaves open: CIDRs, or ids of prefix lists (`pl-...`).
        rules_per_group: how many rules, of both directions, a group may have; None: the cloud says when it is full (the
            quota, 200 by default, is one that is raised on request).
        returned_limit: a rule that came back this many times after being removed is left alone.
        remove_returned: remove it all the same.
        code_tags: tags by which groups that a pipeline makes are known, besides `CODE_MARKS`.
        code_names: the same by name.
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
    change_protected: tuple[str, ...] = ()
    narrow_to: tuple[str, ...] = ()
    rules_per_group: int | None = None
    returned_limit: int = 2
    remove_returned: bool = False
    code_tags: tuple[str, ...] = ()
    code_names: tuple[str, ...] = ()
    max_rules: int | None = None
    max_groups: int | None = None
    max_accounts: int | None = None
    max_rules_per_account: int | None = None
    max_share_of_rules: float | None = None
    max_share_of_groups: float | None = None
    max_share_of_accounts: float | None = None
    max_share_of_rules_per_account: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; the message names it and what to do.

        Raises:
            PlanError: the same.
        """
        for entry in self.narrow_to:
            if not entry.startswith("pl-") and not _is_block(entry):
                advice = "write a CIDR or the id of a prefix list, pl-..."
                raise PlanError(f"[remediation] narrow_to: {entry} is no block: {advice}")
        if _holds_the_internet(self.narrow_to):
            raise PlanError(
                f"[remediation] narrow_to: {', '.join(self.narrow_to)} reach as much of the Internet as fails a check: "
                "what is narrowed to them stays open; name the networks that need the port"
            )
        for name in LIMITS:
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise PlanError(f"[remediation] {name} is {limit}; limits must not be negative")
        for name in ("rules_per_group", "returned_limit"):
            if (given := getattr(self, name)) is not None and given < 1:
                raise PlanError(f"[remediation] {name} is {getattr(self, name)}; give 1 or more")

    @property
    def code_marks(self) -> tuple[CodeMark, ...]:
        """How groups show that a tool makes them."""
        return (
            *CODE_MARKS,
            *[CodeMark(tool="a pipeline", tag=tag) for tag in self.code_tags],
            *[CodeMark(tool="a pipeline", name=name) for name in self.code_names],
        )


def _is_block(entry: str) -> bool:
    try:
        parse_cidr(entry)
    except ValueError:
        return False
    return True


def _holds_the_internet(entries: Iterable[str]) -> bool:
    """Tell whether the blocks hold as many public addresses as fail a check; what lists hold is not known here."""
    reached = count_of(both(blocks(entry for entry in entries if not entry.startswith("pl-")), PUBLIC))
    limits = Thresholds()
    return reached.ipv4 >= 1 << 32 - limits.ipv4_prefix or reached.ipv6 >= 1 << 128 - limits.ipv6_prefix


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """How much was read, for the relative limits. `rules_by_account` holds every account that was reached."""

    rules: int
    groups: int
    accounts: int
    rules_by_account: Mapping[str, int] = {}


def protection(group: SecurityGroup, settings: Settings) -> str:
    """Why the group must not be changed; "" if it may. What is protected stays open and counted: it is no waiver."""
    return "" if group.security_group_id in settings.change_protected else _protection(group, settings)


def overridden(group: SecurityGroup, settings: Settings) -> Iterator[str]:
    """The note that a protection was overridden, where the group has one."""
    why = _protection(group, settings)
    if why and group.security_group_id in settings.change_protected:
        yield f"{why}, and changed all the same: --change-protected names it"


def _protection(group: SecurityGroup, settings: Settings) -> str:
    account = group.placement
    if pattern := named(settings.protected_accounts, account.account_id, account.account_name):
        return f"the account is protected ({pattern})"
    if pattern := named(settings.protected_groups, group.security_group_id, group.name):
        return f"the group is protected ({pattern})"
    if pattern := tagged(settings.protected_tags, group.tags):
        return f"the group is protected by its tag ({pattern})"
    return ""


def managed_as_code(group: SecurityGroup, settings: Settings) -> tuple[str, ...]:
    """The note that somebody's pipeline will put the rule back, where the group shows it."""
    found = [mark.tool for mark in settings.code_marks if _shows(group, mark)]
    return tuple(
        [
            f"managed as code by {tool}: change it there too (`sgsweep patch` writes how), or it will be put back"
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


def _shows(group: SecurityGroup, mark: CodeMark) -> bool:
    tags = [(key.lower(), value.lower()) for key, value in group.tags]
    return bool(named([mark.name.lower()], "", group.name.lower()) or tagged([mark.tag.lower()], tags))
