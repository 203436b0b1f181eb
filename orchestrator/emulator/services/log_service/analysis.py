"""The SQL that stands after `|`: what Presto would refuse is refused, the rest is written for SQLite.

SQLite is more lenient than Presto: it takes unknown names in quotation marks for texts, columns that are not grouped
by, and END as a name. So a query is read token by token first; a client whose SQL works here must not fail on the
cloud. What Log Service adds to SQL: FROM may be left out, the table is called `log` or as the logstore, and without
LIMIT there are 100 rows. Types are held against each other where a column is compared with a constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.services.log_service.logstores import quoted

DEFAULT_ROWS: Final = 100
MOST_ROWS: Final = 1_000_000
AGGREGATES: Final = frozenset({"count", "sum", "min", "max", "avg"})
FUNCTIONS: Final = AGGREGATES | {
    "abs", "bitwise_and", "bitwise_or", "cast", "coalesce", "length", "lower", "mod", "nullif", "rank", "replace",
    "round", "row_number", "substr", "trim", "upper",
}  # fmt: skip
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<literal>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")+\")|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark><=|>=|<>|!=|\|\||[-+*/%(),.<>=]))"
)
_KEYWORDS: Final = frozenset(
    {
        "select", "from", "where", "group", "by", "having", "order", "limit", "as", "and", "or", "not", "in",
        "is", "null", "between", "like", "escape", "case", "when", "then", "else", "end", "distinct", "all",
        "union", "except", "intersect", "join", "inner", "left", "right", "full", "outer", "cross", "on", "using",
        "with", "asc", "desc", "nulls", "first", "last", "over", "partition", "rows", "range", "unbounded",
        "preceding", "following", "current", "row", "exists", "values", "true", "false", "offset",
    }
)  # fmt: skip
_TYPES: Final = frozenset({"bigint", "integer", "double", "varchar", "boolean"})
_CLAUSES: Final = frozenset(
    {"where", "group", "having", "order", "limit", "offset", "union", "except", "intersect"}
)
_COMPARISONS: Final = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})
_LONG_TYPE: Final = {
    "bigint": "INTEGER",
    "integer": "INTEGER",
    "double": "REAL",
    "varchar": "TEXT",
    "boolean": "INTEGER",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind (literal, quoted, number, name, mark), its text, the brackets around it, and its place."""

    kind: str
    text: str
    depth: int
    at: int

    @property
    def word(self) -> str:
        """The keyword that it is or could be, in lower case; "" for what is no bare name."""
        return self.text.lower() if self.kind == "name" else ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A query for SQLite, which has the rows in a table `log`; `names` of its columns, None for those of the table."""

    sql: str
    names: tuple[str, ...] | None
    limit: int


def read(text: str, columns: Mapping[str, str], logstore: str) -> Analysis:
    """What a query asks for; ApiError ParameterInvalid where Presto or Log Service would refuse it.

    `columns` are those that SQL sees, with the kinds that they are indexed as.
    """
    tokens = list(_tokens(text))
    if not tokens or tokens[0].word not in {"select", "with"}:
        raise _refused("sql query must begin with SELECT")
    _check_brackets(tokens)
    _check_names(tokens, {*columns, "__time__", "__source__", "__topic__"}, logstore)
    _check_types(tokens, columns)
    main = _main(tokens)
    items = _items(main)
    _check_grouping(main, items)
    limit = _limit(main)
    sql = _with_source(text, tokens, main)
    if limit is None:
        sql = f"{sql} LIMIT {DEFAULT_ROWS}"
    return Analysis(sql, _result_names(items), DEFAULT_ROWS if limit is None else limit)


def _refused(message: str) -> ApiError:
    return ApiError(400, "ParameterInvalid", message)


def unresolved(name: str, at: int = 0) -> ApiError:
    """The refusal of a column that is not there, or not indexed for SQL."""
    return _refused(
        f"line 1:{at + 1}: Column '{name}' cannot be resolved;please add the column in the index attribute"
    )


def _tokens(text: str) -> Iterator[Token]:
    at, depth = 0, 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or text.startswith(("--", "/*"), match.start(str(match.lastgroup))):
            raise _refused(f"line 1:{at + 1}: mismatched input '{text[at:].strip()[:1]}'")
        kind = str(match.lastgroup)
        depth -= match[kind] == ")"
        yield Token(kind, match[kind], depth, match.start(kind))
        depth += match[kind] == "("
        at = match.end()


def _check_brackets(tokens: list[Token]) -> None:
    depths = [token.depth for token in tokens]
    opened = sum(token.text == "(" for token in tokens) - sum(token.text == ")" for token in tokens)
    if min(depths) < 0 or opened:
        raise _refused("line 1:1: mismatched input ')'" if min(depths) < 0 else "line 1:1: missing ')'")


# --- names


def _check_names(tokens: list[Token], columns: set[str], logstore: str) -> None:
    """Refuse functions, tables and quoted names that are not there, and END without CASE."""
    tables = {"log", logstore, *_defined(tokens)}
    aliases = {_bare(after) for before, after in pairwise(tokens) if before.word == "as"}
    cases = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        cases += (token.word == "case") - (token.word == "end")
        if cases < 0:
            raise _refused(f"line 1:{token.at + 1}: mismatched input 'end'. Expecting: <expression>")
        if token.word and after == "(" and token.word not in FUNCTIONS | _KEYWORDS | tables | _TYPES:
            raise _refused(f"line 1:{token.at + 1}: Function {token.word} not registered")
        if token.kind not in {"name", "quoted"} or (before and before.text == "."):
            continue
        if before and before.word in {"from", "join"}:
            if _bare(token) not in tables:
                raise _refused(f"line 1:{token.at + 1}: Table {_bare(token)} does not exist")
        elif token.kind == "quoted" and _bare(token) not in columns | aliases | tables:
            raise unresolved(_bare(token), token.at)


def _check_types(tokens: list[Token], columns: Mapping[str, str]) -> None:
    """Refuse a number's column beside a text, and a text's beside a number."""
    for place, token in enumerate(tokens[:-2]):
        kind, operator = columns.get(_bare(token)), tokens[place + 1]
        if token.kind not in {"name", "quoted"} or kind is None:
            continue
        after = place + 2 + (operator.word == "not")
        if operator.text not in _COMPARISONS and "in" not in {operator.word, tokens[after - 1].word}:
            continue
        beside = next((one for one in tokens[after:] if one.text not in {"(", "-"}), token)
        is_number = kind in {"long", "double"}
        if beside.kind == ("literal" if is_number else "number"):
            types = ("bigint", "varchar") if is_number else ("varchar", "integer")
            raise _refused(
                f"line 1:{operator.at + 1}: '{operator.text}' cannot be applied to {', '.join(types)}"
            )


def _defined(tokens: list[Token]) -> set[str]:
    """The names of WITH: what stands before `AS (SELECT`."""
    return {
        _bare(one)
        for one, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if one.kind in {"name", "quoted"} and second.word == "as" and third.text == "("
    }


def _bare(token: Token) -> str:
    return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text


# --- the outer query


def _main(tokens: list[Token]) -> list[Token]:
    """The tokens from the outer SELECT on."""
    for place, token in enumerate(tokens):
        if token.depth == 0 and token.word == "select":
            return tokens[place:]
    raise _refused("sql query must have a SELECT")


def _clause(main: list[Token], *names: str) -> int | None:
    """The place of the first of these words outside brackets."""
    return next((at for at, one in enumerate(main) if one.depth == 0 and one.word in names), None)


def _items(main: list[Token]) -> list[list[Token]]:
    """The items of the outer SELECT."""
    end = _clause(main, "from", *_CLAUSES)
    inside = main[1:end]
    if inside and inside[0].word in {"distinct", "all"}:
        inside = inside[1:]
    return _divided(inside)


def _divided(tokens: list[Token]) -> list[list[Token]]:
    """Tokens between the commas that are outside brackets."""
    found: list[list[Token]] = [[]]
    base = min((one.depth for one in tokens), default=0)
    for token in tokens:
        if token.text == "," and token.depth == base:
            found.append([])
        else:
            found[-1].append(token)
    return found


def _alias(item: list[Token]) -> str:
    """The name that an item gives itself, "" for none."""
    if len(item) < 2 or item[-1].kind not in {"name", "quoted"}:
        return ""
    before, last = item[-2], item[-1]
    if before.word == "as":
        return _bare(last)
    ends = before.text == ")" or before.kind in {"quoted", "number", "literal"} or before.word == "end"
    if last.word not in _KEYWORDS and (ends or (before.word and before.word not in _KEYWORDS)):
        return _bare(last)
    return ""


def _expression(item: list[Token]) -> list[Token]:
    if not _alias(item):
        return item
    return item[:-2] if item[-2].word == "as" else item[:-1]


def _result_names(items: list[list[Token]]) -> tuple[str, ...] | None:
    """What the columns of the answer are called: by alias or column, else `_col0` by position."""
    if any(one[-1].text == "*" for one in items if one):
        return None
    names = []
    for at, item in enumerate(items):
        plain = _expression(item)
        last = plain[-1] if plain and all(one.kind != "mark" or one.text == "." for one in plain) else None
        is_column = last is not None and last.kind in {"name", "quoted"} and last.word not in _KEYWORDS
        names.append(_alias(item) or (_bare(last) if last is not None and is_column else f"_col{at}"))
    return tuple(names)


def _check_grouping(main: list[Token], items: list[list[Token]]) -> None:
    """Refuse a column of SELECT that is neither grouped by nor within an aggregate."""
    at = _clause(main, "group")
    if at is None and not any(_aggregates(item) for item in items):
        return
    grouped: list[list[Token]] = []
    if at is not None:
        end = _clause(main[at:], *(_CLAUSES - {"group", "where"}))
        grouped = _divided(main[at + 2 : None if end is None else at + end])
    allowed: set[str] = set()
    for group in grouped:
        allowed |= _columns(group)
        for place, item in enumerate(items):
            if [one.text for one in group] in ([str(place + 1)], [_alias(item)], [quoted(_alias(item))]):
                allowed |= _columns(_expression(item))
    for item in items:
        missing = set() if _aggregates(item) else _columns(_expression(item)) - allowed
        if missing or (item and item[0].text == "*"):
            name = min(missing, default="*")
            raise _refused(
                f"Column '{name}' not in GROUP BY clause;please add the column in the index attribute"
            )


def _aggregates(item: list[Token]) -> bool:
    is_window = any(one.word == "over" for one in item)
    return not is_window and any(
        one.word in AGGREGATES and after.text == "(" for one, after in pairwise(item)
    )


def _columns(tokens: list[Token]) -> set[str]:
    found = set()
    for place, token in enumerate(tokens):
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.kind == "quoted" or (
            token.word and token.word not in _KEYWORDS | _TYPES and after not in {"(", "."}
        ):
            found.add(_bare(token).lower())
    return found


def _limit(main: list[Token]) -> int | None:
    """How many rows the query asks for at most, None where it does not say."""
    at = _clause(main, "limit")
    if at is None:
        return None
    after = [one.text for one in main[at + 1 : at + 4]]
    number = after[2] if after[1:2] == [","] and len(after) == 3 else (after or [""])[0]
    if not number.isascii() or not number.isdigit():
        raise _refused(f"line 1:{main[at].at + 1}: mismatched input 'limit'")
    return min(int(number), MOST_ROWS)


def _with_source(text: str, tokens: list[Token], main: list[Token]) -> str:
    """The query with FROM, and with the types of SQLite."""
    text = text.rstrip()
    insert = None
    if _clause(main, "from") is None:
        if _clause(main, "union", "except", "intersect") is not None:
            raise _refused("you are using nested sql, please specify FROM LOGSTORE in the innermost sql")
        end = _clause(main, *_CLAUSES)
        insert = len(text) if end is None else main[end].at
    out, at = [], 0
    for place, token in enumerate(tokens):
        if insert is not None and token.at == insert:
            out.append(text[at:insert] + " FROM log ")
            at = insert
        if token.word in _TYPES and tokens[place - 1].word == "as" and tokens[place + 1 : place + 2]:
            out.append(text[at : token.at] + _LONG_TYPE[token.word])
            at = token.at + len(token.text)
    out.append(text[at:])
    return "".join(out) + (" FROM log" if insert == len(text) else "")
