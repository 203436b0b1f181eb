"""The search that stands before `|`: `*`, `field: value`, ranges, and, or, not; as a condition of SQL.

"Search syntax" (help of Simple Log Service): `not` binds closer than `and`, that closer than `or`; terms side by side
are joined by `and`; at most 30 conditions. A value is found whole or, in a field of words, as one of them, whatever its
letters' case; `*` and `?` in it stand for others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.services.log_service.logstores import Field, Logstore, quoted

MOST_CONDITIONS: Final = 30
_DEEPEST: Final = 60
_HIGHEST: Final = 2**63
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<mark>>=|<=|[()\[\]:<>=])|(?P<word>[^\s()\[\]:<>=\"]+))"
)
_SPLITS_WORDS: Final = re.compile(r"[\s,'\";=()\[\]{}?@&<>/:]+")


@dataclass(slots=True)
class Condition:
    """A condition of SQL with its values; `terms` are what it looks for, as the answer's meta lists them."""

    sql: str = "1"
    values: list[object] = field(default_factory=list)
    terms: list[dict[str, str]] = field(default_factory=list)


def read(text: str, store: Logstore) -> Condition:
    """The condition that a search means; ApiError ParameterInvalid where it is none."""
    return _Reader(text, store).read()


def has_word(value: object, wanted: str) -> bool:
    """Whether a text has these words in it, one after the other; a function of the database."""
    words, sought = _words(str(value)), _words(wanted)
    return any(words[at : at + len(sought)] == sought for at in range(len(words) - len(sought) + 1))


def _words(text: str) -> list[str]:
    return [one for one in _SPLITS_WORDS.split(text.lower()) if one]


def _invalid(message: str) -> ApiError:
    return ApiError(400, "ParameterInvalid", message)


class _Reader:
    """Reads one search; each method takes what its name says, and returns it as SQL."""

    def __init__(self, text: str, store: Logstore) -> None:
        self._text, self._store = text, store
        self._tokens: list[tuple[str, str]] = []
        self._at = self._depth = 0
        self._found = Condition()
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._wrong(text[at:].strip()[:1])
            kind = str(match.lastgroup)
            self._tokens.append((kind, match[kind]))
            at = match.end()

    def read(self) -> Condition:
        if self._tokens:
            self._found.sql = self._alternatives()
        if self._at < len(self._tokens):
            raise self._wrong(self._tokens[self._at][1])
        return self._found

    def _wrong(self, near: str) -> ApiError:
        return _invalid(
            f"ErrorType:QueryParseError.ErrorMessage:syntax error error position is near < {near} >"
        )

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._wrong("end of the query")
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, *values: str, ahead: int = 0) -> bool:
        """Whether the next token is one of these, and not within quotation marks."""
        at = self._at + ahead
        return (
            at < len(self._tokens) and self._tokens[at][0] != "text" and self._tokens[at][1].lower() in values
        )

    def _alternatives(self) -> str:
        parts = [self._together()]
        while self._is("or"):
            self._at += 1
            parts.append(self._together())
        return f"({' OR '.join(parts)})" if len(parts) > 1 else parts[0]

    def _together(self) -> str:
        parts = [self._negated()]
        while self._at < len(self._tokens) and not self._is("or", ")"):
            if self._is("and"):
                self._at += 1
            parts.append(self._negated())
        return f"({' AND '.join(parts)})" if len(parts) > 1 else parts[0]

    def _negated(self) -> str:
        if not self._is("not", "("):
            return self._term()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(self._tokens[self._at][1])
        found = self._deeper()
        self._depth -= 1
        return found

    def _deeper(self) -> str:
        """What is negated, or within brackets."""
        if self._is("not"):
            self._at += 1
            return f"(NOT coalesce({self._negated()}, 0))"
        self._at += 1
        inner = self._alternatives()
        if not self._is(")"):
            raise self._wrong("(")
        self._at += 1
        return inner

    def _term(self) -> str:
        kind, name = self._next()
        if kind == "mark" or (kind == "word" and name.lower() in {"and", "or"}):
            raise self._wrong(name)
        if kind == "word" and name == "*":
            return "1"
        self._found.terms.append({"key": "", "term": name.strip('"')})
        if len(self._found.terms) > MOST_CONDITIONS:
            raise _invalid(f"ErrorType:QueryParseError.ErrorMessage:more than {MOST_CONDITIONS} conditions")
        if self._is(":", ">", ">=", "<", "<=", "=") or (self._is("in") and self._is("[", "(", ahead=1)):
            return self._of_field(_plain(name))
        fields = [one for one in self._store.fields or () if one.kind in {"text", "json"} and not one.parent]
        return "(" + " OR ".join(self._text_is(one, kind, name) for one in fields) + ")"

    def _of_field(self, name: str) -> str:
        found = self._store.field(name)
        if found is None:
            raise _invalid(
                f"key ({name}) is not config as key value config,"
                'if symbol : is in your log,please wrap : with quotation mark "'
            )
        self._found.terms[-1] = {"key": name, "term": ""}
        if self._is("in"):
            return self._range(found)
        _, mark = self._next()
        kind, value = self._next()
        if kind == "mark":
            raise self._wrong(value)
        self._found.terms[-1]["term"] = _plain(value)
        if found.kind in {"text", "json"}:
            if mark != ":":
                raise self._wrong(mark)
            return self._text_is(found, kind, value)
        if mark == ":" and value == "*":
            return f"({quoted(name)} IS NOT NULL)"
        return self._compare(found, "=" if mark == ":" else mark, value)

    def _range(self, found: Field) -> str:
        """`in [low high)`: each end belongs to it with a square bracket, and does not with a round one."""
        self._at += 1
        (_, opened), (_, low), (_, high), (_, closed) = (self._next() for _ in range(4))
        if closed not in {"]", ")"}:
            raise self._wrong(closed)
        above = self._compare(found, ">=" if opened == "[" else ">", low)
        return f"({above} AND {self._compare(found, '<=' if closed == ']' else '<', high)})"

    def _compare(self, found: Field, operator: str, value: str) -> str:
        try:
            number = float(value) if found.kind == "double" else int(value)
        except ValueError:
            raise self._wrong(value) from None
        if found.kind not in {"long", "double"}:
            raise self._wrong(operator)
        if not -_HIGHEST <= number < _HIGHEST:
            raise self._wrong(value)
        self._found.values.append(number)
        return f"({quoted(found.name)} {operator} ?)"

    def _text_is(self, found: Field, kind: str, value: str) -> str:
        column, plain = quoted(found.name), _plain(value)
        if kind == "word" and plain == "*":
            return f"(coalesce({column}, '') <> '')"
        if kind == "word" and re.search(r"[*?]", plain):
            self._found.values.append(plain.lower().replace("[", "[[]"))
            return f"(lower({column}) GLOB ?)"
        self._found.values.append(plain)
        if found.words or found.kind == "json":
            return f"(has_word({column}, ?))"
        return f"({column} = ? COLLATE NOCASE)"


def _plain(token: str) -> str:
    """A name or a value without its quotation marks."""
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token
