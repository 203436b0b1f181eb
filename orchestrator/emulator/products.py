"""Which products the emulated cloud has. A product is a module whose import registers its operations."""

from __future__ import annotations

from importlib import import_module
from typing import Final

MODULES: Final = (
    "sts",
    "directory",
    "control_policies",
    "ram_policies",
    "ecs_groups",
    "ecs_rules",
    "ecs_lists",
    "ecs_attachments",
    "load_balancers",
    "resource_center",
    "config_resources",
    "config_rules",
)


def load() -> None:
    """Register the operations of every product."""
    for name in MODULES:
        import_module(f"orchestrator.emulator.{name}")
