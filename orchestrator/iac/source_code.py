"""Terraform source as what it declares, where there is no state: as far as its own text decides.

Texts, numbers, variables by their value or default, local values, and what resources and modules give to each other.
Everything else (functions, choices, data sources, what `count` and `for_each` make) is not known, and never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from orchestrator.iac.addresses import Named, parse_reference
from orchestrator.iac.addresses import Path as ModulePath
from orchestrator.iac.hcl import CannotEditError, WrittenBlock, arguments_in, blocks_in, without_heredocs
from orchestrator.iac.sources import read_source
from orchestrator.iac.terraform import GROUP, LIST, RULE, Instance, declared
from orchestrator.iac.values import Code, DeclaredRule, IacError

_MOST_MODULES = 200
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_PART = re.compile(r"\$\{\s*([^{}\"]+?)\s*\}")
_COMMENT = re.compile(r"\s*(?:#|//|/\*).*$", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,18}")
_WORDS: Mapping[str, object] = {"true": True, "false": False, "null": None}
_ELSEWHERE = "SecurityGroupId: {}, so what it makes, and in which group, only a state tells"


class _Unknown:
    """What the text alone does not say."""


UNKNOWN = _Unknown()


class _Call(NamedTuple):
    """A call of a module: by which path, with which arguments, from where."""

    path: ModulePath
    arguments: Mapping[str, str]
    caller: _Scope | None


class _Scope:
    """One module, by the call that it is: its blocks, and what its names are worth."""

    def __init__(self, folder: Path, call: _Call, given: Mapping[str, str] = {}) -> None:
        """Read a folder of code.

        Raises:
            IacError: some of it is not understood, or not read here.
        """
        self.call = call
        blocks = list(_blocks(folder))
        self.resources = {
            (one.labels[0], one.labels[1]): _arguments(folder, one) for one in _of(blocks, "resource", 2)
        }
        self.calls = {one.labels[0]: _arguments(folder, one) for one in _of(blocks, "module", 1)}
        self._defaults = {
            one.labels[0]: _arguments(folder, one).get("default", "") for one in _of(blocks, "variable", 1)
        }
        self.outputs = {
            one.labels[0]: _arguments(folder, one).get("value", "") for one in _of(blocks, "output", 1)
        }
        self._locals = {
            name: text
            for one in blocks
            if one.kind == "locals"
            for name, text in _arguments(folder, one).items()
        }
        self._given = given
        self._known: dict[str, object] = {}
        self.modules: dict[str, _Scope] = {}

    def value(self, text: str) -> object:
        """What an expression is worth; `UNKNOWN` where the text does not say. An id is the address of its resource."""
        if found := _TEXT.match(text):
            return UNKNOWN if _COMMENT.sub("", text[found.end() :]).strip() else self._text(found[0][1:-1])
        text = _COMMENT.sub("", text).strip()
        if _NUMBER.fullmatch(text):
            return int(text)
        return _WORDS[text] if text in _WORDS else self._named(text)

    def _text(self, text: str) -> object:
        whole = _PART.fullmatch(text)
        if whole:
            return self._named(whole[1])
        parts: list[str] = []
        for number, part in enumerate(_PART.split(text)):
            value = self._named(part) if number % 2 else _plain(part)
            if not isinstance(value, str | int) or isinstance(value, bool):
                return UNKNOWN
            parts.append(str(value))
        return "".join(parts)

    def _named(self, text: str) -> object:
        if text not in self._known:
            self._known[text] = UNKNOWN  # what refers to itself is worth nothing
            self._known[text] = self._found(text)
        return self._known[text]

    def _found(self, text: str) -> object:
        reference = parse_reference(text)
        if reference is None:
            return UNKNOWN
        kind, name, key, attribute = reference
        if kind == "var" and not attribute and not key:
            return self._variable(name)
        if kind == "local" and not attribute and not key:
            return self.value(self._locals[name]) if name in self._locals else UNKNOWN
        if kind == "module" and not key and name in self.modules and attribute in self.modules[name].outputs:
            module = self.modules[name]
            return module.value(module.outputs[attribute])
        if kind in {GROUP, LIST} and attribute == "id" and (kind, name) in self.resources and not key:
            is_one = not _makes_several(self.resources[kind, name])
            return Named(self.call.path, kind, name).at("") if is_one else UNKNOWN
        return UNKNOWN

    def _variable(self, name: str) -> object:
        if name not in self._defaults:
            return UNKNOWN
        if self.call.caller is not None and name in self.call.arguments:
            return self.call.caller.value(self.call.arguments[name])
        given = self._given.get(name) or self._defaults[name]
        return self.value(given) if given else UNKNOWN


def read_source_code(folder: Path) -> Code:
    """What the code of a folder declares, with the modules that stand beside it.

    Raises:
        IacError: some of it is not understood, or not read here.
    """
    scopes, missing = _scopes(folder)
    try:
        instances = [
            _instance(scope, Named(scope.call.path, kind, name), arguments)
            for scope in scopes
            for (kind, name), arguments in scope.resources.items()
            if kind in {GROUP, RULE}
        ]
    except RecursionError:
        raise IacError(f"{folder}: its values refer to each other over too many steps") from None
    code = declared(tuple(instances))
    return replace(code, rules=(*code.rules, *[_elsewhere(address, why) for address, why in missing]))


def roots_of(folder: Path) -> list[Path]:
    """The folders of Terraform code that no other code calls as a module."""
    found = sorted({path.parent for path in folder.rglob("*.tf") if not _is_hidden(path.relative_to(folder))})
    called: set[Path] = set()
    for one in found:
        for block in _of(list(_blocks(one)), "module", 1):
            source = _source(one, _arguments(one, block))
            if source is not None:
                called.add(source.resolve())
    return [one for one in found if one.resolve() not in called]


def _scopes(folder: Path) -> tuple[list[_Scope], list[tuple[str, str]]]:
    """The modules of the code, and the calls whose module is not at hand, or is made several times: address and why."""
    root = _Scope(folder, _Call((), {}, None), _given(folder))
    left, found, missing = [(root, folder)], [root], list[tuple[str, str]]()
    while left:
        scope, where = left.pop()
        for name, arguments in scope.calls.items():
            path = (*scope.call.path, (name, ""))
            source = _source(where, arguments)
            address = ".".join([f"module.{one}" for one, _ in path])
            if source is None or len(found) >= _MOST_MODULES:
                missing.append((address, "its source is not at hand"))
            elif _makes_several(arguments):
                missing.append((address, "it is called several times"))
            else:
                module = _Scope(source, _Call(path, arguments, scope))
                scope.modules[name] = module
                left.append((module, source))
                found.append(module)
    return found, missing


def _instance(scope: _Scope, named: Named, arguments: Mapping[str, str]) -> Instance:
    values: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for name, text in arguments.items():
        value = scope.value(text)
        if value is UNKNOWN or (name == "prefix_list_id" and str(value).startswith(("module.", LIST))):
            unknown[name] = True
        else:
            values[name] = value
    makes = _makes_several(arguments)
    return Instance(named, "", values, unknown, f"makes several ({makes})" if makes else "")


def _elsewhere(address: str, why: str) -> DeclaredRule:
    unknown = _ELSEWHERE.format(why)
    return DeclaredRule(
        address=address,
        resource=address,
        fields={"Direction": "ingress"},
        unknown=(unknown,),
        group_unknown=unknown,
    )


def _makes_several(arguments: Mapping[str, str]) -> str:
    return next((name for name in ("count", "for_each") if name in arguments), "")


def _source(folder: Path, arguments: Mapping[str, str]) -> Path | None:
    """The folder of a module, where it stands beside the code."""
    found = re.fullmatch(r'"(\.\.?/[^"]*)"', arguments.get("source", ""))
    path = folder / found[1] if found else None
    return path if path is not None and path.is_dir() else None


def _of(blocks: list[WrittenBlock], kind: str, labels: int) -> list[WrittenBlock]:
    return [one for one in blocks if one.kind == kind and len(one.labels) == labels]


def _blocks(folder: Path) -> Iterator[WrittenBlock]:
    for path in sorted(folder.iterdir()):
        if path.name.endswith(("override.tf", ".tf.json", ".tofu")):
            raise IacError(f"{path}: is not read here: give the state with --state, or name a smaller folder")
        if path.suffix == ".tf" and path.is_file():
            try:
                yield from blocks_in(read_source(path))
            except CannotEditError as error:
                raise IacError(f"{path}: {error}: is it Terraform source?") from None


def _arguments(folder: Path, block: WrittenBlock) -> dict[str, str]:
    try:
        return arguments_in(block.body)
    except CannotEditError as error:
        raise IacError(f"{folder}: {block.kind} {' '.join(block.labels)}: {error}") from None


def _given(folder: Path) -> dict[str, str]:
    """The values of variables that Terraform takes from files of the folder, in its order."""
    found: dict[str, str] = {}
    for path in (folder / "terraform.tfvars", *sorted(folder.glob("*.auto.tfvars"))):
        if path.is_file():
            try:
                found |= arguments_in(without_heredocs(read_source(path)))
            except CannotEditError as error:
                raise IacError(f"{path}: {error}") from None
    if any(path.name.endswith(".tfvars.json") for path in folder.iterdir()):
        raise IacError(f"{folder}: *.tfvars.json is not read here: give the state with --state")
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _plain(text: str) -> object:
    """A text without what is to be put in its place; it may hold what is none, which is written `$${`."""
    if re.search(r"(?<!\$)\$\{|(?<!%)%\{", text):
        return UNKNOWN
    try:
        return str(json.loads(f'"{text}"')).replace("$${", "${").replace("%%{", "%{")
    except ValueError:
        return UNKNOWN
