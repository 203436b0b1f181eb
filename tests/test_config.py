"""The configuration: the reference file says the defaults, and what is wrong is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.config import Config, ConfigError, defaults, load, packs

REFERENCE = Path(__file__).parents[1] / "config.toml"


def _load(tmp_path: Path, text: str, **environment: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environment)


def test_the_reference_file_says_exactly_the_defaults() -> None:
    """Whoever reads config.toml reads what an empty file means."""
    assert load(REFERENCE, {}) == defaults()


def test_the_reference_file_names_every_key(tmp_path: Path) -> None:
    """With every commented example switched on, the file still loads, and no key of a table is missing from it."""
    text = REFERENCE.read_text(encoding="utf-8")
    shown = re.sub(r"^# (?=(?:[a-z_]+ = |\[\[))", "", text, flags=re.MULTILINE)
    shown = shown.replace('exemption_files = ["exemptions.toml"]', "").replace(
        'proxy = "http://proxy', '# proxy = "'
    )
    loaded = _load(tmp_path, shown)
    assert loaded.checks[0].id == "redis"
    assert loaded.exemptions[0].id == "jump-host"
    for table in ("organization", "cloud", "limits", "remediation"):
        for key in type(getattr(loaded, table)).__struct_fields__:
            assert re.search(rf"^(# )?{key} = ", text, flags=re.MULTILINE), (
                f"{table}.{key} is not in config.toml"
            )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[organization]\nrolle = 'x'", "unknown key organization.rolle. Did you mean organization.role?"),
        ("[orgnization]\n", "unknown key orgnization. Did you mean organization?"),
        ("[cloud]\nregion = ['cn-hangzhou']", "Did you mean cloud.regions?"),
        ("[limits]\nmax_in_flight = 'many'", "limits.max_in_flight: expected `int`, got `str`"),
        ("[limits]\nmax_accounts = 0", "limits.max_accounts must be at least 1"),
        ("[organization]\nsource = 'static'", "organization.accounts must name the accounts"),
        ("[organization]\nsource = 'guess'", 'organization.source must be "resource-directory" or "static"'),
        ("[organization]\nsource = 'static'\naccounts = ['abc']", "account ids, which are digits"),
        ("checks = []", "no check is given"),
        ("[[checks]]\nid = 'x'", "has no ports"),
        ("[[checks]]\nid = 'x'\nports = ['tcp/99999']", "tcp/99999"),
        ("[[checks]]\nid = 'x'\nports = []", "at least one port"),
        ("[[checks]]\nid = 'x'\nports = ['22']\nseverty = 'high'", "severty"),
        ("packs = ['nonsense']", "unknown pack 'nonsense'"),
        ("[[exemptions]]\naccount = ['1']\nreason = 'r'\nexpires = 2030-01-01", "owner is missing"),
        ("[[exemptions]]\nowner = 'o'\nreason = 'r'\nexpires = 2030-01-01", "matches everything"),
        ("[[accepted_unreachable]]\naccount = '1'\nowner = ''\nreason = 'r'\nexpires = 2030-01-01", "owner"),
        ("[remediation]\nwaves = ['lots']", "remediation.waves must hold sizes"),
        ("[remediation]\nmax_rules = -1", "limits must not be negative"),
        ("[remediation]\nmax_failure_rate = 7", "remediation.max_failure_rate must lie between 0 and 1"),
        ("this is not toml", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """A wrong key or value is refused with the file, the key and what to do."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert said in str(caught.value)
    assert "config.toml" in str(caught.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """A file that is not there is no empty configuration."""
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "absent.toml", {})


def test_the_environment_wins(tmp_path: Path) -> None:
    """The few variables that exist stand in place of the file's keys; an empty one is as good as none."""
    config = _load(
        tmp_path, "[cloud]\nendpoint = 'http://127.0.0.1:1'\n", SGSWEEP_ENDPOINT="", SGSWEEP_EXTERNAL_ID="42"
    )
    assert config.cloud.endpoint == "http://127.0.0.1:1"
    assert config.organization.external_id == "42"
    config = _load(
        tmp_path, "[cloud]\nendpoint = 'http://127.0.0.1:1'\n", SGSWEEP_ENDPOINT="http://127.0.0.1:2"
    )
    assert config.cloud.endpoint == "http://127.0.0.1:2"


def test_packs_come_with_the_command_and_can_be_ones_own(tmp_path: Path) -> None:
    """A pack is named, or is a file beside the configuration."""
    assert {"tutorial", "databases", "admin-ports"} <= packs().keys()
    (tmp_path / "ours.toml").write_text("[[checks]]\nid = 'ours'\nports = ['tcp/4444']\n", encoding="utf-8")
    loaded = _load(tmp_path, "packs = ['tutorial', 'ours.toml']")
    assert {"ours"} < {check.id for check in loaded.checks}


def test_an_exemption_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    """Exemptions live in files of their own, reviewed apart from the configuration."""
    (tmp_path / "waivers.toml").write_text(
        "[[exemptions]]\nid = 'a'\nowner = 'o'\nreason = 'r'\nexpires = 2030-01-01\naccount = ['1']\n",
        encoding="utf-8",
    )
    assert [one.id for one in _load(tmp_path, "exemption_files = ['waivers.toml']").exemptions] == ["a"]
    with pytest.raises(ConfigError, match="no such file"):
        _load(tmp_path, "exemption_files = ['absent.toml']")
