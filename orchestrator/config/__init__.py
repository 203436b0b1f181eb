"""The configuration: one TOML file, and a few environment variables where it leaves something open, read once.

`load` answers with a `Config` whose parts are the settings of the rooms themselves: each is defined, with its
defaults and what it refuses, where it is used. This room knows the file: its tables, and which file and key an
error is about.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from accounts import AcceptedUnreachable
from accounts.settings import OrganizationError, OrganizationSettings
from orchestrator.cloud.settings import (
    ENVIRONMENT,
    CloudSettings,
    CloudSettingsError,
    Limits,
    is_region_id,
    refuse_two,
    with_environment,
)
from orchestrator.config.facts import Facts, probe_file, read_probe
from orchestrator.evidence import EvidenceSettings
from orchestrator.inventory import is_group_id
from orchestrator.policy import (
    Check,
    Exemption,
    OwnerEntry,
    Owners,
    PolicyError,
    default_checks,
    distinct,
    parse_checks,
    parse_exemptions,
    parse_owners,
    parse_packs,
    refuse_unknown_checks,
)
from orchestrator.remediate import Settings
from orchestrator.report.notify import Notify
from orchestrator.report.settings import ReportSettings

_PACKS = Path(__file__).parents[1] / "policy" / "packs"


class ConfigError(ValueError):
    """The configuration cannot be used. The text names the file, the key and what to do."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table: every key has a default, and an unknown one is refused."""


class OwnersTable(_Table, frozen=True, kw_only=True):
    """Who owns a group, for whom reports are split.

    Attributes:
        tags: keys of tags whose value names the owner: of the group, else its instances, else its account.
        mapping: a file of [[owners]], beside this one, for what no tag says; empty for none.
    """

    tags: tuple[str, ...] = ()
    mapping: str = ""


class Canary(_Table, frozen=True, kw_only=True):
    """The one security group that `accounts --check --probe-writes` may change, for a moment; all three keys or none.

    Attributes:
        account: the id of the account that it is in, which the run visits.
        region: its region's id.
        group: its id: a group that nothing depends on.
    """

    account: str = ""
    region: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        given = (self.account, self.region, self.group)
        if any(given) and not all(given):
            raise ConfigError(
                "[canary] needs account, region and group, all three: they name one security group"
            )
        if self.account and not self.account.isdecimal():
            raise ConfigError(f"[canary] account is {self.account!r}; account ids are digits")
        if self.region and not is_region_id(self.region):
            raise ConfigError(f"[canary] region is {self.region!r}; that is no region id")
        if self.group and not is_group_id(self.group):
            raise ConfigError(f"[canary] group is {self.group!r}; that is no security group's id")


class File(_Table, frozen=True, kw_only=True):
    """The whole file. Checks and exemptions are the policy's to parse.

    Attributes:
        packs: check packs to use, by name, or as a file name that ends in .toml.
        exemption_files: files of [[exemptions]], beside this one.
        organization: who is swept.
        cloud: where the cloud is.
        limits: how hard it may be asked.
        remediation: what may be changed, and how.
        checks: what is looked for; where given, the whole list, beside packs.
        exemptions: waivers.
        accepted_unreachable: what is known not to be reachable, and is not counted as incomplete.
        report: how people are told.
        notify: who is told of what.
        owners: who owns a group.
        canary: the group that the doctor may try changes on.
        evidence: where evidence is looked for.
    """

    packs: tuple[str, ...] = ()
    exemption_files: tuple[str, ...] = ()
    organization: OrganizationSettings = OrganizationSettings()
    cloud: CloudSettings = CloudSettings()
    limits: Limits = Limits()
    remediation: Settings = Settings()
    checks: tuple[dict[str, Any], ...] | None = None
    exemptions: tuple[dict[str, Any], ...] = ()
    accepted_unreachable: tuple[AcceptedUnreachable, ...] = ()
    report: ReportSettings = ReportSettings()
    notify: tuple[Notify, ...] = ()
    owners: OwnersTable = OwnersTable()
    canary: Canary = Canary()
    evidence: EvidenceSettings = EvidenceSettings()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was configured, checked. [limits] is a part of `cloud`, as the client takes it.

    Attributes:
        facts: what the doctor has learned of this cloud, see `facts`; what of it changes a setting that the file leaves
            open is in that setting already.
        told: what is to be said of those facts: which are in use, and why a file of them is not believed.
    """

    organization: OrganizationSettings = OrganizationSettings()
    cloud: CloudSettings = CloudSettings()
    remediation: Settings = Settings()
    checks: tuple[Check, ...]
    exemptions: tuple[Exemption, ...] = ()
    accepted_unreachable: tuple[AcceptedUnreachable, ...] = ()
    report: ReportSettings = ReportSettings()
    notify: tuple[Notify, ...] = ()
    owners: Owners = Owners()
    canary: Canary = Canary()
    evidence: EvidenceSettings = EvidenceSettings()
    facts: Facts = Facts()
    told: tuple[str, ...] = ()


def defaults() -> Config:
    """Return the configuration of an empty file."""
    return Config(checks=default_checks())


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Read the file and the environment.

    Raises:
        ConfigError: the file cannot be read, is not TOML, has an unknown key or a value that cannot be used.
    """
    data = _toml(path)
    return _with_facts(decoded(data, path, environment), data, path)


