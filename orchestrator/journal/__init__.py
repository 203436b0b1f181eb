"""REMEMBER: what a run has seen, meant to do and done, in one SQLite file of the run folder.

The journal owns accounts and their claims, regions, groups with findings, what could not be seen, intents and
outcomes of changes with their audit records, and learned call rates. Every write is durable before it returns
(WAL, synchronous=FULL); many waiting writers share one commit. One process writes a run folder at a time; any
number may read it. `audit.jsonl` and `manifest.json` follow the journal's audit records and never lead them.

It refuses to judge, to call the cloud, and to guess: a file it does not know is an error.
"""

from orchestrator.journal.errors import (
    Fenced,
    JournalCorrupt,
    JournalError,
    JournalExists,
    JournalFull,
    JournalMissing,
    JournalUnwritable,
    RunInUse,
    TrailBroken,
)
from orchestrator.journal.reading import Reader, check_folder
from orchestrator.journal.store import Lock, runs_in
from orchestrator.journal.values import (
    AccountState,
    Claim,
    Effect,
    GroupSeen,
    Intent,
    Ledger,
    Observed,
    Outcome,
    RunHeader,
    Settled,
    listing_digest,
)
from orchestrator.journal.writing import Journal

__all__ = [
    "AccountState",
    "Claim",
    "Effect",
    "Fenced",
    "GroupSeen",
    "Intent",
    "Journal",
    "JournalCorrupt",
    "JournalError",
    "JournalExists",
    "JournalFull",
    "JournalMissing",
    "JournalUnwritable",
    "Ledger",
    "Lock",
    "Observed",
    "Outcome",
    "Reader",
    "RunHeader",
    "RunInUse",
    "Settled",
    "TrailBroken",
    "check_folder",
    "listing_digest",
    "runs_in",
]
