"""The text of a Terraform resource block, changed as little as can be: the rest stays as its owner wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Arguments = Mapping[str, str | int | None]
"""Arguments of a resource and what they are to be; None takes one away."""

_BRACKETS = {"{": "}", "[": "]", "(": ")"}
_COMMENT = re.compile(r"(?:#|//)[^\n]*|/\*.*?\*/", re.DOTALL)
_MAKES_SEVERAL = re.compile(r"^[ \t]*(count|for_each|dynamic)\b", re.MULTILINE)
_LIFECYCLE = re.compile(r"^([ \t]*)lifecycle[ \t]*\{[ \t]*(?=\n)", re.MULTILINE)
_REPLACES_FIRST = re.compile(r"\bcreate_before_destroy\s*=\s*true\b")
_LOCALS = re.compile(r"^[ \t]*locals[ \t]*\{", re.MULTILINE)
_ASSIGNMENT = re.compile(r"(?:\s|#[^\n]*|//[^\n]*|/\*.*?\*/)*([A-Za-z_][\w-]*)[ \t]*=(?!=)[ \t]*", re.DOTALL)
_HEADER = re.compile(r'([A-Za-z_][\w-]*)((?:[ \t]+"[^"\n]*")*)[ \t]*\{')
_HEREDOC = re.compile(r"<<-?[ \t]*(\w+)\n.*?^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
_LITERAL_KEY = r'\[(?:\d+|"[^"$%\\]*")\]'
_TRAVERSAL = re.compile(rf"(?<![\w.])[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|{_LITERAL_KEY})+")


class CannotEditError(Exception):
    """The block is written in a way that is not changed here; the text says what it is."""


class Span(NamedTuple):
    """A part of a text."""

    start: int
    end: int


class WrittenBlock(NamedTuple):
    """A block of a file: what it is, its labels, and what stands between its brackets."""

    kind: str
    labels: tuple[str, ...]
    body: str


def blocks_in(text: str) -> list[WrittenBlock]:
    """The blocks that stand in a text; a heredoc in them is one word that nobody knows.

    Raises:
        CannotEditError: one of them has no end.
    """
    text, found, at = without_heredocs(text), list[WrittenBlock](), 0
    while at < len(text):
        header = _HEADER.match(text, at)
        if header is None:
            at = _next(text, at)
            continue
        end = _after_bracket(text, header.end() - 1)
        labels = tuple(re.findall(r'"([^"]*)"', header[2]))
        found.append(WrittenBlock(header[1], labels, text[header.end() : end - 1]))
        at = end
    return found


def without_heredocs(text: str) -> str:
    """The same text, as long as before, with a word in place of each heredoc."""
    return _HEREDOC.sub(lambda found: "heredoc".ljust(len(found[0])), text)


def arguments_in(body: str) -> dict[str, str]:
    """The expression of each argument of a block; the blocks within it are passed over.

    Raises:
        CannotEditError: it is written in a way that is not understood.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(body):
        if assignment := _ASSIGNMENT.match(body, at):
            end = assignment.end()
            while end < len(body) and body[end] != "\n":
                end = _next(body, end)
            found[assignment[1]] = body[assignment.end() : end].strip()
            at = end
        elif header := _HEADER.match(body, at):
            at = _after_bracket(body, header.end() - 1)
        else:
            at = _next(body, at)
    return found


def block_span(text: str, start: int) -> Span:
    """The whole of a block that begins here, without its line end.

    Raises:
        CannotEditError: its end is not found.
    """
    opening = text.find("{", start)
    if opening < 0:
        raise CannotEditError("its block is not understood")
    return Span(start, _after_bracket(text, opening))


def changed(block: str, name: str, arguments: Arguments, after: Sequence[str] = ()) -> str:
    """The block of a rule under this name, with these arguments, made before what it replaces goes.

    Args:
        block: the text of the block.
        name: what the resource is called.
        arguments: those that are to be otherwise.
        after: addresses of the resources that must stand first.

    Raises:
        CannotEditError: it makes several resources, or something to be changed is not written in one line.
    """
    if found := _MAKES_SEVERAL.search(block):
        raise CannotEditError(f"its block makes several ({found[1]}), and the others are not to change")
    if "<<" in block:
        raise CannotEditError("its block holds a heredoc, which is not changed here")
    head, brace, body = block.partition("{")
    head = re.sub(r'"[^"]*"([ \t]*)$', f'"{name}"\\1', head)
    text = head + brace + body
    for argument, value in arguments.items():
        text = _with_argument(text, argument, value)
    return _with_lifecycle(_with_dependencies(text, after))


def resource(kind: str, name: str, arguments: Arguments, after: Sequence[str] = ()) -> str:
    """A whole block, written anew."""
    given = {key: value for key, value in arguments.items() if value is not None}
    width = max(map(len, given), default=0)
    lines = [f"  {key.ljust(width)} = {literal(value)}" for key, value in given.items()]
    block = f'resource "{kind}" "{name}" {{\n' + "\n".join(lines) + "\n}"
    return _with_lifecycle(_with_dependencies(block, after))