def decoded(data: dict[str, Any], path: Path, environment: Mapping[str, str]) -> Config:
    """Return what a parsed file and the environment say.

    Args:
        data: the file's tables.
        path: where it is, for errors, and for the files that it names.
        environment: the variables.

    Raises:
        ConfigError: an unknown key, or a value that cannot be used.
    """
    file = _convert(data, path)
    cloud = msgspec.structs.replace(file.cloud, limits=file.limits, ca_file=_beside(path, file.cloud.ca_file))
    try:
        checks, exemptions = _checks(file, path), _exemptions(file, path)
        refuse_unknown_checks(exemptions, checks)
        return Config(
            organization=_organization(file.organization, environment),
            cloud=with_environment(cloud, environment),
            remediation=file.remediation,
            checks=checks,
            exemptions=exemptions,
            accepted_unreachable=file.accepted_unreachable,
            report=file.report,
            notify=tuple([one.told_in(file.report.language) for one in _distinct(file.notify, path)]),
            owners=_owners(file.owners, path),
            canary=file.canary,
            evidence=file.evidence,
        )
    except PolicyError as error:
        raise ConfigError(f"{path}: {error}") from error
    except CloudSettingsError as error:  # of the environment, as it says; the file's were checked already
        raise ConfigError(str(error)) from error


def _with_facts(config: Config, data: Mapping[str, Any], path: Path) -> Config:
    """Return the configuration with what the doctor has learned, where the file itself leaves it open."""
    believed = read_probe(probe_file(path), config.cloud.identity, config.organization.hub_account_id)
    facts, told = believed.facts, [believed.refused] if believed.refused else []
    cloud, remediation = config.cloud, config.remediation
    counts, settles_within = facts.rule_count, facts.settles_within()
    if counts is not None and counts.value == "other" and "rule_count" not in data.get("cloud", {}):
        cloud = msgspec.structs.replace(cloud, rule_count="ignore")
        told.append(
            "RuleCount is not compared: it counts something else here, as probe.json has it "
            f"({counts.learned_at}, {counts.source})"
        )
    if settles_within > remediation.wait_seconds and "wait_seconds" not in data.get("remediation", {}):
        remediation = msgspec.structs.replace(remediation, wait_seconds=settles_within)
        told.append(
            f"a change is given {settles_within:.0f} s to show, by how long one took here, as probe.json has it"
        )
    return msgspec.structs.replace(
        config, cloud=cloud, remediation=remediation, facts=facts, told=tuple(told)
    )


def check_lists() -> dict[str, tuple[Check, ...]]:
    """Return the default checks and those of every pack that comes with sgsweep, by name."""
    return {"default": default_checks(), **packs()}


def packs() -> dict[str, tuple[Check, ...]]:
    """Return the check packs that come with sgsweep, by name."""
    return parse_packs(_shipped_packs())


