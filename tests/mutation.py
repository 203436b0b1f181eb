"""Mutation run: are the tests hurt by every small change of the code? Run by `make mutate`.

The rooms are those that judge, decide and change: securitygroup, exposure, policy, plan, remediate. Each mutant is one
change of one node of the syntax tree: a comparison, an operator, a number, a text, a condition. A mutant is killed when
the room's fast tests fail (or hang); what survives them meets its slow ones: an oracle, a proof, a campaign. The parent
imports what the room stands on, and never the room, so that a forked child needs only what the tests need. Not mutated:
docstrings, annotations, decorators, class options, what is raised, zip's `strict`, and defaults.py (held word for word
by the packs in TOML). Survivors that were looked at are listed with the reason in mutants.toml; they count, too.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib.abc
import importlib.util
import os
import random
import resource
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import hypothesis
import msgspec  # noqa: F401  (children need it imported)
import pytest

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"__init__.py", "defaults.py"}
ORACLE_EXAMPLES = "400"  # of the 2,500 of one shard: a mutant that survives so many is looked at by people
CPU_SECONDS = 40
TEST_SECONDS = "20"  # for one test: a mutant that waits for ever is killed
MEMORY_BYTES = 3 << 30  # a mutant that never ends also never stops growing
_PROVED = (
    "tests/policy/test_oracle.py",
    "tests/exposure/test_proof.py",
    "-k",
    "proof or groups[0] or witness or removing",
)


class Room(NamedTuple):
    """A room whose files are mutated.

    Attributes:
        wanted: the share of mutants that must be killed.
        stands_on: modules that the parent imports; none of them imports the room.
        fast: the tests most likely to kill a mutant.
        slow: what meets the survivors of those.
        first: for files of the room, those of the fast tests that are the likeliest to kill; they go first.
    """

    wanted: float
    stands_on: tuple[str, ...]
    fast: tuple[str, ...]
    slow: tuple[str, ...]
    first: Mapping[str, tuple[str, ...]] = {}

    def tests_of(self, path: Path) -> list[str]:
        """The fast tests in the order for a file."""
        return list(dict.fromkeys([*self.first.get(path.name, ()), *self.fast]))


ROOMS = {  # from the bottom up: what a room stands on is never one that comes later
    "securitygroup": Room(
        wanted=0.95,
        stands_on=(),
        fast=(
            "tests/securitygroup/test_securitygroup.py",
            "tests/policy/test_cases.py",
            "tests/policy/test_checks.py",
            "tests/policy/test_balancers.py",
        ),
        slow=_PROVED,
    ),
    "exposure": Room(
        wanted=0.95,
        stands_on=("orchestrator.securitygroup",),
        fast=(
            "tests/exposure/test_exposure.py",
            "tests/policy/test_cases.py",
            "tests/policy/test_explain.py",
            "tests/policy/test_balancers.py",
        ),
        slow=_PROVED,
    ),
    "policy": Room(
        wanted=0.95,
        stands_on=("orchestrator.exposure",),
        fast=(
            "tests/policy/test_compiled_checks.py",
            "tests/policy/test_cases.py",
            "tests/policy/test_checks.py",
            "tests/policy/test_explain.py",
            "tests/policy/test_judge.py",
            "tests/policy/test_owners.py",
            "tests/policy/test_messages.py",
            "tests/policy/test_balancers.py",
        ),
        slow=_PROVED,
    ),
    "plan": Room(
        wanted=0.90,
        stands_on=("orchestrator.policy",),
        fast=(
            "tests/plan/test_planner.py",
            "tests/plan/test_proof.py",
            "tests/plan/test_guardrails.py",
            "tests/plan/test_describe.py",
            "tests/plan/test_descriptions.py",
            "tests/plan/test_balancers.py",
            "tests/plan/test_full_groups.py",
            "tests/plan/test_old_priorities.py",
            "tests/plan/test_codec.py",
            "tests/plan/test_pieces.py",
            "tests/plan/test_simulation.py",
            "--deselect=tests/plan/test_proof.py::test_whatever_is_edited_nothing_opens_and_only_what_fails_closes",
            "--deselect=tests/plan/test_codec.py::test_any_rule_the_api_may_send_goes_through_bytes",
        ),
        slow=(
            "tests/plan/test_properties.py",
            "tests/plan/test_proof.py::test_whatever_is_edited_nothing_opens_and_only_what_fails_closes",
            "tests/plan/test_codec.py::test_any_rule_the_api_may_send_goes_through_bytes",
        ),
        first={
            "codec.py": ("tests/plan/test_codec.py",),
            "pieces.py": ("tests/plan/test_pieces.py",),
            "describe.py": ("tests/plan/test_describe.py", "tests/plan/test_descriptions.py"),
            "proof.py": ("tests/plan/test_proof.py",),
            "guardrails.py": ("tests/plan/test_guardrails.py",),
            "simulation.py": ("tests/plan/test_simulation.py", "tests/plan/test_proof.py"),
        },
    ),
    "remediate": Room(
        wanted=0.90,
        stands_on=(
            "orchestrator.plan",
            "orchestrator.journal",
            "orchestrator.cloud.sessions",
            "orchestrator.emulator",
        ),
        fast=(
            "tests/remediate/test_ends.py",  # those that call nothing are done in a second: they go first
            "tests/remediate/test_records.py",
            "tests/remediate/test_drift.py",
            "tests/remediate/test_undos.py",
            "tests/remediate/test_attempts.py",
            "tests/remediate/test_settings.py",
            "tests/remediate/test_patience.py",
            "tests/remediate/test_calls.py",
            "tests/remediate/test_bounds.py",
            "tests/remediate/test_neighbours.py",
            "tests/remediate/test_undo_rights.py",
            "tests/remediate/test_view.py",
            "tests/remediate/test_apply.py",
            "tests/remediate/test_rollback.py",
            "tests/remediate/test_apply_refused.py",
            "tests/remediate/test_lost_answers.py",
            "tests/remediate/test_narrowing.py",
            "tests/remediate/test_owners.py",
            "tests/remediate/test_account.py",
            "tests/remediate/test_guard.py",
            "tests/remediate/test_disagreement.py",
            "tests/remediate/test_apply_again.py",
            "--deselect=tests/remediate/test_apply_again.py::test_a_rule_gone_a_moment_ago_does_not_spoil_its_batch",
        ),
        slow=(
            "tests/remediate/test_apply_again.py::test_a_rule_gone_a_moment_ago_does_not_spoil_its_batch",
            "tests/remediate/test_campaign.py",
            "tests/run/test_bad_days.py::test_a_few_bad_days[throttled]",
            "tests/run/test_meddling.py::test_owners_of_a_few_seeds_keep_what_they_want",
        ),
        first={
            "attempts.py": ("tests/remediate/test_attempts.py", "tests/remediate/test_apply_refused.py"),
            "bounds.py": ("tests/remediate/test_bounds.py",),
            "calls.py": ("tests/remediate/test_calls.py",),
            "kill_switch.py": ("tests/remediate/test_settings.py", "tests/remediate/test_apply_again.py"),
            "drift.py": ("tests/remediate/test_drift.py", "tests/remediate/test_rollback.py"),
            "group_state.py": ("tests/remediate/test_view.py",),
            "guard.py": ("tests/remediate/test_guard.py",),
            "neighbours.py": ("tests/remediate/test_neighbours.py", "tests/remediate/test_guard.py"),
            "reconcile.py": (
                "tests/remediate/test_patience.py",
                "tests/remediate/test_apply.py",
                "tests/remediate/test_owners.py",
                "tests/remediate/test_apply_refused.py",
            ),
            "recurrence.py": ("tests/remediate/test_rollback.py",),
            "rollback.py": (
                "tests/remediate/test_undos.py",
                "tests/remediate/test_disagreement.py",
                "tests/remediate/test_rollback.py",
            ),
            "settings.py": ("tests/remediate/test_settings.py",),
            "undo_rights.py": ("tests/remediate/test_undo_rights.py",),
        },
    ),
}

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.FloorDiv: ast.Mult,
}  # fmt: skip


class Mutant(NamedTuple):
    """One change: where, and what it makes of the expression there.

    It has no tree of its own, for a child's collector would go through those of all the others.
    """

    module: str
    path: Path
    line: int
    text: str
    before: str
    after: str
    number: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.before}  ->  {self.after}"

    @property
    def known_as(self) -> tuple[str, str, str]:
        """How mutants.toml names it: lines move, so it is known by its line's text."""
        return str(self.path.relative_to(ROOT)), self.text, f"{self.before} -> {self.after}"