def literal(value: str | int) -> str:
    """A value as Terraform writes it."""
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def locals_in(text: str) -> dict[str, str]:
    """The expression of each local value that a file declares.

    Raises:
        CannotEditError: some are written in a way that is not understood.
    """
    found: dict[str, str] = {}
    for block in _LOCALS.finditer(text):
        span = block_span(text, block.start())
        at, last = block.end(), span.end - 1
        while assignment := _ASSIGNMENT.match(text, at, last):
            end = assignment.end()
            while end < last and text[end] != "\n":
                end = _next(text, end)
            found[assignment[1]] = text[assignment.end() : end]
            at = end
        if _COMMENT.sub("", text[at:last]).strip():
            raise CannotEditError("its local values are not understood")
    return found


def references_in(expression: str) -> list[str]:
    """All that an expression refers to, or may: names in comments and texts count, too.

    A splat, or an index that is no literal, ends a reference where it stands.
    """
    return [found.rstrip(".") for found in _TRAVERSAL.findall(expression)]


def _with_argument(text: str, argument: str, value: str | int | None) -> str:
    line = re.compile(rf"^([ \t]*){argument}([ \t]*)=[ \t]*([^\n]*)\n", re.MULTILINE)
    found = line.search(text)
    if found is None:
        return text if value is None else _inserted(text, f"{argument} = {literal(value)}")
    if _is_open(found[3]):
        raise CannotEditError(f"{argument} is written over several lines")
    if value is None:
        return text[: found.start()] + text[found.end() :]
    return text[: found.start()] + f"{found[1]}{argument}{found[2]}= {literal(value)}\n" + text[found.end() :]


def _with_dependencies(text: str, after: Sequence[str]) -> str:
    if not after:
        return text
    found = re.search(r"^([ \t]*)depends_on[ \t]*=[ \t]*\[([^\]\n]*)\][ \t]*\n", text, re.MULTILINE)
    if found is None and re.search(r"^[ \t]*depends_on\b", text, re.MULTILINE):
        raise CannotEditError("depends_on is written over several lines")
    if found is None:
        return _inserted(text, f"depends_on = [{', '.join(after)}]", at_end=True)
    names = [one.strip() for one in found[2].split(",") if one.strip()]
    line = f"{found[1]}depends_on = [{', '.join(dict.fromkeys([*names, *after]))}]\n"
    return text[: found.start()] + line + text[found.end() :]


def _with_lifecycle(text: str) -> str:
    """The block made before the one that it replaces goes: the provider replaces a rule whose arguments change."""
    if _REPLACES_FIRST.search(text):
        return text
    if re.search(r"^[ \t]*create_before_destroy\b", text, re.MULTILINE):
        raise CannotEditError("its lifecycle says create_before_destroy otherwise")
    found = _LIFECYCLE.search(text)
    if found is not None:
        return text[: found.end()] + f"\n{found[1]}  create_before_destroy = true" + text[found.end() :]
    if re.search(r"^[ \t]*lifecycle\b", text, re.MULTILINE):
        raise CannotEditError("its lifecycle is written in one line")
    return _inserted(text, "lifecycle {\n    create_before_destroy = true\n  }", at_end=True)


def _inserted(text: str, line: str, *, at_end: bool = False) -> str:
    """One more line within the block: the first, or, apart from the others, the last."""
    if not at_end:
        head, brace, rest = text.partition("{")
        return f"{head}{brace}\n  {line}{rest}"
    return f"{text.rstrip()[:-1].rstrip()}\n\n  {line}\n}}"


def _is_open(value: str) -> bool:
    """Whether a value goes on in the next line."""
    try:
        at = 0
        while at < len(value):
            at = _next(value, at)
    except CannotEditError:
        return True
    return False


def _after_bracket(text: str, at: int) -> int:
    """The place after the bracket that closes the one here; strings, comments and heredocs are passed over."""
    closing = _BRACKETS[text[at]]
    at += 1
    while at < len(text):
        if text[at] == closing:
            return at + 1
        at = _next(text, at)
    raise CannotEditError("its block has no end")


def _next(text: str, at: int) -> int:
    """The place after what begins here."""
    one = text[at]
    if one in _BRACKETS:
        return _after_bracket(text, at)
    if one == '"':
        return _after_string(text, at + 1)
    if (one in "#/") and (comment := _COMMENT.match(text, at)):
        return comment.end()
    if text.startswith("<<", at):
        raise CannotEditError("its block holds a heredoc, which is not changed here")
    return at + 1


def _after_string(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == '"':
            return at + 1
        elif text.startswith(("${", "%{"), at) and not text.startswith(text[at], at - 1):
            at = _after_bracket(text, at + 1)
        else:
            at += 1
    raise CannotEditError("a text in its block has no end")
