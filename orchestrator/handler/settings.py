"""What the function is told by its environment, checked where it is read; and what its platform tells of a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal

import msgspec

from accounts.credentials import (
    Credentials,
    CredentialSource,
    HubCredentials,
    StaticCredentials,
    from_environment,
)
from orchestrator.cloud.client import CloudSettings
from orchestrator.policy import (
    Check,
    Exemption,
    PolicyError,
    checks_for_ports,
    default_checks,
    parse_exemptions,
)

_DEFAULT_TIMEOUT_SECONDS = 60.0
_MARGIN_SHARE = 0.15  # of the time, kept to report what is left
_MARGIN_SECONDS = (2.0, 30.0)


class SettingsError(ValueError):
    """An SGSWEEP_ variable is wrong; the text names it and says what to write."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the function does.

    Attributes:
        mode: plan only records; apply changes.
        checks: what is looked for.
        exemptions: what is let be.
        role: the role to enter an account by; empty to work in the own account with the own credentials.
        external_id: what that role asks for.
        ledger: oss://bucket/prefix or file:///folder; empty for none.
        max_changes: in 10 minutes, in one account and in all.
        aggregator_id: of the Cloud Config account group; empty for one account.
        config_rule_ids: to be evaluated again after a change, besides those that an event names.
        cloud: where the cloud is.
    """

    mode: Literal["plan", "apply"] = "plan"
    checks: tuple[Check, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    role: str = ""
    external_id: str = ""
    ledger: str = ""
    max_changes: int = 50
    aggregator_id: str = ""
    config_rule_ids: tuple[str, ...] = ()
    cloud: CloudSettings = CloudSettings()

    def __repr__(self) -> str:
        # the external id is a secret between the accounts
        return f"Settings(mode={self.mode!r}, role={self.role!r}, ledger={self.ledger!r}, …)"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation, as the platform tells of it.

    Attributes:
        request_id: names it in every record.
        account_id: the function's own account; empty if it is not told.
        region_id: the function's region; empty if it is not told.
        seconds: how long work may be begun; a margin of the time-out is kept back.
        limit_seconds: the time-out itself, a moment less.
    """

    request_id: str
    account_id: str
    region_id: str
    seconds: float
    limit_seconds: float


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings.

    Raises:
        SettingsError: a variable is wrong.
    """
    ask = environment.get
    mode = ask("SGSWEEP_MODE", "plan").strip().lower() or "plan"
    if mode not in ("plan", "apply"):
        raise SettingsError(f"SGSWEEP_MODE is {mode!r}: write plan or apply")
    ledger = ask("SGSWEEP_LEDGER", "").strip()
    if mode == "apply" and not ledger:
        raise SettingsError("SGSWEEP_MODE is apply, which needs SGSWEEP_LEDGER: oss://bucket/prefix")
    limit = ask("SGSWEEP_MAX_CHANGES", "50").strip()
    if not limit.isdecimal() or int(limit) < 1:
        raise SettingsError(f"SGSWEEP_MAX_CHANGES is {limit!r}: write a whole number, 1 or more")
    try:
        checks = (
            default_checks() if "SGSWEEP_PORTS" not in environment else _checks(environment["SGSWEEP_PORTS"])
        )
        exemptions = _exemptions(ask("SGSWEEP_EXEMPTIONS", ""))
        cloud = CloudSettings(
            endpoint=ask("SGSWEEP_ENDPOINT", "").strip().rstrip("/"),
            site=ask("SGSWEEP_SITE", "") or "china",
            network=ask("SGSWEEP_NETWORK", "") or "public",
            ca_file=ask("SGSWEEP_CA_FILE", ""),
            attempts=4,
            deadline_seconds=30.0,
            read_seconds=10.0,
        )
    except (PolicyError, ValueError) as error:
        raise SettingsError(str(error)) from None
    return Settings(
        mode="apply" if mode == "apply" else "plan",
        checks=checks,
        exemptions=exemptions,
        role=ask("SGSWEEP_REMEDIATION_ROLE", "").strip(),
        external_id=ask("SGSWEEP_EXTERNAL_ID", "").strip(),
        ledger=ledger,
        max_changes=int(limit),
        aggregator_id=ask("SGSWEEP_AGGREGATOR", "").strip(),
        config_rule_ids=tuple(_listed(ask("SGSWEEP_CONFIG_RULES", ""))),
        cloud=cloud,
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _checks(ports: str) -> tuple[Check, ...]:
    try:
        return checks_for_ports(_listed(ports))
    except PolicyError as error:
        raise SettingsError(f"SGSWEEP_PORTS: {error}") from None


def _exemptions(text: str) -> tuple[Exemption, ...]:
    """Return the exemptions; one by folder would shield nothing here, so it is refused."""
    found = parse_exemptions(_tables(text), "SGSWEEP_EXEMPTIONS")
    if by_folder := next((one.id for one in found if one.folder), ""):
        raise SettingsError(
            f"SGSWEEP_EXEMPTIONS: {by_folder} is for a folder, which a function does not know: name its accounts"
        )
    return found


def _tables(text: str) -> list[Any]:
    if not text.strip():
        return []
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SettingsError(f"SGSWEEP_EXEMPTIONS is no JSON: {error}") from None
    if not isinstance(found, list):
        raise SettingsError("SGSWEEP_EXEMPTIONS is not a JSON list of exemptions")
    return found


def read_context(context: object, environment: Mapping[str, str]) -> Run:
    """Return what the platform tells; the runtimes differ, and a test or a runner may tell nothing."""
    function = getattr(context, "function", None)
    timeout = _number(getattr(function, "timeout", None)) or _DEFAULT_TIMEOUT_SECONDS
    low, high = _MARGIN_SECONDS
    margin = min(max(timeout * _MARGIN_SHARE, low), high, timeout / 2)
    request_id = str(getattr(context, "request_id", "") or "")
    return Run(
        request_id=request_id or f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}",
        account_id=str(getattr(context, "account_id", "") or environment.get("FC_ACCOUNT_ID", "")),
        region_id=str(getattr(context, "region", "") or environment.get("FC_REGION", "")),
        seconds=timeout - margin,
        limit_seconds=timeout - margin / 4,
    )


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def own_credentials(context: object, environment: Mapping[str, str]) -> CredentialSource:
    """Return the function's own credentials of this invocation, never kept for the next.

    They stand in the environment (python3.12) or in the context (python3.10); outside of Function Compute the standard
    chain has them. An empty token means none.
    """
    found = from_environment(environment)
    given = getattr(context, "credentials", None)
    key, secret = (
        str(getattr(given, "access_key_id", "") or ""),
        str(getattr(given, "access_key_secret", "") or ""),
    )
    if found is None and key and secret:
        found = Credentials(key, secret, str(getattr(given, "security_token", "") or ""))
    return StaticCredentials(found) if found else HubCredentials(environment=environment)