class Changes(ast.NodeVisitor):
    """Collects every change that can be made of a tree, each as a node and a function that makes it."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[tuple[ast.AST, Callable[[], None]]] = []
        self.visit(tree)

    def add(self, node: ast.AST, name: str, value: object) -> None:
        """One change: another value of one field."""
        self.found.append((node, lambda: setattr(node, name, value)))

    def visit_Compare(self, node: ast.Compare) -> None:
        """Another comparison, one at a time."""
        for at, operator in enumerate(node.ops):
            self.add(node, "ops", [*node.ops[:at], COMPARISONS[type(operator)](), *node.ops[at + 1 :]])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Another operator."""
        if type(node.op) in OPERATORS:
            self.add(node, "op", OPERATORS[type(node.op)]())
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """`or` for `and`, and the other way."""
        self.add(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """No `not`; the other sign."""
        if isinstance(node.op, ast.USub):
            self.add(node, "op", ast.UAdd())
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Another number, the other truth, another text."""
        if isinstance(node.value, bool):
            self.add(node, "value", not node.value)
        elif isinstance(node.value, int):
            self.add(node, "value", node.value + 1)
        elif isinstance(node.value, str) and node.value:
            self.add(node, "value", f"XX{node.value}")

    def visit_If(self, node: ast.If | ast.While | ast.IfExp) -> None:
        """The condition turned round."""
        self.add(node, "test", ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    visit_While = visit_If  # noqa: N815  (the visitor's names)
    visit_IfExp = visit_If  # noqa: N815  (the same)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Each condition turned round."""
        for at, test in enumerate(node.ifs):
            self.add(node, "ifs", [*node.ifs[:at], ast.UnaryOp(ast.Not(), test), *node.ifs[at + 1 :]])
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """The body and the defaults, not the annotations and decorators."""
        self.visit_all([*node.args.defaults, *[one for one in node.args.kw_defaults if one], *node.body])

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  (the visitor's names)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """The body."""
        self.visit_all(node.body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """The value, not the annotation."""
        self.visit_all([node.value] if node.value else [])

    def visit_Expr(self, node: ast.Expr) -> None:
        """Not a text that stands alone: it is a docstring."""
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        """Not the assertion that two lists are of one length."""
        if node.arg != "strict":
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Not the words of an error."""

    def visit_all(self, nodes: Iterable[ast.AST]) -> None:
        """Each of them."""
        for one in nodes:
            self.visit(one)


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another body."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> ModuleSpec | None:
        """The spec of the mutated module; others are found as ever."""
        if fullname != self.mutant.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.mutant.path, loader=self)

    def create_module(self, _spec: ModuleSpec) -> ModuleType | None:
        """A module as ever."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Runs the changed code."""
        tree = ast.parse(self.mutant.path.read_text("utf-8"))
        _, change = Changes(tree).found[self.mutant.number]
        change()
        ast.fix_missing_locations(tree)
        exec(compile(tree, str(self.mutant.path), "exec"), module.__dict__)  # noqa: S102  (its purpose)


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    source = path.read_text("utf-8")
    lines = source.splitlines()
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for number in range(len(Changes(ast.parse(source)).found)):
        tree = ast.parse(source)
        node, change = Changes(tree).found[number]
        before, line = ast.unparse(node), getattr(node, "lineno", 0)
        change()
        text = lines[line - 1].strip() if line else ""
        yield Mutant(module, path, line, text, before, ast.unparse(node), number)


def tests_pass(mutant: Mutant, tests: Sequence[str]) -> int:
    """Starts a child that runs the tests on a mutant; its process id. It exits 0 if they pass."""
    gc.freeze()  # what the parent has made is no child's garbage: looking for it would copy every page
    child = os.fork()
    if child:
        return child
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.environ["ORACLE_EXAMPLES"] = ORACLE_EXAMPLES
    sys.meta_path.insert(0, Loader(mutant))
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # nobody asks for the smallest example
    hypothesis.settings.register_profile("mutation", database=None, phases=phases)
    hypothesis.settings.load_profile("mutation")
    options = ["-x", "-q", "--no-header", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
    code = pytest.main([*options, "--timeout", TEST_SECONDS, *tests])
    os._exit(0 if code == 0 else 1)


def survivors(todo: Sequence[Mutant], tests: Sequence[str], workers: int) -> list[Mutant]:
    """Those on which the tests pass."""
    running: dict[int, Mutant] = {}
    waiting, alive = list(reversed(todo)), []
    while waiting or running:
        while waiting and len(running) < workers:
            one = waiting.pop()
            running[tests_pass(one, tests)] = one
        child, status = os.wait()
        one = running.pop(child)
        if status == 0:
            alive.append(one)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{len(waiting)} to go, {len(alive)} alive ")
    return alive


def reasons_known() -> dict[tuple[str, str, str], str]:
    """The reasons why mutants survive, by what they are known as."""
    listed = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text("utf-8"))
    return {
        (file, one["line"], change): one["reason"]
        for file, survivors_of_file in listed.items()
        for one in survivors_of_file
        for change in one["changes"]
    }


def report(path: Path, todo: Sequence[Mutant], alive: Sequence[Mutant], *, is_whole: bool) -> None:
    """Says which mutants of a file survived and why; of a whole file also which reasons are out of date."""
    reasons = reasons_known()
    sys.stdout.write(f"{path.relative_to(ROOT)}: {len(todo) - len(alive)} of {len(todo)} killed\n")
    for one in alive:
        reason = reasons.get(one.known_as, "NOT LOOKED AT")
        sys.stdout.write(f"    survived: {one}\n        {reason}\n")
    names = {one.known_as for one in alive}
    for file, text, change in reasons:
        if is_whole and file == str(path.relative_to(ROOT)) and (file, text, change) not in names:
            sys.stdout.write(f"    killed by now, or gone: {text}: {change}\n")
    sys.stdout.flush()


def run_room(name: str, files: Sequence[Path], share: float, dice: random.Random, workers: int) -> bool:
    """Runs the mutants of these files of a room, or a share of them; whether enough of them were killed."""
    room = ROOMS[name]
    for module in room.stands_on:
        importlib.import_module(module)
    if f"orchestrator.{name}" in sys.modules:
        raise RuntimeError(f"{name} is imported already, so its mutants would not be")
    whole = Mutant("nothing", files[0], 0, "", "", "", 0)
    if not survivors([whole], room.fast, 1) or not survivors([whole], room.slow, 1):
        raise SystemExit(f"{name}: the tests fail on the code as it is, so mutants would prove nothing")
    made = killed = 0
    for path in files:
        todo = list(mutants(path))
        if share < 1:
            todo = [one for one in todo if dice.random() < share]
        alive = survivors(survivors(todo, room.tests_of(path), workers), room.slow, workers)
        made, killed = made + len(todo), killed + len(todo) - len(alive)
        report(path, todo, alive, is_whole=share == 1)
    reached = killed / made if made else 1.0
    sys.stdout.write(
        f"{name}: {killed} of {made} mutants killed: {reached:.1%} (wanted: {room.wanted:.0%})\n"
    )
    return reached >= room.wanted


def main() -> int:
    """Runs all mutants of the rooms, or of the files named; 1 if too many of a room survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="all files of all rooms, if none is named")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--share", type=float, default=1.0, help="a random part of the mutants: 0.2 is a fifth"
    )
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of that part"
    )
    options = parser.parse_args()
    if options.share < 1:
        sys.stdout.write(f"a sample: --share {options.share:g} --seed {options.seed}\n")
    named = [path.resolve() for path in options.files]
    dice, reached = random.Random(options.seed), True  # noqa: S311  (reproducible, not secret)
    for name in ROOMS:
        every = sorted((ROOT / "orchestrator" / name).glob("*.py"))
        files = [path for path in every if (path in named if named else path.name not in SKIPPED)]
        if files:
            reached = run_room(name, files, options.share, dice, options.workers) and reached
    return int(not reached)


if __name__ == "__main__":
    sys.exit(main())
