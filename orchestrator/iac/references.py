"""Which resource a value comes from that is not known until apply: what the plan's configuration says of it.

A configuration names what an expression refers to, but not the expression. So the one resource is told only where there
can be no other; where an index decides (`[count.index]`, `[each.key]`), the instance of the same index is likely, and
every other one possible. Anything else cannot be told: a local value, a data source, a choice between two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from orchestrator.iac.addresses import Named, Path, Reference, parse_reference

_MOST_STEPS = 64  # from module to module; a configuration cannot refer to itself, a forged one may
_MOST_FOLLOWED = 2000  # of one value, whatever the ways


class ConfigResource(msgspec.Struct, frozen=True):
    """A resource block of a plan's configuration."""

    type: str
    name: str
    mode: str = "managed"
    expressions: dict[str, Any] = {}
    for_each_expression: Any = None
    provider_config_key: str = ""


class ConfigOutput(msgspec.Struct, frozen=True):
    """An output of a module."""

    expression: Any = None


class ConfigModule(msgspec.Struct, frozen=True):
    """A module of a plan's configuration."""

    resources: list[ConfigResource] = []
    module_calls: dict[str, ConfigCall] = {}
    outputs: dict[str, ConfigOutput] = {}


class ConfigCall(msgspec.Struct, frozen=True):
    """A call of a module."""

    expressions: dict[str, Any] = {}
    for_each_expression: Any = None
    source: str = ""
    module: ConfigModule = ConfigModule()


class ValueOrigin(NamedTuple):
    """Where a value comes from.

    address: of the one resource, "" where it cannot be told.
    others: the instances that it may be instead.
    """

    address: str = ""
    others: tuple[str, ...] = ()


NOBODY = ValueOrigin()

Local = Callable[[list[str], str], list[str] | None]
"""What a local value, of a module by the names of its calls, refers to."""


class _Found(NamedTuple):
    """What the references of an expression come to."""

    instances: frozenset[tuple[Named, str]] = frozenset()
    any_of: frozenset[Named] = frozenset()
    likely: frozenset[tuple[Named, str]] = frozenset()
    """The instances that an index most likely chooses."""
    by_index: bool = False
    """An index of the block that the expression stands in decides, too."""
    opaque: bool = False
    """Something that the configuration does not show decides, too."""

    def and_(self, other: _Found) -> _Found:
        return _Found(
            self.instances | other.instances,
            self.any_of | other.any_of,
            self.likely | other.likely,
            self.by_index or other.by_index,
            self.opaque or other.opaque,
        )


_KNOWN = _Found()
_OPAQUE = _Found(opaque=True)


class _Scope(NamedTuple):
    """Where an expression stands: its module, and what the index of its block is."""

    path: Path
    key: str
    for_each: Any


