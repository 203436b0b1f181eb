"""The products of the emulated cloud, a module or a folder each, whose import registers its operations.

To add one, write it beside these and add its name to `PRODUCTS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

PRODUCTS: Final = (
    "sts",
    "resource_directory",
    "ram",
    "ecs",
    "load_balancers",
    "classic_load_balancers",
    "vpc",
    "actiontrail",
    "resource_center",
    "config",
    "oss",
    "log_service",
)


def load() -> None:
    """Register the operations of every product."""
    for name in PRODUCTS:
        import_module(f"{__name__}.{name}")
