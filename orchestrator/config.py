"""The configuration: one TOML file and a few environment variables, read once; what is unknown is refused.

`load` answers with a `Config` whose parts are the TOML's own tables. What another room needs is made from it
by `run`, so that no room but this one knows how a key is spelled.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.policy import (
    Check,
    Exemption,
    PolicyError,
    default_checks,
    distinct,
    parse_checks,
    parse_exemptions,
    parse_packs,
)
from orchestrator.securitygroup import parse_cidr

_PACKS = Path(__file__).parent / "policy" / "packs"


class ConfigError(Exception):
    """The configuration cannot be used. The text names the file, the key and what to do."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table: every key has a default, and an unknown one is refused."""


class OrganizationTable(_Table, frozen=True, kw_only=True):
    """`[organization]`: who is swept, and by which roles they are entered."""

    source: str = "resource-directory"
    accounts: tuple[str, ...] = ()
    api: str = "2020-03-31"
    role: str = "sgsweep-read"
    remediation_role: str = "sgsweep-remediate"
    external_id: str = ""
    source_identity: str = ""
    session_seconds: int = 3600
    include_hub: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class CloudTable(_Table, frozen=True, kw_only=True):
    """`[cloud]`: where the endpoints are and how long to wait for them."""

    site: str = "china"
    network: str = "public"
    proxy: str = ""
    endpoint: str = ""
    ca_file: str = ""
    regions: tuple[str, ...] = ()
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    attempts: int = 6
    deadline_seconds: float = 300.0


class LimitsTable(_Table, frozen=True, kw_only=True):
    """`[limits]`: how much of the provider's quota and of this machine a sweep may take."""

    share: float = 0.5
    window_seconds: float = 60
    max_in_flight: int = 256
    max_accounts: int = 64


class RemediationTable(_Table, frozen=True, kw_only=True):
    """`[remediation]`: the rails around every change."""

    max_age_hours: float = 24
    max_failure_rate: float = 0.2
    protected_accounts: tuple[str, ...] = ()
    protected_groups: tuple[str, ...] = ()
    protected_tags: tuple[str, ...] = ("sgsweep=protected",)
    waves: tuple[str, ...] = ("100%",)
    max_rules: int | None = None
    max_groups: int | None = None
    max_accounts: int | None = None
    max_rules_per_account: int | None = None
    max_share_of_rules: float | None = None
    max_share_of_groups: float | None = None
    max_share_of_accounts: float | None = None
    max_share_of_rules_per_account: float | None = None
    code_tags: tuple[str, ...] = ()
    code_names: tuple[str, ...] = ()
    narrow_to: tuple[str, ...] = ()
    returned_limit: int = 2
    remove_returned: bool = False


class AcceptedUnreachable(_Table, frozen=True, kw_only=True):
    """`[[accepted_unreachable]]`: an account known not to be reachable, accepted by an owner until a day."""

    account: str
    owner: str
    reason: str
    expires: date


