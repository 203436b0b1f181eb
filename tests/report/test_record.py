"""What the page says beside the findings: who answers, what proves it, the way back, and what it is not about."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from orchestrator.approval import Signature, SignedSubject
from orchestrator.files import replaced
from orchestrator.journal import MANIFEST
from orchestrator.policy import parse_exemption
from orchestrator.report import Record, render
from orchestrator.run.sealed import SIGNATURES, record
from tests.report.sample import a_plan, effect, finding, summary, view
from tests.report.test_html import HOSTILE, Reader, page, shown
from tests.test_audit import trail

DIGEST = "ab" * 32


def signature(digest: str = DIGEST, **changes: str) -> Signature:
    """A signature of a record."""
    of = SignedSubject(
        purpose="trail", digest=digest, organization="1000", endpoint="alibaba-cloud:china", head=2
    )
    return replace(Signature(subject=of, at="2026-03-02T09:00:00+00:00", key="cd" * 32, value="x"), **changes)


def exemption(**changes: Any) -> Any:
    """A waiver of the run."""
    table = {"id": "vendor", "owner": "netops", "reason": "vendor access", "expires": "2026-06-30"}
    return parse_exemption({**table, "check": "ssh", "port": "tcp/22", **changes})


def test_the_page_says_in_its_head_what_it_is_not_about() -> None:
    """Who reads "nothing is open" is told at once that databases, WAF and other networks were not looked at."""
    head, _, _ = page(view()).partition("</header>")
    told = Reader(head).text
    parts: list[str] = []
    render(view(), "json", parts.append)
    for what in ("allow-lists of databases", "WAF", "networks of their own"):
        assert what in told
        assert what in json.loads("".join(parts))["not_covered"]


def test_exemptions_are_listed_with_owner_end_and_what_they_cover() -> None:
    """Each of the run: also the one that covers nothing, and the one that was over when the run began."""
    waivers = (exemption(), exemption(id="old", expires="2026-02-28"), exemption(id="unused", account="77"))
    found = [finding(7 * n, status="exempt", exemption="vendor") for n in range(3)]
    run = view(found, exemptions=waivers)
    text = shown(run)
    assert "Exemptions 3" in text
    assert "vendorcheck ssh; port tcp/22 netops 2026-06-30 3 findings vendor access" in text
    assert "oldcheck ssh; port tcp/22 netops 2026-02-28 over when the run began 0 findings" in text
    assert "unusedaccount 77; check ssh; port tcp/22" in text
    part = shown(replace(run, summary=summary(part={"owner": ["netops"]})))
    assert "Exemptions 1" in part
    assert "unused" not in part


def test_the_record_is_told_with_its_digest_and_signatures() -> None:
    """Whose keys signed it as it is, which signature is of an earlier state; and that nothing of it was checked."""
    made = (signature(ticket="CHG-7"), signature("00" * 32), "of old")
    kept = Record(entries=12, chains=3, digest=DIGEST, signatures=made)
    text = shown(view(record=kept, folder="weekly", plan=a_plan()))
    for part in (
        f"12 entries in 3 chains, one an account. Digest of the manifest {DIGEST}",
        f"at 2 March 2026, 09:00 UTC by the key {'cd' * 32}, for CHG-7, of the record as it is, not checked here",
        f"by the key {'cd' * 32}, of an earlier state of it",
        "one by an sgsweep of old, of an earlier state of it",
        f"Digest {'9f' * 32}",
        "Nobody has signed it.",
        "sgsweep verify weekly --offline",
    ):
        assert part in text
    assert "None when this page was made" in shown(view(record=replace(kept, signatures=())))
    assert "sgsweep rollback" not in text


def test_the_way_back_is_a_command_to_type() -> None:
    """After a change it stands on the page, with the folder's own name."""
    one = finding(1)
    text = shown(
        view([one], effects=[effect(one)], record=Record(entries=2, chains=1, digest=DIGEST), folder="weekly")
    )
    assert "sgsweep rollback weekly puts back what this run removed" in text


def test_nothing_is_said_of_a_record_that_is_not_there() -> None:
    """No section where neither plan nor record is known, and plain words where nothing was changed."""
    assert 'id="record"' not in page(view())
    assert "This run has changed nothing" in shown(view(record=Record()))


def test_hostile_words_in_waivers_and_signatures_stay_words() -> None:
    """Nothing that was typed into an exemption, a ticket or a folder's name becomes an element."""
    waivers = tuple(
        exemption(id=f"{n}{text}", owner=text, reason=text, account=text) for n, text in enumerate(HOSTILE)
    )
    kept = Record(entries=1, chains=1, digest=HOSTILE[0], signatures=(*HOSTILE, signature(ticket=HOSTILE[1])))
    one = finding(1)
    innocent = Record(entries=1, chains=1, digest=DIGEST, signatures=("old", signature(ticket="t")))
    hostile, harmless = (
        {
            (tag, *sorted(attributes))
            for tag, attributes in Reader(
                page(view([one], effects=[effect(one)], exemptions=of, record=told, folder=name))
            ).tags
        }
        for of, told, name in ((waivers, kept, HOSTILE[2]), ((exemption(),), innocent, "weekly"))
    )
    assert hostile == harmless


def test_the_record_is_read_from_the_folder(tmp_path: Path) -> None:
    """Entries and chains are the manifest's, the digest is of its bytes, and a signature of old is kept as text."""
    assert record(tmp_path) is None
    _, sealed = trail(5)
    write(tmp_path / MANIFEST, sealed)
    digest = hashlib.sha256(sealed).hexdigest()
    assert record(tmp_path) == Record(entries=5, chains=3, digest=digest)
    made = signature(digest)
    write(tmp_path / SIGNATURES, msgspec.json.encode(made) + b"\nb2xk\n")
    found = record(tmp_path)
    assert found is not None
    assert found.signatures == (made, "b2xk")
    assert [found.is_of_this(one) for one in found.signatures] == [True, False]


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURES])
def test_a_record_that_cannot_be_read_is_told_as_such(tmp_path: Path, name: str) -> None:
    """A changed manifest, or one that others may write, is no reason to say nothing."""
    write(tmp_path / MANIFEST, trail(1)[1])
    write(tmp_path / SIGNATURES, b"")
    if name == MANIFEST:
        write(tmp_path / MANIFEST, b"{}")
    else:
        (tmp_path / name).chmod(0o666)
    found = record(tmp_path)
    assert found is not None
    assert name in found.problem
    assert "It cannot be read" in shown(view(record=found))


def write(path: Path, data: bytes) -> None:
    """Write a file as sgsweep does."""
    with replaced(path) as file:
        file.write(data)
