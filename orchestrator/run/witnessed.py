"""Evidence that was gathered of a run, read from its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from orchestrator.evidence import Evidence
from orchestrator.journal import Reader, SqliteReader
from orchestrator.policy import Finding

FACT = "evidence"
"""The fact with the number of the last gathering; "evidence:ACCOUNT" is what an account's came to."""


def evidence_of(reader: Reader, account_id: str = "") -> Iterator[Evidence]:
    """Yield what is known, by account, region, group and rule; of one account or all. Nothing where none was asked."""
    ids = [account_id] if account_id else [one.account.account_id for one in reader.accounts()]
    for one in ids:
        yield from msgspec.convert(reader.fact(f"{FACT}:{one}") or [], list[Evidence])


def evidence_in(folder: Path) -> Callable[[Finding], Evidence | None]:
    """Return what tells what is known of a finding's door; None where it was not asked.

    Findings come account by account, so the evidence of one is held at a time.
    """
    account_id, known = "", dict[tuple[str, str, str], Evidence]()

    def evidence(finding: Finding) -> Evidence | None:
        nonlocal account_id, known
        if finding.account_id != account_id:
            with SqliteReader(folder) as reader:
                found = list(evidence_of(reader, finding.account_id))
            account_id = finding.account_id
            known = {(one.region_id, one.security_group_id, one.rule_id): one for one in found}
        return known.get((finding.region_id, finding.security_group_id, finding.rule_id))

    return evidence