class _File(_Table, frozen=True, kw_only=True):
    """The whole file. Checks and exemptions are the policy's to parse."""

    packs: tuple[str, ...] = ()
    exemption_files: tuple[str, ...] = ()
    organization: OrganizationTable = OrganizationTable()
    cloud: CloudTable = CloudTable()
    limits: LimitsTable = LimitsTable()
    remediation: RemediationTable = RemediationTable()
    checks: tuple[dict[str, Any], ...] | None = None
    exemptions: tuple[dict[str, Any], ...] = ()
    accepted_unreachable: tuple[AcceptedUnreachable, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was configured, checked."""

    organization: OrganizationTable = OrganizationTable()
    cloud: CloudTable = CloudTable()
    limits: LimitsTable = LimitsTable()
    remediation: RemediationTable = RemediationTable()
    checks: tuple[Check, ...]
    exemptions: tuple[Exemption, ...] = ()
    accepted_unreachable: tuple[AcceptedUnreachable, ...] = ()


def defaults() -> Config:
    """Return the configuration of an empty file."""
    return Config(checks=default_checks())


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Read the file and the environment.

    Raises:
        ConfigError: the file cannot be read, is not TOML, has an unknown key or a value that cannot be used.
    """
    file = _convert(_toml(path), path)
    try:
        config = Config(
            organization=file.organization,
            cloud=file.cloud,
            limits=file.limits,
            remediation=file.remediation,
            checks=_checks(file, path.parent),
            exemptions=_exemptions(file, path.parent),
            accepted_unreachable=file.accepted_unreachable,
        )
    except PolicyError as error:
        raise ConfigError(f"{path}: {error}") from error
    config = _with_environment(config, environment)
    _check_values(config, path)
    return config


def check_lists() -> dict[str, tuple[Check, ...]]:
    """Return the default checks and those of every pack that comes with sgsweep, by name."""
    return {"default": default_checks(), **packs()}


def packs() -> dict[str, tuple[Check, ...]]:
    """Return the check packs that come with sgsweep, by name."""
    return parse_packs(_shipped_packs())


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file. Name one with --config, or copy the reference config.toml here."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _convert(data: dict[str, Any], path: Path) -> _File:
    _refuse_unknown(data, _File, path, "")
    try:
        return msgspec.convert(data, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_spoken(str(error))}") from error


def _spoken(message: str) -> str:
    """Say msgspec's `Expected int, got str - at `$.limits.max_in_flight`` the way the file is written."""
    what, _, where = message.partition(" - at `$")
    return f"{where.strip('.`')}: {what[0].lower()}{what[1:]}" if where else what


def _refuse_unknown(data: Mapping[str, Any], table: type[msgspec.Struct], path: Path, prefix: str) -> None:
    """Refuse unknown keys by name, with the nearest known one."""
    fields = {field.name: field.type for field in msgspec.structs.fields(table)}
    for key, value in data.items():
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f" Did you mean {prefix}{close[0]}?" if close else f" Known here: {', '.join(fields)}."
            raise ConfigError(f"{path}: unknown key {prefix}{key}.{hint}")
        kind = fields[key]
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            _refuse_unknown(value, kind, path, f"{prefix}{key}.")


def _checks(file: _File, folder: Path) -> tuple[Check, ...]:
    """Return the configured checks: [[checks]] and then the named packs; without both, the default ones."""
    if file.checks is None and not file.packs:
        return default_checks()
    checks = () if file.checks is None else parse_checks(file.checks)
    own = {name: _toml(folder / name) for name in file.packs if name.endswith(".toml")}
    known = parse_packs({**_shipped_packs(), **own}) if file.packs else {}
    for name in file.packs:
        if name not in known:
            raise PolicyError(
                f"unknown pack {name!r}. Known: {', '.join(known)}; or a file name that ends in .toml"
            )
        checks += known[name]
    return distinct(checks, "checks")


def _shipped_packs() -> dict[str, dict[str, Any]]:
    return {file.stem: _toml(file) for file in sorted(_PACKS.glob("*.toml"))}


def _exemptions(file: _File, folder: Path) -> tuple[Exemption, ...]:
    exemptions = parse_exemptions(file.exemptions)
    for name in file.exemption_files:
        data = _toml(folder / name)
        if data.keys() != {"exemptions"}:
            raise PolicyError(f"{name}: an exemption file holds [[exemptions]] and nothing else")
        exemptions += parse_exemptions(data["exemptions"], name)
    return exemptions


def _with_environment(config: Config, environment: Mapping[str, str]) -> Config:
    cloud = {
        key: environment[name]
        for name, key in (
            ("SGSWEEP_ENDPOINT", "endpoint"),
            ("SGSWEEP_PROXY", "proxy"),
            ("SGSWEEP_CA_FILE", "ca_file"),
        )
        if environment.get(name)
    }
    external_id = environment.get("SGSWEEP_EXTERNAL_ID") or config.organization.external_id
    return msgspec.structs.replace(
        config,
        cloud=msgspec.structs.replace(config.cloud, **cloud),
        organization=msgspec.structs.replace(config.organization, external_id=external_id),
    )


def _is_allowed(entry: str) -> bool:
    if entry.startswith("pl-"):
        return True
    try:
        parse_cidr(entry)
    except ValueError:
        return False
    return True


_WAVE = re.compile(r"\s*\d+(\.\d+)?\s*(%|accounts?)\s*")

_RULES: tuple[tuple[str, Callable[[Config], bool], str], ...] = (
    (
        "organization.source",
        lambda c: c.organization.source in {"resource-directory", "static"},
        'must be "resource-directory" or "static"',
    ),
    (
        "organization.accounts",
        lambda c: c.organization.source != "static" or bool(c.organization.accounts),
        'must name the accounts when source = "static"',
    ),
    (
        "organization.accounts",
        lambda c: all(a.isdigit() for a in c.organization.accounts),
        "must hold account ids, which are digits",
    ),
    (
        "organization.api",
        lambda c: c.organization.api in {"2020-03-31", "2022-04-19"},
        'must be "2020-03-31" or "2022-04-19"',
    ),
    ("organization.role", lambda c: bool(c.organization.role), "must name the role that members are read by"),
    (
        "organization.remediation_role",
        lambda c: bool(c.organization.remediation_role),
        "must name the role that members are changed by",
    ),
    (
        "organization.session_seconds",
        lambda c: 900 <= c.organization.session_seconds <= 43200,
        "must lie between 900 and 43200",
    ),
    ("limits.max_accounts", lambda c: c.limits.max_accounts >= 1, "must be at least 1"),
    ("remediation.max_age_hours", lambda c: c.remediation.max_age_hours > 0, "must be more than 0"),
    (
        "remediation.max_failure_rate",
        lambda c: 0 <= c.remediation.max_failure_rate <= 1,
        "must lie between 0 and 1",
    ),
    (
        "remediation.waves",
        lambda c: bool(c.remediation.waves) and all(_WAVE.fullmatch(wave) for wave in c.remediation.waves),
        'must hold sizes like "1 account", "20 accounts" or "5%"',
    ),
    (
        "remediation.max_...",
        lambda c: all(
            (getattr(c.remediation, name) or 0) >= 0
            for name in c.remediation.__struct_fields__
            if name.startswith("max_")
        ),
        "limits must not be negative",
    ),
    (
        "remediation.narrow_to",
        lambda c: all(_is_allowed(entry) for entry in c.remediation.narrow_to),
        "must hold CIDRs and ids of prefix lists, pl-...",
    ),
    ("remediation.returned_limit", lambda c: c.remediation.returned_limit >= 1, "must be at least 1"),
    (
        "accepted_unreachable",
        lambda c: all(a.owner.strip() and a.reason.strip() for a in c.accepted_unreachable),
        "needs an owner and a reason in each entry",
    ),
)


def _check_values(config: Config, path: Path) -> None:
    for key, holds, must in _RULES:
        if not holds(config):
            raise ConfigError(f"{path}: {key} {must}")