class References:
    """Resolves references of one plan."""

    def __init__(
        self, root: ConfigModule, instances: Mapping[Named, Sequence[str]], local: Local = lambda *_: None
    ) -> None:
        """Remember where to look.

        Args:
            root: the configuration.
            instances: the keys of the instances that there will be of each resource.
            local: what a local value of a module refers to, which a plan does not say; None where it is not known.
        """
        self._root = root
        self._instances = instances
        self._local = local
        self._left = 0
        self._blocks: dict[tuple[str, ...], dict[tuple[str, str], ConfigResource]] = {}

    def block(self, named: Named) -> ConfigResource | None:
        """The block that makes a resource."""
        names = tuple([name for name, _ in named.path])
        if names not in self._blocks:
            module = self._module(named.path)
            found = [] if module is None else [one for one in module.resources if one.mode == "managed"]
            self._blocks[names] = {(one.type, one.name): one for one in reversed(found)}
        return self._blocks[names].get((named.kind, named.name))

    def origin(self, named: Named, key: str, argument: str, kind: str) -> ValueOrigin:
        """The resource of this kind whose id an argument of a resource will be."""
        block = self.block(named)
        expression = None if block is None else block.expressions.get(argument)
        if block is None or not isinstance(expression, dict):
            return NOBODY
        scope = _Scope(named.path, key, block.for_each_expression)
        self._left = _MOST_FOLLOWED
        found = self._follow(scope, _references(expression), kind, _MOST_STEPS)
        return self._decide(self._settled(found, key))

    def _decide(self, found: _Found) -> ValueOrigin:
        if found.opaque or found.any_of or len(found.instances) + len(found.likely) != 1:
            return NOBODY
        if found.instances:
            named, key = next(iter(found.instances))
            return ValueOrigin(named.at(key))
        named, key = next(iter(found.likely))
        return ValueOrigin(
            named.at(key), tuple([named.at(one) for one in self._instances[named] if one != key])
        )

    def _settled(self, found: _Found, key: str) -> _Found:
        """The same where the index of the block is known: what it most likely chooses.

        `web[0]` beside `web[count.index]` hides the latter: with an index, only a lone instance is certain.
        """
        if not found.by_index:
            return found
        if any(len(self._instances[named]) > 1 for named, _ in found.instances):
            return _OPAQUE
        if any(key not in self._instances.get(named, ()) for named in found.any_of):
            return _OPAQUE
        chosen = frozenset([(named, key) for named in found.any_of])
        return found._replace(any_of=frozenset(), likely=found.likely | chosen, by_index=False)

    def _follow(self, scope: _Scope, references: Iterable[str], kind: str, steps: int) -> _Found:
        self._left -= 1
        is_within = bool(steps) and self._left > 0
        found = _KNOWN if is_within else _OPAQUE
        for text in _leaves(references) if is_within else ():
            found = found.and_(self._one(scope, text, kind, steps - 1))
        return found

    def _one(  # noqa: PLR0911  (a reference is one of so many kinds)
        self, scope: _Scope, text: str, kind: str, steps: int
    ) -> _Found:
        if text in {"each.key", "count.index"}:
            return _Found(by_index=True)
        if text == "each.value" or text.startswith(("each.value.", "each.value[")):
            inner = self._follow(scope, _references(scope.for_each), kind, steps)
            return inner.and_(_Found(by_index=True))
        reference = parse_reference(text)
        if reference is None:
            return _OPAQUE
        match reference.kind:
            case "var":
                return self._variable(scope, reference.name, kind, steps)
            case "local":
                named = self._local([name for name, _ in scope.path], reference.name)
                return _OPAQUE if named is None else self._follow(scope, named, kind, steps)
            case "module":
                return self._output(scope, reference, kind, steps)
            case "path" | "terraform":
                return _KNOWN
        return self._resource(scope, reference) if reference.kind == kind else _OPAQUE

    def _resource(self, scope: _Scope, reference: Reference) -> _Found:
        named = Named(scope.path, reference.kind, reference.name)
        keys = self._instances.get(named, ())
        if reference.attribute not in {"", "id"} or not keys:
            return _OPAQUE
        if reference.key:
            known = reference.key in keys
            return _Found(instances=frozenset({(named, reference.key)})) if known else _OPAQUE
        if len(keys) == 1:
            return _Found(instances=frozenset({(named, keys[0])}))
        return _Found(any_of=frozenset({named}))

    def _variable(self, scope: _Scope, name: str, kind: str, steps: int) -> _Found:
        """What the caller gives; the root's variables are known, so an unknown value never comes from one."""
        if not scope.path:
            return _KNOWN
        outside, (called, key) = scope.path[:-1], scope.path[-1]
        module = self._module(outside)
        call = None if module is None else module.module_calls.get(called)
        if call is None:
            return _OPAQUE
        given = _references(call.expressions.get(name))
        return self._settled(
            self._follow(_Scope(outside, key, call.for_each_expression), given, kind, steps), key
        )

    def _output(self, scope: _Scope, reference: Reference, kind: str, steps: int) -> _Found:
        path = (*scope.path, (reference.name, reference.key))
        module = self._module(path)
        name = reference.attribute.split(".")[0].split("[")[0]
        output = None if module is None else module.outputs.get(name)
        if output is None:
            return _OPAQUE
        found = self._follow(_Scope(path, "", None), _references(output.expression), kind, steps)
        return _OPAQUE if found.any_of or found.by_index else found

    def _module(self, path: Path) -> ConfigModule | None:
        module = self._root
        for name, _ in path:
            call = module.module_calls.get(name)
            if call is None:
                return None
            module = call.module
        return module


def _references(expression: object) -> list[str]:
    """The references of an expression, and of all that is within it."""
    if isinstance(expression, dict):
        own = expression.get("references")
        if isinstance(own, list):
            return [one for one in own if isinstance(one, str)]
    return []


def _leaves(references: Iterable[str]) -> list[str]:
    """The references without those that only lead to a longer one: of `a.b.id` and `a.b` the first."""
    texts = list(dict.fromkeys(references))
    return [
        text
        for text in texts
        if not any(other != text and other.startswith((f"{text}.", f"{text}[")) for other in texts)
    ]
