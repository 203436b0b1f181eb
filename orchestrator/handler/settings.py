"""What the function is told by its environment, checked where it is read; and what its platform tells of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal

import msgspec

from accounts.credentials import (
    CarryAsync,
    Credentials,
    CredentialSource,
    HubCredentials,
    StaticCredentials,
    from_environment,
)
from orchestrator.cloud.settings import ENVIRONMENT, CloudSettings, Limits, with_environment
from orchestrator.handler.events import is_account_id
from orchestrator.handler.ledger import Budget
from orchestrator.policy import (
    Check,
    Exemption,
    PolicyError,
    checks_for_ports,
    default_checks,
    parse_exemptions,
    refuse_unknown_checks,
)

_DEFAULT_TIMEOUT_SECONDS = 60.0
# An invocation has little time, and no call may take all of it; else the defaults.
_HURRIED = CloudSettings(
    attempts=4, deadline_seconds=30.0, read_timeout_seconds=10.0, limits=Limits(patience_seconds=30.0)
)
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
        exemptions_at: where they are if they do not fit a variable: an object named by its hash; empty otherwise.
        role: the role to enter an account by; empty to work in the own account with the own credentials.
        external_id: what that role asks for.
        ledger: oss://bucket/prefix or file:///folder; empty for none.
        budget: how many changes there may be in 10 minutes.
        accounts: the accounts that may be entered; empty for all that the directory lists.
        oss_network: internal, as Function Compute reaches OSS whatever the network to ECS is; or public.
        aggregator_id: of the Cloud Config account group; empty for one account.
        config_rule_ids: to be evaluated again after a change, besides those that an event names.
        cloud: where the cloud is.
    """

    mode: Literal["plan", "apply"] = "plan"
    checks: tuple[Check, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    exemptions_at: str = ""
    role: str = ""
    external_id: str = ""
    ledger: str = ""
    budget: Budget = Budget()
    accounts: tuple[str, ...] = ()
    oss_network: Literal["internal", "public"] = "internal"
    aggregator_id: str = ""
    config_rule_ids: tuple[str, ...] = ()
    cloud: CloudSettings = CloudSettings()

    def __repr__(self) -> str:
        # the external id is a secret between the accounts
        return f"Settings(mode={self.mode!r}, role={self.role!r}, ledger={self.ledger!r}, …)"


class PlatformContext(msgspec.Struct, frozen=True, kw_only=True):
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
    external_id = ask("SGSWEEP_EXTERNAL_ID", "")
    if not external_id.isprintable():
        raise SettingsError(
            "SGSWEEP_EXTERNAL_ID holds a line end or another invisible character: write it again"
        )
    network = _choice(environment, "SGSWEEP_OSS_NETWORK", ("internal", "public"))
    rule_count = _choice(environment, "SGSWEEP_RULE_COUNT", ("check", "ignore"))
    balancers = _choice(environment, "SGSWEEP_BALANCERS", ("ask", "required"))
    try:
        checks = (
            default_checks() if "SGSWEEP_PORTS" not in environment else _checks(environment["SGSWEEP_PORTS"])
        )
        exemptions_at = ask("SGSWEEP_EXEMPTIONS", "").strip()
        if not exemptions_at.startswith(("oss://", "file://")):
            exemptions, exemptions_at = _exemptions(exemptions_at, checks), ""
        else:
            exemptions = ()
        cloud = with_environment(_HURRIED, environment, (*ENVIRONMENT, "site", "network"))
        cloud = msgspec.structs.replace(cloud, rule_count=rule_count, balancers=balancers)
    except (PolicyError, ValueError) as error:
        raise SettingsError(str(error)) from None
    return Settings(
        mode="apply" if mode == "apply" else "plan",
        checks=checks,
        exemptions=exemptions,
        exemptions_at=exemptions_at,
        role=ask("SGSWEEP_REMEDIATION_ROLE", "").strip(),
        external_id=external_id.strip(),
        ledger=ledger,
        budget=_budget(environment),
        accounts=_accounts(ask("SGSWEEP_ACCOUNTS", "")),
        oss_network="public" if network == "public" else "internal",
        aggregator_id=ask("SGSWEEP_AGGREGATOR", "").strip(),
        config_rule_ids=tuple(_listed(ask("SGSWEEP_CONFIG_RULES", ""))),
        cloud=cloud,
    )


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, str]) -> str:
    """Return what a variable says, which is one of these; the first, unless it says anything."""
    text = environment.get(name, "").strip() or choices[0]
    if text not in choices:
        raise SettingsError(f"{name} is {text!r}: write {' or '.join(choices)}")
    return text


