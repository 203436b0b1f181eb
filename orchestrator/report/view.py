"""What a report is made from, and how a finding stands now that changes may have been made.

The run's files are never gathered: findings, unreachable things and outcomes are callables that iterate
anew, so that a renderer may go over them more than once. The items are dicts with the keys of the run
folder's files.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec

Item = dict[str, Any]
"""One line of a run's file, with that file's own keys."""

Emit = Callable[[str], object]
"""Where a renderer puts its text, piece by piece."""

SEVERITIES = ("critical", "high", "medium", "low")
"""From the worst down: the order of every table."""

STANDINGS = ("open", "undetermined", "closed", "exempt", "managed", "shadowed")
"""How a finding stands: its status, or `undetermined` by its verdict, or `closed` by an outcome."""

_GONE = frozenset({"revoked", "already_absent"})
_CHANGED = frozenset({"split", "narrowed", "blocked"})


_TITLES = {"undetermined": "A rule that could not be judged"}


class ReportError(ValueError):
    """A run that cannot be rendered as asked. The text says what to do."""


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as far as a report needs it.

    created_at: when the run began, ISO 8601 with an offset.
    checks: `id`, `title` and `severity` of the run's checks; titles fall back to ids where one is missing.
    skipped_accounts: `account_id`, `name`, `reason` of the accounts that were left out on purpose.
    exemption_notes: what there is to say of the exemptions, such as one that has expired or matches nothing.
    accepted_unreachable: `account`, `owner`, `reason`, `expires` of those entries that still hold.
    """

    summary: Item
    created_at: str
    findings: Callable[[], Iterator[Item]]
    unreachable: Callable[[], Iterator[Item]]
    outcomes: Callable[[], Iterator[Item]]
    plan: Item | None = None
    checks: tuple[Item, ...] = ()
    skipped_accounts: tuple[Item, ...] = ()
    exemption_notes: tuple[str, ...] = ()
    accepted_unreachable: tuple[Item, ...] = ()

    @property
    def plan_notes(self) -> list[Item]:
        """What the plan notes of rules it changes: that they came back before, that a pipeline makes their group."""
        actions = self.plan.get("actions", ()) if self.plan else ()
        keys = ("account_id", "region_id", "security_group_id", "rule_id", "notes")
        return [{key: action.get(key) for key in keys} for action in actions if action.get("notes")]

    @property
    def began(self) -> datetime:
        """When the run began, in UTC. Raises ReportError where `created_at` is not a time."""
        try:
            moment = datetime.fromisoformat(self.created_at)
        except ValueError:
            raise ReportError(f"created_at is not an ISO 8601 time: {self.created_at!r}") from None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc)

    @property
    def run_id(self) -> str:
        """The run's id, as the summary has it."""
        return str(self.summary.get("run_id", ""))

    def check_title(self, check_id: str) -> str:
        """Return the check's title, or its id where no title is known."""
        titles = (check.get("title") for check in self.checks if check.get("id") == check_id)
        return str(next(titles, "") or _TITLES.get(check_id, check_id))


class Changes:
    """What the outcomes did: the last one of each rule counts, so that a rollback opens a finding again."""

    def __init__(self, outcomes: Iterable[Item], plan: Item | None) -> None:
        self._last = {_place(outcome): str(outcome["outcome"]) for outcome in outcomes}
        actions = plan.get("actions", ()) if plan else ()
        self._checks = {_place(action): frozenset(action.get("check_ids", ())) for action in actions}

    def __bool__(self) -> bool:
        return bool(self._last)

    def outcome(self, finding: Item) -> str:
        """Return the last outcome of the finding's rule, or "" for none."""
        return self._last.get(_place(finding), "")

    def standing(self, finding: Item) -> str:
        """Return how the finding stands, one of STANDINGS."""
        if self._closed(finding):
            return "closed"
        if finding["verdict"] == "undetermined":
            return "undetermined"
        return str(finding["status"])

    def _closed(self, finding: Item) -> bool:
        """With the rule gone all its findings are closed; with the rule changed, those it was changed for."""
        outcome, place = self.outcome(finding), _place(finding)
        if outcome in _GONE:
            return True
        return outcome in _CHANGED and finding["check_id"] in self._checks.get(place, {finding["check_id"]})


def changes_of(view: RunView) -> Changes:
    """Go over the outcomes once and remember the last one of each rule."""
    return Changes(view.outcomes(), view.plan)


def _place(item: Item) -> tuple[str, ...]:
    keys = ("account_id", "region_id", "security_group_id", "rule_id")
    return tuple(str(item.get(key) or "") for key in keys)


def fingerprint(finding: Item) -> str:
    """Return an id that is the same in every run, made of the finding's place and check only."""
    parts = (*_place(finding), str(finding.get("check_id", "")))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def resource_name(item: Item) -> str:
    """Return the group's resource name as RAM spells it: acs:ecs:REGION:ACCOUNT:securitygroup/ID."""
    region, account, group = (item.get(k) or "*" for k in ("region_id", "account_id", "security_group_id"))
    return f"acs:ecs:{region}:{account}:securitygroup/{group}"


def listed(value: object) -> str:
    """Return a list as text, or a text as it is: `ports` and `sources` may come as either."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return "" if value is None else str(value)


def witness_text(finding: Item) -> str:
    """Return the packet that gets through, "tcp/22 from 203.0.114.7", or "" where none does."""
    witness = finding.get("witness")
    if not witness or finding["verdict"] != "fail" or finding["status"] == "shadowed":
        return ""
    port = witness.get("port")
    service = witness.get("protocol", "") if port is None else f"{witness.get('protocol', '')}/{port}"
    return f"{service} {toward(finding)} {witness.get('source', '')}"


def toward(finding: Item) -> str:
    """Return "from" for an ingress rule, whose far end is a source, and "to" for an egress rule."""
    return "to" if finding.get("direction") == "egress" else "from"


def few(values: object, most: int = 4) -> str:
    """Return the first few of a list, "tcp/22, tcp/23 and 5 more"; a text as it is."""
    if not isinstance(values, (list, tuple)) or len(values) <= most:
        return listed(values)
    return f"{listed(values[:most])} and {len(values) - most} more"
