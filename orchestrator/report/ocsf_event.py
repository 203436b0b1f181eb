"""What every OCSF event of a run has, whatever its class."""

from __future__ import annotations

from orchestrator.report.version import version
from orchestrator.report.view import Item, RunView

SCHEMA_VERSION = "1.5.0"
"""What the lines name. Every attribute used is in each version from this one on, and not deprecated in 1.9.0."""


def metadata(view: RunView) -> Item:
    """Return by which schema, and of which run, an event is."""
    return {
        "version": SCHEMA_VERSION,
        "profiles": ["cloud"],
        "correlation_uid": view.run_id,
        "product": {"name": "sgsweep", "vendor_name": "sgsweep", "uid": "sgsweep", "version": version()},
    }


def cloud(account_id: str, account_name: str, region_id: str | None) -> Item:
    """Return where in the cloud it is; without a name an account is called by its id."""
    account = {
        "uid": account_id,
        "name": account_name or account_id,
        "type": "Alibaba Cloud Account",
        "type_id": 99,
    }
    return {"provider": "Alibaba Cloud", "account": account, **({"region": region_id} if region_id else {})}