def _budget(environment: Mapping[str, str]) -> Budget:
    """Return how much may be changed; in all ten times what one account may, unless it is said."""
    per_account = _count(environment, "SGSWEEP_MAX_CHANGES", 50)
    in_all = _count(environment, "SGSWEEP_MAX_CHANGES_IN_ALL", 10 * per_account)
    if in_all < per_account:
        raise SettingsError(
            f"SGSWEEP_MAX_CHANGES_IN_ALL is {in_all}, less than one account may use alone (SGSWEEP_MAX_CHANGES is "
            f"{per_account}): one account could hold up all others"
        )
    return Budget(per_account, in_all)


def _count(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, "").strip() or str(usual)
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise SettingsError(f"{name} is {text!r}: write a whole number, 1 or more")
    return int(text)


def _accounts(text: str) -> tuple[str, ...]:
    found = tuple(_listed(text))
    for one in found:
        if not is_account_id(one):
            raise SettingsError(
                f"SGSWEEP_ACCOUNTS names {one!r}: write account ids, digits alone, with commas"
            )
    return found


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _checks(ports: str) -> tuple[Check, ...]:
    try:
        return checks_for_ports(_listed(ports))
    except PolicyError as error:
        raise SettingsError(f"SGSWEEP_PORTS: {error}") from None


def _exemptions(text: str, checks: tuple[Check, ...]) -> tuple[Exemption, ...]:
    """Return the exemptions; one by what a function does not know of an account would shield nothing: it is refused."""
    found = parse_exemptions(_tables(text), "SGSWEEP_EXEMPTIONS")
    try:
        refuse_unknown_checks(found, checks)
    except PolicyError as error:
        raise SettingsError(f"SGSWEEP_EXEMPTIONS: {error}") from None
    for one in found:
        by_name = not all(map(str.isdecimal, one.account))
        unknown = next(
            (
                what
                for what, given in (
                    ("folder", one.folder),
                    ("tag of an account", one.account_tag),
                    ("name of an account", by_name),
                )
                if given
            ),
            "",
        )
        if unknown:
            raise SettingsError(
                f"SGSWEEP_EXEMPTIONS: {one.id} is for a {unknown}, which a function does not know: "
                "give the ids of accounts"
            )
    return found


def kept_exemptions(at: str, kept: bytes | None, checks: tuple[Check, ...]) -> tuple[Exemption, ...]:
    """Return the exemptions that an object holds.

    Args:
        at: its name, as SGSWEEP_EXEMPTIONS has it.
        kept: what it holds; None if it is not there.
        checks: what is looked for; an exemption of another check shields nothing.

    Raises:
        SettingsError: it is not there, not what was deployed, or no exemptions.
    """
    if kept is None:
        raise SettingsError(f"SGSWEEP_EXEMPTIONS names {at}, which is not there: deploy again")
    if f"/{hashlib.sha256(kept).hexdigest()}.json" not in at:
        raise SettingsError(
            f"SGSWEEP_EXEMPTIONS names {at}, which holds something else than was deployed: its name is its SHA-256"
        )
    try:
        return _exemptions(kept.decode(), checks)
    except (PolicyError, UnicodeDecodeError) as error:
        raise SettingsError(str(error)) from None


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


def read_context(context: object, environment: Mapping[str, str]) -> PlatformContext:
    """Return what the platform tells; the runtimes differ, and a test or a runner may tell nothing."""
    function = getattr(context, "function", None)
    timeout = _number(getattr(function, "timeout", None)) or _DEFAULT_TIMEOUT_SECONDS
    low, high = _MARGIN_SECONDS
    margin = min(max(timeout * _MARGIN_SHARE, low), high, timeout / 2)
    request_id = str(getattr(context, "request_id", "") or "")
    return PlatformContext(
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


def own_credentials(
    context: object, environment: Mapping[str, str], carry: CarryAsync | None = None
) -> CredentialSource:
    """Return the function's own credentials of this invocation, never kept for the next.

    They stand in the environment (python3.12) or in the context (python3.10); outside of Function Compute the standard
    chain has them, and sends what it has to by `carry`. An empty token means none.

    Raises:
        UnusableKeyError: a variable holds what no key can hold.
    """
    found = from_environment(environment)
    given = getattr(context, "credentials", None)
    key, secret = (
        str(getattr(given, "access_key_id", "") or ""),
        str(getattr(given, "access_key_secret", "") or ""),
    )
    if found is None and key and secret:
        found = Credentials(key, secret, str(getattr(given, "security_token", "") or ""))
    return StaticCredentials(found) if found else HubCredentials(environment=environment, carry=carry)
