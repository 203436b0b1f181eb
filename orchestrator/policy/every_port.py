"""Who is to blame for every port of a protocol being open, for checks that ask for no less."""

from collections.abc import Iterable

from orchestrator.exposure import Intervals, balancer_of, normal, size
from orchestrator.policy.blame import NOBODY, Aside, Blamed, Candidate, blame_by_port
from orchestrator.policy.compiled_checks import CompiledCheck, TrafficView
from orchestrator.securitygroup import PortRange, Rule


def blame_every_port(
    view: TrafficView, check: CompiledCheck, candidates: list[Candidate], aside: Aside, drops: list[Rule]
) -> list[Blamed]:
    """The rules to blame for every port of a protocol being open.

    These are the rules about every port that fail at any of them. Where there is none, but all rules together
    leave no port closed, the widest are, until some port is closed without them.
    """
    found: dict[int, Blamed] = {}
    for one in check.parts:
        about = [pair for pair in candidates if one.is_whole(pair[0])]
        whole = [pair for pair in about if not balancer_of(pair[0].raw)]
        blamed = _listening(view, one, [pair for pair in about if balancer_of(pair[0].raw)], drops)
        if whole:
            others = [pair for pair in aside.candidates if one.is_whole(pair[0])]
            blamed += blame_by_port(view, one, whole, aside._replace(candidates=others), drops)
        for entry in blamed or _widest(view, one, candidates, aside, drops):
            known = found.setdefault(id(entry.share.rule), entry)
            if known is not entry:
                known.targets += entry.targets
    return list(found.values())


def _listening(
    view: TrafficView, check: CompiledCheck, balanced: list[Candidate], drops: list[Rule]
) -> list[Blamed]:
    """The load balancers that take every port: no rule of theirs can be split, so a port that drops close counts."""
    found = [entry for one in balanced for entry in blame_by_port(view, check, [one], NOBODY, drops)]
    return [entry for entry in found if _open_ports(entry.targets) == _only(check.targets[0])]


def _widest(
    view: TrafficView, check: CompiledCheck, candidates: list[Candidate], aside: Aside, drops: list[Rule]
) -> list[Blamed]:
    """The rules with the most ports, one after the other, as long as those that are left leave no port closed.

    Three rules, 1-40000, 30000-65535 and 1-100, open every port together. The first is the widest; without it 101 to
    29999 are closed: so the first alone is to blame, and closing it is enough.
    """
    target = check.targets[0]
    found: list[Blamed] = []
    rest = candidates
    while _open_ports([one for rule, _ in rest for one in check.covered(rule)]) == _only(target):
        entries = blame_by_port(view, check, rest, aside, drops)
        if _open_ports([one for entry in entries for one in entry.targets]) != _only(target):
            break
        widest = max(entries, key=lambda entry: size(_open_ports(entry.targets)))
        widest.kind = "together"
        found.append(widest)
        rest = [pair for pair in rest if pair[0] is not widest.share.rule]
    return found


def _open_ports(ranges: Iterable[PortRange]) -> Intervals:
    return normal([(one.first, one.last) for one in ranges])


def _only(target: PortRange) -> Intervals:
    return ((target.first, target.last),)