def _toml(path: Path, named_by: str = "") -> dict[str, Any]:
    """Read a file that the user named, or that a key of another file names.

    Raises:
        ConfigError: it is not there, cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a byte order mark first
    except FileNotFoundError:
        if named_by:
            raise ConfigError(
                f"{named_by} names {path}, and there is no such file: a name is looked for beside the configuration"
            ) from None
        raise ConfigError(
            f"{path}: there is no such file. Name one with --config, or copy the reference config.toml here."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 at byte {error.start}: save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _beside(path: Path, name: str) -> str:
    """Return where a file is that the configuration names: beside it, unless it is named in full; empty for none."""
    return str(path.parent / name) if name else ""


def _convert(data: dict[str, Any], path: Path) -> File:
    _refuse_unknown(data, File, path, "")
    for table, key, meant in NO_KEYS:
        if isinstance(given := data.get(table), dict) and key in given:
            raise ConfigError(f"{path}: unknown key {table}.{key}. Did you mean {meant}?")
    try:
        return msgspec.convert(data, File)
    except msgspec.ValidationError as error:
        # what a room refuses names its key itself; of the wrong type, msgspec says where it is
        told = _spoken(str(error)) if error.__cause__ is None else str(error.__cause__)
        raise ConfigError(f"{path}: {told}") from error


# Parts of the rooms' values that are no keys of the file: a table of its own, and an option of single commands.
NO_KEYS = (
    ("cloud", "limits", "the table [limits]"),
    ("remediation", "change_protected", "the option --change-protected GROUP_ID"),
)


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


def _checks(file: File, path: Path) -> tuple[Check, ...]:
    """Return the configured checks: [[checks]] and then the named packs; without both, the default ones."""
    if file.checks is None and not file.packs:
        return default_checks()
    checks = () if file.checks is None else parse_checks(file.checks)
    own = {name: _toml(path.parent / name, f"{path}: packs") for name in file.packs if name.endswith(".toml")}
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


def _exemptions(file: File, path: Path) -> tuple[Exemption, ...]:
    exemptions = parse_exemptions(file.exemptions)
    for name in file.exemption_files:
        data = _toml(path.parent / name, f"{path}: exemption_files")
        if data.keys() != {"exemptions"}:
            raise PolicyError(f"{name}: an exemption file holds [[exemptions]] and nothing else")
        exemptions += parse_exemptions(data["exemptions"], name)
    return exemptions


def _owners(table: OwnersTable, path: Path) -> Owners:
    entries: tuple[OwnerEntry, ...] = ()
    if table.mapping:
        data = _toml(path.parent / table.mapping, f"{path}: owners.mapping")
        if data.keys() != {"owners"}:
            raise PolicyError(f"{table.mapping}: a mapping holds [[owners]] and nothing else")
        entries = parse_owners(data["owners"], table.mapping)
    return Owners(tags=table.tags, entries=entries)


def _distinct(notify: tuple[Notify, ...], path: Path) -> tuple[Notify, ...]:
    ids = [one.id for one in notify]
    if twice := next((one for one in ids if ids.count(one) > 1), ""):
        raise ConfigError(f"{path}: two [[notify]] have the id {twice!r}; rename one")
    return notify


def _organization(organization: OrganizationSettings, environment: Mapping[str, str]) -> OrganizationSettings:
    if not (given := environment.get(_EXTERNAL_ID, "")):
        return organization
    refuse_two(_EXTERNAL_ID, given, "[organization] external_id", organization.external_id)
    try:
        return msgspec.structs.replace(organization, external_id=given)
    except OrganizationError as error:
        raise ConfigError(f"{_EXTERNAL_ID}: {error}") from None


_EXTERNAL_ID = "SGSWEEP_EXTERNAL_ID"

VARIABLES: Mapping[str, str] = {
    **{f"SGSWEEP_{name.upper()}": f"[cloud] {name}" for name in ENVIRONMENT},
    _EXTERNAL_ID: "[organization] external_id",
    "HTTPS_PROXY": "[cloud] proxy",
    "NO_PROXY": "[cloud] no_proxy",
}
"""The variables that are heard, and the key that each fills where the file leaves it open."""
