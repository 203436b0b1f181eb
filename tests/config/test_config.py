"""The configuration: the reference file says the defaults, and what is wrong is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cloud.endpoints import endpoint_host
from orchestrator.config import Canary, Config, ConfigError, OwnersTable, defaults, load, packs
from orchestrator.evidence import EvidenceSettings
from orchestrator.report.notify import Notify

REFERENCE = Path(__file__).parents[2] / "config.toml"
ACCEPTED = "[[accepted_unreachable]]\nowner = 'o'\nreason = 'r'\nexpires = 2030-01-01\n"
CANARY = "[canary]\nregion = 'cn-hangzhou'\ngroup = 'sg-1'\n"
WAIVER = "[[exemptions]]\nowner = 'o'\nreason = 'r'\nexpires = 2030-01-01\n"


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
    shown = shown.replace('mapping = "owners.toml"', "# mapping")
    shown = shown.replace('exemption_files = ["exemptions.toml"]', "").replace(
        'proxy = "http://proxy', '# proxy = "'
    )
    loaded = _load(tmp_path, shown)
    assert loaded.checks[0].id == "redis"
    assert loaded.exemptions[0].id == "jump-host"
    assert loaded.notify[0].id == "operations"
    notify = text.partition("# [[notify]]")[2]
    assert set(re.findall(r"^# (\w+) = ", notify, flags=re.MULTILINE)) == set(Notify.__struct_fields__)
    sections = dict(re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", text, flags=re.MULTILINE | re.DOTALL))
    values = {
        "organization": loaded.organization,
        "cloud": loaded.cloud,
        "limits": loaded.cloud.limits,
        "remediation": loaded.remediation,
        "owners": OwnersTable(),
        "report": loaded.report,
        "canary": Canary(),
        "evidence": EvidenceSettings(),
    }
    assert sections.keys() == values.keys()
    for table, value in values.items():
        keys = set(
            re.findall(r"^(?:# )?(\w+) = ", sections[table].partition("\n# --- ")[0], flags=re.MULTILINE)
        )
        assert keys == set(value.__struct_fields__) - {"limits", "change_protected"}, (
            f"[{table}] of config.toml"
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[organization]\nrolle = 'x'", "unknown key organization.rolle. Did you mean organization.role?"),
        ("[orgnization]\n", "unknown key orgnization. Did you mean organization?"),
        ("[cloud]\nregion = ['cn-hangzhou']", "Did you mean cloud.regions?"),
        ("[limits]\nmax_in_flight = 'many'", "limits.max_in_flight: expected `int`, got `str`"),
        ("[limits]\nmax_accounts = 0", "[limits] max_accounts is 0; give 1 or more"),
        ("[organization]\nsource = 'static'", "[organization] accounts must name the accounts"),
        (
            "[organization]\nsource = 'guess'",
            "[organization] source is 'guess'; it is one of resource-directory, static",
        ),
        (
            "[organization]\nsource = 'static'\naccounts = ['abc']",
            "[organization] accounts holds 'abc'; account ids are digits",
        ),
        ("cloud = 5", "cloud: expected `object`, got `int`"),
        ("checks = []", "no check is given"),
        ("[[checks]]\nid = 'x'", "has no ports"),
        ("[[checks]]\nid = 'x'\nports = ['tcp/99999']", "tcp/99999"),
        ("[[checks]]\nid = 'x'\nports = []", "at least one port"),
        ("[[checks]]\nid = 'x'\nports = ['22']\nseverty = 'high'", "severty"),
        ("packs = ['nonsense']", "unknown pack 'nonsense'"),
        ("[[exemptions]]\naccount = ['1']\nreason = 'r'\nexpires = 2030-01-01", "owner is missing"),
        ("[[exemptions]]\nowner = 'o'\nreason = 'r'\nexpires = 2030-01-01", "matches everything"),
        (f"{WAIVER}group = ['web']", "the group name web can be written by members"),
        (f"{WAIVER}check = ['shh']", "unknown check 'shh'; there are ssh, rdp, databases"),
        (f"{WAIVER}acount = ['1']", "unknown key 'acount'; an exemption has id, owner"),
        (
            "[organization]\nsource_identity = 'acs:me'",
            "[organization] source_identity must be 2 to 64 letters",
        ),
        ("[[accepted_unreachable]]\naccount = '1'\nowner = ''\nreason = 'r'\nexpires = 2030-01-01", "owner"),
        (f"{ACCEPTED}", "accepted_unreachable needs an account, a region or a code"),
        (f"{ACCEPTED}region = '*'", "accepted_unreachable takes ids and codes in full, no patterns"),
        (f"{ACCEPTED}regoin = 'x'", "regoin"),
        ("[remediation]\nwaves = ['lots']", "[remediation] waves: a wave is"),
        ("[remediation]\nwaves = []", "[remediation] waves is empty"),
        ("[remediation]\nnarrow_to = ['10.0.0/8']", "[remediation] narrow_to: 10.0.0/8 is no block"),
        (
            "[remediation]\nnarrow_to = ['10.0.0.0/8', '0.0.0.0/0']",
            "[remediation] narrow_to: 10.0.0.0/8, 0.0.0.0/0 reach as much of the Internet",
        ),
        ("[remediation]\nrounds = 0", "[remediation] rounds is 0"),
        ("[evidence]\ndays = 0", "[evidence] days is 0; it is 1 to 365"),
        ("[evidence]\nmost_rows = 1", "[evidence] most_rows is 1"),
        ("[evidence]\naccount = 'ours'", "[evidence] account is 'ours'; account ids are digits"),
        ("[evidence]\nproject = 'p'", "[evidence] project and logstore belong together"),
        ("[evidence]\ntrail_project = 'p'", "[evidence] trail_project and trail_logstore belong together"),
        ("[evidence]\npartners = ['10.0.0/8']", "[evidence] partners: '10.0.0/8' does not appear"),
        ("[canary]\ngroup = 'sg-1'", "[canary] needs account, region and group, all three"),
        (f"{CANARY}account = 'ours'", "[canary] account is 'ours'; account ids are digits"),
        (f"{CANARY}account = '1'\nregoin = 'x'", "unknown key canary.regoin. Did you mean canary.region?"),
        (
            "[canary]\naccount = '1'\nregion = 'a b'\ngroup = 'sg-1'",
            "[canary] region is 'a b'; that is no region id",
        ),
        (
            "[canary]\naccount = '1'\nregion = 'cn-hangzhou'\ngroup = 'sg/*'",
            "[canary] group is 'sg/*'; that is no security group's id",
        ),
        ("[remediation]\nmax_age_hours = 0", "[remediation] max_age_hours is 0.0; give more than 0"),
        ("[cloud]\nsite = 'mars'", "[cloud] site is 'mars'"),
        ("[organization]\nhub_account_id = 'ours'", "[organization] hub_account_id is 'ours'"),
        ("[cloud]\nendpoints = {ecss = 'a'}", "[cloud] endpoints names 'ecss'"),
        (
            "[remediation]\nchange_protected = ['sg-1']",
            "Did you mean the option --change-protected GROUP_ID?",
        ),
        ("[cloud]\nlimits = {share = 1}", "unknown key cloud.limits. Did you mean the table [limits]?"),
        ("[remediation]\nmax_rules = -1", "limits must not be negative"),
        (
            "[remediation]\nmax_failure_rate = 7",
            "[remediation] max_failure_rate is 7.0; it must lie between 0 and 1",
        ),
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


def test_the_environment_fills_what_the_file_leaves_open(tmp_path: Path) -> None:
    """The few variables that exist; an empty one says nothing, and one that says the same as the file is no other."""
    file = "[cloud]\nendpoint = 'http://127.0.0.1:1'\n"
    config = _load(tmp_path, file, SGSWEEP_ENDPOINT="", SGSWEEP_EXTERNAL_ID="42")
    assert config.cloud.endpoint == "http://127.0.0.1:1"
    assert config.organization.external_id == "42"
    config = _load(
        tmp_path, "", SGSWEEP_ENDPOINT="https://g", SGSWEEP_PROXY="http://p:1", SGSWEEP_CA_FILE="a.pem"
    )
    assert (config.cloud.endpoint, config.cloud.proxy, config.cloud.ca_file) == (
        "https://g",
        "http://p:1",
        "a.pem",
    )
    same = _load(tmp_path, file, SGSWEEP_ENDPOINT="http://127.0.0.1:1/")
    assert same.cloud.identity == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("variable", "given", "text"),
    [
        ("SGSWEEP_ENDPOINT", "https://theirs", "[cloud]\nendpoint = 'https://ours'\n"),
        ("SGSWEEP_PROXY", "http://u:hush@theirs:1", "[cloud]\nproxy = 'http://u:secret@ours:1'\n"),
        ("SGSWEEP_CA_FILE", "theirs.pem", "[cloud]\nca_file = 'ours.pem'\n"),
        ("SGSWEEP_EXTERNAL_ID", "hush", "[organization]\nexternal_id = 'secret'\n"),
    ],
)
def test_two_who_say_different_things_are_refused(
    tmp_path: Path, variable: str, given: str, text: str
) -> None:
    """The variable is named, and nothing of either is repeated, for it may be a secret."""
    with pytest.raises(ConfigError, match=f"^{variable} and .* say different things") as caught:
        _load(tmp_path, text, **{variable: given})
    assert "hush" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_machines_own_proxy_is_used_where_nothing_else_is_said(tmp_path: Path) -> None:
    """HTTPS_PROXY and NO_PROXY, in small letters first; what the file or SGSWEEP_PROXY says is no contradiction."""
    machine = {"HTTPS_PROXY": "machine:3128", "https_proxy": "http://small:3128", "NO_PROXY": "a.example, .b"}
    cloud = _load(tmp_path, "", **machine).cloud
    assert (cloud.proxy, cloud.no_proxy) == ("http://small:3128", ("a.example", ".b"))
    assert _load(tmp_path, "", HTTPS_PROXY="machine:3128").cloud.proxy == "http://machine:3128"
    assert _load(tmp_path, "", SGSWEEP_PROXY="http://ours:1", **machine).cloud.proxy == "http://ours:1"
    file = "[cloud]\nproxy = 'http://file:1'\nno_proxy = ['c']\n"
    cloud = _load(tmp_path, file, **machine).cloud
    assert (cloud.proxy, cloud.no_proxy) == ("http://file:1", ("c",))
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY: \[cloud\] proxy is not like"):
        _load(tmp_path, "", HTTPS_PROXY="socks5://machine:1")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\0", "\x1b"])
def test_an_external_id_with_an_invisible_character_is_refused(tmp_path: Path, ending: str) -> None:
    """From the variable as from the file, by name; the id is not repeated."""
    with pytest.raises(ConfigError, match=r"^SGSWEEP_EXTERNAL_ID: .*line end") as caught:
        _load(tmp_path, "", SGSWEEP_EXTERNAL_ID=f"hush{ending}")
    assert "hush" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"\[organization\] external_id holds a line end"):
        _load(tmp_path, f'[organization]\nexternal_id = "hush\\u{ord(ending[0]):04x}"\n')


def test_what_the_environment_says_wrongly_is_its_own_fault(tmp_path: Path) -> None:
    """The variable is named, not a file that says nothing of the kind."""
    with pytest.raises(ConfigError, match=r"^SGSWEEP_ENDPOINT: .* plain http to another machine"):
        _load(tmp_path, "", SGSWEEP_ENDPOINT="http://10.0.0.1")


def test_what_no_table_could_set_is_set(tmp_path: Path) -> None:
    """Each key reaches the value that its room works by."""
    config = _load(
        tmp_path,
        "[cloud]\nhome_region = 'cn-beijing'\nendpoints = {sts = 'sts.example'}\n"
        "[limits]\npatience_seconds = 9\nmax_in_flight = 300\n"
        "[remediation]\nrules_per_group = 500\nrounds = 3\n",
    )
    assert endpoint_host("ecs", None, config.cloud) == "ecs.cn-beijing.aliyuncs.com"
    assert endpoint_host("sts", None, config.cloud) == "sts.example"
    assert (config.cloud.limits.patience_seconds, config.cloud.limits.per_host) == (9, 300)
    assert (config.remediation.rules_per_group, config.remediation.rounds) == (500, 3)


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


@pytest.mark.parametrize("key", ["packs", "exemption_files"])
def test_a_file_that_the_configuration_names_and_that_is_not_there(tmp_path: Path, key: str) -> None:
    """The configuration is there, so it is not that which is missed: its key is told, and where the file should be."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, f"{key} = ['absent.toml']")
    said = str(caught.value)
    assert said.startswith(
        f"{tmp_path / 'config.toml'}: {key} names {tmp_path / 'absent.toml'}, and there is no"
    )
    assert "--config" not in said


