"""The RAM actions that the code calls, found in the code itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ECS = re.compile(r"(Describe|Authorize|Revoke|Modify)[A-Za-z]+")
_DIRECTORY = re.compile(r"(Get|List)[A-Za-z]+")
_BALANCERS = re.compile(r"List(LoadBalancers|Listeners)")
_WITNESS = re.compile(r"(Search|Get)MultiAccount[A-Za-z]+")
_CONFIG = re.compile(r"(Put|Start)[A-Za-z]+")
# what the platform does with the function's role, not the code
PLATFORM = {"log:PostLogStoreLogs", "mns:SendMessage"}


@cache
def _texts(path: Path) -> tuple[str, ...]:
    """Return the string constants of a file that are not docstrings; f"…Group{suffix}…" stands for both directions."""
    return tuple(_walk(ast.parse(path.read_text())))


def _walk(tree: ast.AST) -> Iterator[str]:
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values]
            for suffix in ("", "Egress"):
                yield "".join(parts).replace("{}", suffix)


def _called(paths: list[Path], pattern: re.Pattern[str], prefix: str) -> set[str]:
    texts = {text for path in paths for text in _texts(path)}
    # a piece of an f-string alone is no action
    return {f"{prefix}:{text}" for text in texts if pattern.fullmatch(text) and text != "ModifySecurityGroup"}


def _files(folder: str) -> list[Path]:
    path = ROOT / folder
    return [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))


def read_actions() -> set[str]:
    """What a scan calls in a member."""
    inventory = _files("orchestrator/inventory")
    balancers = _called(inventory, _BALANCERS, "nlb") | _called(inventory, _BALANCERS, "alb")
    return _called(inventory, _ECS, "ecs") | balancers


def change_actions() -> set[str]:
    """What applying a plan or undoing it calls in a member: what its sessions may do, which is said by whole names."""
    texts = {text for path in _files("orchestrator/remediate") for text in _texts(path)}
    # a piece of an f-string alone is no action
    return {
        text
        for text in texts
        if re.fullmatch(f"ecs:{_ECS.pattern}", text) and not text.endswith(":ModifySecurityGroup")
    }


def directory_actions() -> set[str]:
    """What finding the accounts, and hearing a second witness of what they own, calls in the hub."""
    witness = _called(_files("orchestrator/inventory"), _WITNESS, "resourcecenter")
    return _called(_files("accounts/discovery"), _DIRECTORY, "resourcemanager") | witness


def function_actions() -> set[str]:
    """What the function calls around its work, in its own account."""
    config = _called(_files("orchestrator/handler"), _CONFIG, "config")
    return config | {"oss:PutObject", "oss:GetObject", "oss:ListObjects"}
