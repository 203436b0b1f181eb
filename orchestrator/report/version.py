"""Which sgsweep tells this."""

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """Return the installed version; "0" from a checkout that was never installed."""
    try:
        return metadata.version("sgsweep")
    except metadata.PackageNotFoundError:
        return "0"
