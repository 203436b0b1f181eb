"""Whether a run folder's audit trail is what was written."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.audit import Problem, parse_manifest, verify
from orchestrator.journal.errors import JournalMissing, explained
from orchestrator.journal.heads import older
from orchestrator.journal.sqlite import file
from orchestrator.journal.sqlite.journal import SqliteReader
from orchestrator.journal.sqlite.trail import AUDIT, MANIFEST
from orchestrator.journal.trust import check_trust, open_trusted, read_trusted


def check_folder(folder: Path) -> list[Problem]:
    """Find what is wrong with a run folder's audit trail, from the folder alone; it repairs nothing.

    The journal is asked too, where it is there: it knows a file and manifest both replaced by older ones; and what was
    seen of the run before: that knows a folder that was replaced as a whole.

    Raises:
        JournalMissing: the folder has neither trail nor journal.
        JournalError: something there cannot be read, or is another user's.
    """
    audit, manifest, has_journal = folder / AUDIT, folder / MANIFEST, (folder / file.NAME).exists()
    if not audit.exists() and not manifest.exists() and not has_journal:
        raise JournalMissing(folder, f"neither {AUDIT} nor {MANIFEST}")
    with explained(audit):
        check_trust(folder)
        sealed = read_trusted(manifest) if manifest.exists() else None
        if not audit.exists():
            return [Problem("truncated", 0, "", 0, f"{AUDIT} is gone"), *verify([], sealed)]
        with open_trusted(audit) as lines:
            problems = verify(lines, sealed)
    if not problems and has_journal:
        problems = _against_journal(folder, audit)
    if not problems and sealed is not None:
        with open_trusted(audit) as lines:
            problems = [*older(folder, parse_manifest(sealed).run_id, lines)]
    return problems


def _against_journal(folder: Path, audit: Path) -> list[Problem]:
    with SqliteReader(folder) as reader, open_trusted(audit) as lines:
        for record in reader.audit_records():
            line = lines.readline()
            if not line:
                text = f"line {record.line} is in the journal, but not in {AUDIT}: the file was cut"
                return [Problem("truncated", record.line, record.account_id, record.seq, text)]
            if json.loads(line).get("hash") != record.hash:
                text = f"line {record.line} is not the one in the journal"
                return [Problem("changed", record.line, record.account_id, record.seq, text)]
        if lines.readline():
            return [Problem("unsealed", 0, "", 0, f"{AUDIT} has lines that the journal does not know")]
    return []