def test_a_file_of_an_editor_that_marks_its_encoding(tmp_path: Path) -> None:
    """A byte order mark is no part of what is said, in any of the files; UTF-16 is told as such."""
    marked = {
        "config.toml": "packs = ['ours.toml']\nexemption_files = ['waivers.toml']\n",
        "ours.toml": "[[checks]]\nid = 'ours'\nports = ['tcp/4444']\n",
        "waivers.toml": "[[exemptions]]\nid = 'a'\nowner = 'o'\nreason = 'r'\nexpires = 2030-01-01\n"
        "account = ['1']\n",
    }
    for name, text in marked.items():
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
    loaded = load(tmp_path / "config.toml", {})
    assert ([one.id for one in loaded.checks], [one.id for one in loaded.exemptions]) == (["ours"], ["a"])
    (tmp_path / "config.toml").write_text("packs = []\n", encoding="utf-16")
    with pytest.raises(ConfigError, match=r"config.toml: is not UTF-8 at byte 0: save it as UTF-8"):
        load(tmp_path / "config.toml", {})


def test_the_certificates_are_named_beside_the_configuration(tmp_path: Path) -> None:
    """Like packs: wherever the command is run. What is named in full, and by the environment, is as it says."""
    assert _load(tmp_path, "[cloud]\nca_file = 'our-ca.pem'\n").cloud.ca_file == str(tmp_path / "our-ca.pem")
    assert _load(tmp_path, "[cloud]\nca_file = '/etc/ca.pem'\n").cloud.ca_file == "/etc/ca.pem"
    assert _load(tmp_path, "", SGSWEEP_CA_FILE="our-ca.pem").cloud.ca_file == "our-ca.pem"
    assert _load(tmp_path, "").cloud.ca_file == ""


def test_a_mapping_of_owners_is_read_beside_the_configuration(tmp_path: Path) -> None:
    """One that is not there, or holds something else, is named by its key."""
    (tmp_path / "owners.toml").write_text("[[owners]]\nowner = 'pay'\naccount = 'pay-*'\n", encoding="utf-8")
    owners = _load(tmp_path, "[owners]\ntags = ['owner']\nmapping = 'owners.toml'\n").owners
    assert (owners.tags, owners.entries[0].owner) == (("owner",), "pay")
    (tmp_path / "other.toml").write_text("[[exemptions]]\n", encoding="utf-8")
    for name, said in (
        ("absent.toml", "owners.mapping names"),
        ("other.toml", "holds \\[\\[owners\\]\\] and nothing"),
    ):
        with pytest.raises(ConfigError, match=said):
            _load(tmp_path, f"[owners]\nmapping = '{name}'\n")
