"""REMEMBER: what a run has seen, meant to do and done, in one SQLite file of the run folder.

The journal owns accounts and their claims, regions, groups with findings, what could not be seen, facts
about the run, and intents and outcomes of changes with their audit records. Every write is durable before it returns
(WAL, synchronous=FULL); many waiting writers share one commit. One process writes a run folder at a time; any
number may read it. `audit.jsonl` and `manifest.json` follow the journal's audit records and never lead them.

It refuses to judge, to call the cloud, and to guess: a file it does not know is an error.
"""

from orchestrator.journal.checked_folder import check_folder
from orchestrator.journal.effects import RuleEffects, RuleKey, rule_key
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
    Untrusted,
)
from orchestrator.journal.heads import latest_seen, remember_head, seen_file
from orchestrator.journal.interface import Journal, Reader
from orchestrator.journal.invocations import (
    TRAIL,
    InvocationEntry,
    LedgerChecked,
    check_ledger,
    content_hash,
    encode_entry,
    entry_name,
    entry_number,
    is_ledger,
)
from orchestrator.journal.sqlite.file import Lock, runs_in
from orchestrator.journal.sqlite.journal import SqliteJournal, SqliteReader
from orchestrator.journal.sqlite.trail import AUDIT, MANIFEST
from orchestrator.journal.trust import check_trust, open_trusted, read_trusted
from orchestrator.journal.values import (
    STANDS_AGAIN,
    AccountState,
    Claim,
    Effect,
    GroupSeen,
    Intent,
    JobState,
    Ledger,
    Observed,
    Outcome,
    OutcomeKind,
    RunHeader,
    Settled,
    listing_digest,
)

__all__ = [
    "AUDIT",
    "MANIFEST",
    "STANDS_AGAIN",
    "TRAIL",
    "AccountState",
    "Claim",
    "Effect",
    "Fenced",
    "GroupSeen",
    "Intent",
    "InvocationEntry",
    "JobState",
    "Journal",
    "JournalCorrupt",
    "JournalError",
    "JournalExists",
    "JournalFull",
    "JournalMissing",
    "JournalUnwritable",
    "Ledger",
    "LedgerChecked",
    "Lock",
    "Observed",
    "Outcome",
    "OutcomeKind",
    "Reader",
    "RuleEffects",
    "RuleKey",
    "RunHeader",
    "RunInUse",
    "Settled",
    "SqliteJournal",
    "SqliteReader",
    "TrailBroken",
    "Untrusted",
    "check_folder",
    "check_ledger",
    "check_trust",
    "content_hash",
    "encode_entry",
    "entry_name",
    "entry_number",
    "is_ledger",
    "latest_seen",
    "listing_digest",
    "open_trusted",
    "read_trusted",
    "remember_head",
    "rule_key",
    "runs_in",
    "seen_file",
]
