"""Completion for bash, zsh and fish: a script with every command and option, so that a TAB starts no program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

SHELLS = ("bash", "zsh", "fish")

_PROGRAM = "sgsweep"


class Word(NamedTuple):
    """Something that can be typed, and what it does in one line."""

    text: str
    told: str


def words(app: typer.Typer) -> dict[str, list[Word]]:
    """Return what can be typed after each command: "" for none yet, "config check" for a group's own."""
    return dict(_of("", typer.main.get_command(app)))


def _of(path: str, command: Any) -> Iterator[tuple[str, list[Word]]]:  # noqa: ANN401 - typer's own type is private
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    found = [Word(name, _line(one.get_short_help_str(100))) for name, one in inner.items()]
    for parameter in command.params:
        told = _line(getattr(parameter, "help", None) or "")
        found += [
            Word(option, told) for option in (*parameter.opts, *parameter.secondary_opts) if option[:1] == "-"
        ]
    yield path, [*found, Word("--help", "Show what it takes.")]
    for name, one in inner.items():
        yield from _of(f"{path} {name}".strip(), one)


def _line(text: str) -> str:
    return " ".join(text.split())


def script(shell: str, app: typer.Typer) -> str:
    """Return the script of a shell.

    Raises:
        UsageError: there is none for it.
    """
    from orchestrator.run import UsageError

    if shell not in _SCRIPTS:
        raise UsageError(f"there is no completion for the shell {shell!r}; it is one of {', '.join(SHELLS)}")
    return _SCRIPTS[shell](words(app))


def install(app: typer.Typer) -> tuple[Path, str]:
    """Write the script where the shell of $SHELL looks for it; return where, and what else is to be done.

    No file of the user's is changed: what has to stand in one is told.

    Raises:
        UsageError: the shell is not known.
    """
    from orchestrator.files import replaced

    shell = Path(os.environ.get("SHELL", "")).name
    text = script(shell, app)
    path, then = _places(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as file:
        file.write(text.encode())
    return path, then


def _places(shell: str) -> tuple[Path, str]:
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if shell == "bash":
        path = data / "bash-completion" / "completions" / _PROGRAM
        return (
            path,
            f"new shells have it where bash-completion is installed; else put into ~/.bashrc: source {path}",
        )
    if shell == "zsh":
        path = Path.home() / ".zfunc" / f"_{_PROGRAM}"
        return (
            path,
            "put into ~/.zshrc, before compinit: fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit",
        )
    return settings / "fish" / "completions" / f"{_PROGRAM}.fish", "new shells have it"


def _quoted(text: str) -> str:
    """Return the text between single quotes, as bash and zsh read them."""
    return "'" + text.replace("'", "'\\''") + "'"


def _follow(known: Mapping[str, list[Word]]) -> str:
    """Return the lines, the same in bash and zsh, that find out which command has been typed."""
    commands = "|".join(_quoted(path) for path in known if path)
    return f'case "${{command:+$command }}$word" in {commands}) command="${{command:+$command }}$word";; esac'


def _bash(known: Mapping[str, list[Word]]) -> str:
    cases = "\n".join(
        f"    {_quoted(path)}) words={_quoted(' '.join(word.text for word in found))};;"
        for path, found in known.items()
    )
    return f"""\
_{_PROGRAM}() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" command="" words="" word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    {_follow(known)}
  done
  case "$command" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _{_PROGRAM} {_PROGRAM}
"""


def _zsh(known: Mapping[str, list[Word]]) -> str:
    def entry(word: Word) -> str:
        return _quoted(f"{word.text}:{word.told}")

    cases = "\n".join(
        f"    ({_quoted(path)}) entries=({' '.join(map(entry, found))});;" for path, found in known.items()
    )
    return f"""\
#compdef {_PROGRAM}
_{_PROGRAM}() {{
  local command="" word
  local -a entries
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    {_follow(known)}
  done
  case "$command" in
{cases}
  esac
  _describe {_PROGRAM} entries || _files
}}
if [ "${{funcstack[1]}}" = "_{_PROGRAM}" ]; then _{_PROGRAM} "$@"; else compdef _{_PROGRAM} {_PROGRAM}; fi
"""


def _fish(known: Mapping[str, list[Word]]) -> str:
    groups = {path.rpartition(" ")[0] for path in known} - {""}
    lines = []
    for path, found in known.items():
        inner = [
            path_of.rpartition(" ")[2] for path_of in known if path_of and path_of.rpartition(" ")[0] == path
        ]
        conditions = [f"__fish_seen_subcommand_from {one}" for one in path.split()]
        if path in groups or not path:
            conditions.append(f"not __fish_seen_subcommand_from {' '.join(inner)}")
        elif " " not in path and (twins := [one for one in known if one.endswith(f" {path}")]):
            conditions += [f"not __fish_seen_subcommand_from {one.rpartition(' ')[0]}" for one in twins]
        condition = "; and ".join(conditions)
        for word in found:
            option = word.text.lstrip("-")
            kind = {0: "-f -a", 1: "-s"}.get(len(word.text) - len(option), "-l")
            told = word.told.replace("\\", "\\\\").replace("'", "\\'")
            lines.append(f"complete -c {_PROGRAM} -n '{condition}' {kind} {option} -d '{told}'")
    return "\n".join(lines) + "\n"


_SCRIPTS: Mapping[str, Callable[[Mapping[str, list[Word]]], str]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
