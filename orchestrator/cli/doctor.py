"""What `accounts --check` says beside its line an account: what is lacking, one by one, and what the cloud showed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from orchestrator.terminal import say, warn

if TYPE_CHECKING:
    from orchestrator.inventory import Permitted
    from orchestrator.run import AccountList, Examined, QuotaSeen, RoleRight, Visit

_NAMED = 5  # accounts; --json has all
_HOSTS = 8
_REMAIN = re.compile(r"Remain:\s*([0-9]{1,9})")
_LATE_SECONDS = 60.0  # a clock that far off is told loudly; the cloud is said to take 15 minutes
_Key = tuple[str, str, str, str, str, str]  # does, role, action, right, by, reason
_WORDS = {"not_known": "not known"}


def state_of(visit: Visit) -> str:
    """Return what stands in the way in one account: why it cannot be entered, and what its roles lack."""
    found = [f"{one.code}: {one.message}" for one in visit.unreachable]
    lacking: dict[str, list[str]] = {}
    for right in visit.rights:
        if right.permitted.right == "denied":
            lacking.setdefault(right.role, []).append(right.permitted.action)
    found += [f"role {role} lacks {', '.join(actions)}" for role, actions in lacking.items()]
    until = visit.accepted_until
    return ("; ".join(found) or "ok") + (f" (accepted until {until})" if until else "")


def told(listed: AccountList, examined: Examined) -> None:
    """Say what the doctor found, the rights first."""
    for line in _rights(listed.visits):
        say(line)
    for paste in examined.to_paste:
        where = _some([_name(one) for one in listed.visits if one.account.account_id in paste.accounts])
        say(f"policy for {paste.role}, {paste.why}{f', in {where}' if where else ''}:")
        say(f"  {paste.policy}")
    _clock(examined)
    _ways(examined)
    _session_policy(examined)
    if examined.control_policies:
        say(f"control policies cannot be read ({examined.control_policies}): what they forbid is not known")
    _quotas(examined)
    _canary(examined)
    _facts(examined)


def _rights(visits: Sequence[Visit]) -> Iterator[str]:
    """Yield a line for each role, action and answer: in how many accounts, and why."""
    groups: dict[_Key, list[Visit]] = {}
    reasons: dict[_Key, RoleRight] = {}
    for visit in visits:
        for right in visit.rights:
            one = right.permitted
            key: _Key = (right.does, right.role, one.action, one.right, one.by, _why(one))
            groups.setdefault(key, []).append(visit)
            reasons.setdefault(key, right)
    entered = {(one.does, one.role, visit.account.account_id) for visit in visits for one in visit.rights}
    by_role: Counter[tuple[str, str]] = Counter((does, role) for does, role, _ in entered)
    for does in ("reads", "changes"):
        mine = sorted((key for key in groups if key[0] == does), key=lambda key: key[1:3])
        plain = [key for key in mine if key[3] == "allowed" and len(groups[key]) == by_role[key[:2]]]
        if mine:
            yield f"{does}, by role and action:"
        yield from (f"  {line}" for line in _everywhere(plain))
        yield from (f"  {_right(key, groups[key], reasons[key])}" for key in mine if key not in plain)


def _everywhere(keys: Sequence[_Key]) -> Iterator[str]:
    """Yield a line for all that a role may do in every account."""
    for role, by in dict.fromkeys((key[1], key[4]) for key in keys):
        actions = ", ".join(key[2] for key in keys if (key[1], key[4]) == (role, by))
        yield f"{role} may wherever it let us in{_how(by)}: {actions}"


def _right(key: _Key, visits: Sequence[Visit], first: RoleRight) -> str:
    _, role, action, right, by, why = key
    many = f"{len(visits)} account{'' if len(visits) == 1 else 's'}"
    where = f": {_some(map(_name, visits))}" if right == "denied" else ""
    optional = "" if first.is_needed or right != "denied" else "; a run goes on without it"
    word = _WORDS.get(right, right)
    return f"{role}: {action} {word} in {many}{_how(by)}{where}{f' ({why})' if why else ''}{optional}"


def _why(one: Permitted) -> str:
    """Return why it is not allowed."""
    return "" if one.right == "allowed" else one.reason


def _how(by: str) -> str:
    """Return how it was found out."""
    word = {"asked": "asking", "tried": "trying"}.get(by, by)
    return f", by {word}" if word else ""


def _clock(examined: Examined) -> None:
    clock = examined.clock
    if clock.ahead_seconds is None:
        say("clock: no answer had a date, so it is not known whether this machine's clock is right")
    elif clock.agrees:
        say(f"clock: it agrees with the cloud's, to {clock.within_seconds:.1f} s")
    else:
        which = "ahead of" if clock.ahead_seconds > 0 else "behind"
        tell = warn if abs(clock.ahead_seconds) >= _LATE_SECONDS else say
        tell(
            f"clock: this machine's is {abs(clock.ahead_seconds):.0f} s {which} the cloud's, to "
            f"{clock.within_seconds:.1f} s; a call of another time is refused, so set it"
        )


def _ways(examined: Examined) -> None:
    proxy = f"by the proxy {examined.proxy}" if examined.proxy else "without a proxy"
    for one in examined.endpoints[:_HOSTS]:
        way = "by the proxy" if one.by_proxy else "directly"
        lost = ", ".join(f"{count} {code}" for code, count in one.unanswered.items())
        say(
            f"endpoint {one.host}: {one.calls:,} calls, {way}{f'; no answer to some: {lost}' if lost else ''}"
        )
    more = len(examined.endpoints) - _HOSTS
    say(
        f"endpoints: {len(examined.endpoints)} in all, {proxy}{f'; {more} more are in --json' if more > 0 else ''}"
    )


def _session_policy(examined: Examined) -> None:
    if examined.session_policy == "heeded":
        say("session policy: accepted, and sessions may do no more than it says")
    elif examined.session_policy == "not_heeded":
        warn(
            "SESSION POLICIES ARE NOT HEEDED: a session was allowed what its policy does not say, so each has all the "
            "rights of its role"
        )
    else:
        say("session policy: no role could be entered to put it to the test, so it is not known to be heeded")


def _quotas(examined: Examined) -> None:
    if not examined.quotas:
        say("quotas: no answer said anything of its limit")
    tightest: dict[str, QuotaSeen] = {}
    for one in sorted(examined.quotas, key=_left):
        tightest.setdefault(one.action, one)
    for one in tightest.values():
        where = " in ".join(part for part in (one.account_id, one.region_id or "") if part)
        say(f"quota of {one.action}, least of it left to {where}: {one.said}")


def _left(one: QuotaSeen) -> int:
    """Return how many calls are left, as the cloud says it; none where it says so in other words."""
    found = _REMAIN.search(one.said)
    return int(found[1]) if found else 0


def _canary(examined: Examined) -> None:
    canary = examined.canary
    if canary is None:
        say("changes were judged, not tried; --probe-writes tries them on the group that [canary] names")
        return
    say(f"canary {canary.security_group_id} in {canary.region_id}, account {canary.account_id}:")
    for one in canary.permitted:
        why = f" ({one.reason})" if one.reason else ""
        say(f"  {one.action} {_WORDS.get(one.right, one.right)}{why}")
    if canary.left:
        warn(f"NOT TAKEN BACK: {canary.left}")
    elif canary.settle_seconds is not None:
        say(f"  what was added was taken back; a change showed after {canary.settle_seconds:.2f} s")


def _facts(examined: Examined) -> None:
    kept = examined.probe
    for name, fact in kept.facts.learned.items():
        value = str(fact.value).lower() if isinstance(fact.value, bool) else fact.value
        say(f"fact {name} = {value} ({fact.learned_at}, {fact.source})")
    if kept.error:
        warn(f"what was learned is not kept: {kept.error}")
    elif kept.path:
        say(f"what was learned is in {kept.path}")


def _name(visit: Visit) -> str:
    account = visit.account
    return f"{account.account_id} {account.name}".strip()


def _some(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return f"{', '.join(every[:_NAMED])}{more}"
