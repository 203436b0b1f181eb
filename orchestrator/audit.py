"""PROVE: what a record of a change says, the hash chains that hold the records, and their verification.

Each account has a chain: a record names its place (`seq`) and the hash of the account's record before it.
Each record also has a run-wide `line`, its place in `audit.jsonl`. The manifest holds the count and the
last hash of every chain, so a cut tail is as visible as a changed byte. A line is valid in one spelling only.

The room is pure: no file, no clock. Whoever can rewrite the file *and* the manifest can forge both; a
signature of the manifest, made with a key kept elsewhere (see `approval`), is what proves more than that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from enum import Enum

import msgspec

GENESIS = "0" * 64  # `prev` of an account's first record
_TEXT_LIMIT = 500  # characters kept of a message or a reason
_FIELD_LIMIT = 1024  # characters kept of a rule's field; the longest the API has is Description, 512

# A RequestId is wanted in a record, a credential never: the API's error messages may echo keys and tokens.
_CREDENTIAL = re.compile(
    r"\b(?:LTAI|STS\.)[A-Za-z0-9]{8,}"
    r"|(?i:(?<=secret=)|(?<=token=)|(?<=signature=)|(?<=accesskeyid=))[^\s&,;\"']+"
    r"|[A-Za-z0-9+/=_-]{80,}"
)
_encode = msgspec.json.Encoder(order="sorted").encode


class Phase(str, Enum):
    """What a record says: that a change is about to be made, or how it ended."""

    intent = "intent"
    outcome = "outcome"
    rollback_intent = "rollback_intent"
    rollback_outcome = "rollback_outcome"
    note = "note"


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of one rule: who, what, where, before, after and why.

    Attributes:
        at: when it was written, ISO 8601, UTC.
        phase: whether it is about to be done or has been done.
        who: ARN of the caller that makes the change (STS GetCallerIdentity).
        account_id: where; the record is part of this account's chain.
        region_id: where.
        security_group_id: where.
        rule_id: the rule, `sgr-...`; empty for a record of the whole group.
        action: what is done: revoke, split, narrow, block, or what a rollback does.
        outcome: how it ended; empty in an intent.
        reason: why it ended so, cut to 500 characters.
        before: the rule as the API gave it before the change.
        after: the rules that stand in its place, as they will be or as they were re-read.
        check_ids: why: the checks the rule fails.
        plan_digest: why: the plan that was approved.
        incident: why: the incident's name, if any.
        request_id: RequestId of the call that made the change; empty in an intent.
        effective_after: when the change is in force for established connections too, ISO 8601, UTC.
        undo_sha256: of an intent, SHA-256, hex, of what is kept elsewhere to undo it, see `undo_digest`; absent in
            other records, and in those of old.
        run_id: the run; set when the record is sealed.
        line: its line in the run's audit file, from 1; set when sealed.
        seq: its place in the account's chain, from 1; set when sealed.
        prev: hash of the account's record before it; set when sealed.
        hash: SHA-256, hex, of all the fields above in canonical JSON; set when sealed.
    """

    at: str
    phase: Phase
    who: str
    account_id: str
    region_id: str
    security_group_id: str
    rule_id: str
    action: str
    outcome: str = ""
    reason: str = ""
    before: dict[str, object] | None = None
    after: tuple[dict[str, object], ...] = ()
    check_ids: tuple[str, ...] = ()
    plan_digest: str = ""
    incident: str = ""
    request_id: str = ""
    effective_after: str = ""
    undo_sha256: str | msgspec.UnsetType = msgspec.UNSET
    run_id: str = ""
    line: int = 0
    seq: int = 0
    prev: str = ""
    hash: str = ""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of an account's chain."""

    seq: int
    hash: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the audit file must hold: how many records, and how each account's chain ends."""

    run_id: str
    count: int
    heads: dict[str, Head]
    version: int = 1


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with an audit file.

    Attributes:
        kind: changed, unreadable, reordered, removed, truncated, unlinked, unsealed, foreign, manifest, older (than
            what was seen before) or unsigned.
        line: the line of the file it was seen at, from 1; 0 if it is about no line.
        account_id: whose chain; empty if that cannot be told.
        seq: the record's place in that chain; 0 if that cannot be told.
        text: a sentence for people.
    """

    kind: str
    line: int
    account_id: str
    seq: int
    text: str


class AuditError(ValueError):
    """A record or a manifest that is not one; the text says which and what to do."""


class Chains:
    """Gives each record its place: the line, and the link to its account's record before it."""

    def __init__(self, run_id: str, heads: Mapping[str, Head] | None = None, line: int = 0) -> None:
        self.run_id = run_id
        self.line = line
        self.heads = dict(heads or {})

    def seal(self, record: AuditRecord) -> tuple[AuditRecord, bytes]:
        """Return the record with its place and hash, and its line of the file, newline included."""
        head = self.heads.get(record.account_id, Head(0, GENESIS))
        placed = msgspec.structs.replace(
            record,
            reason=cut(record.reason),
            before=None if record.before is None else _cut_fields(record.before),
            after=tuple(_cut_fields(rule) for rule in record.after),
            run_id=self.run_id,
            line=self.line + 1,
            seq=head.seq + 1,
            prev=head.hash,
            hash="",
        )
        sealed = msgspec.structs.replace(placed, hash=record_hash(placed))
        self.line += 1
        self.heads[record.account_id] = Head(sealed.seq, sealed.hash)
        return sealed, _encode(sealed) + b"\n"

    def manifest(self) -> bytes:
        """Return the manifest's bytes for the records sealed so far."""
        return _encode(Manifest(run_id=self.run_id, count=self.line, heads=self.heads)) + b"\n"


def record_hash(record: AuditRecord) -> str:
    """Return the SHA-256 of the record's canonical JSON, its own `hash` left empty."""
    return hashlib.sha256(_encode(msgspec.structs.replace(record, hash=""))).hexdigest()


def undo_digest(body: Mapping[str, object]) -> str:
    """Return the SHA-256, hex, of the canonical JSON of what is kept to undo a change."""
    return hashlib.sha256(_encode(body)).hexdigest()


def cut(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Return free text fit for a record: at most `limit` characters, without what looks like a credential."""
    # Cut first, with room to spare: hostile text may be megabytes long, too much to run a pattern over.
    kept = _CREDENTIAL.sub("[removed]", text[: 4 * limit])
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def _cut_fields(rule: Mapping[str, object]) -> dict[str, object]:
    return {key: _cut_value(value) for key, value in rule.items()}


def _cut_value(value: object) -> object:
    return value[:_FIELD_LIMIT] if isinstance(value, str) else value


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest.

    Raises:
        AuditError: the bytes are not a manifest as this room writes it.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuditError(f"manifest.json is not a manifest: {error}") from error
    if manifest.version != 1:
        raise AuditError(f"manifest.json has format {manifest.version}, not 1: use the sgsweep that wrote it")
    if _encode(manifest) + b"\n" != data:
        raise AuditError("manifest.json was changed: it is not spelled as it was written")
    return manifest


def verify(lines: Iterable[bytes], manifest: bytes | None) -> list[Problem]:
    """Find every changed, removed, reordered, truncated or emptied record.

    Args:
        lines: the audit file's lines in order, each with its newline (as a binary file yields them).
        manifest: the bytes of the manifest; None if there is none.

    Returns:
        The problems in the order of the file; empty if the records are intact. Memory grows with the
        number of accounts, not of records.
    """
    problems: list[Problem] = []
    expected: Manifest | None = None
    if manifest is None:
        problems.append(
            Problem("manifest", 0, "", 0, "there is no manifest.json: nothing says how the records end")
        )
    else:
        try:
            expected = parse_manifest(manifest)
        except AuditError as error:
            problems.append(Problem("manifest", 0, "", 0, str(error)))
    reader = _Reader(expected)
    for line in lines:
        reader.read(line)
    return problems + reader.finish()


def _inspect(line: bytes) -> tuple[AuditRecord | None, str, str]:
    """Return what record the line holds, and the kind of its fault and what is wrong with it, if anything."""
    if not line.strip():
        return None, "unreadable", "is empty"
    try:
        record = msgspec.json.decode(line, type=AuditRecord)
        spelled = _encode(record) + b"\n"
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        return None, "unreadable", f"is not a record: {cut(str(error), 200)}"
    if record_hash(record) != record.hash:
        return record, "changed", "was changed: its hash does not fit what it says"
    if spelled != line:
        return record, "changed", "was changed: it is not spelled as it was written"
    return record, "", ""


class _Reader:
    """Folds the lines of one audit file into problems."""

    def __init__(self, manifest: Manifest | None) -> None:
        self._manifest = manifest
        self._run_id = manifest.run_id if manifest else ""
        self._problems: list[Problem] = []
        self._heads: dict[str, Head] = {}
        self._sealed: dict[str, Head] = {}  # as they were where the manifest says the file ends
        self._position = 0  # of the line in the file
        self._next = 1  # the `line` the next record should bear
        self._missing: list[range] = []
        self._late: set[int] = set()
        self._unsealed: list[AuditRecord] = []

    def read(self, line: bytes) -> None:
        self._position += 1
        record = self._decode(line)
        if record is None:
            self._next += 1
            return
        self._place(record)
        self._link(record)
        if self._manifest and record.line > self._manifest.count:
            self._unsealed = [*self._unsealed[:1], record]
        else:
            self._sealed[record.account_id] = self._heads[record.account_id]

    def _decode(self, line: bytes) -> AuditRecord | None:
        """Return the record if it is as it was written; otherwise say what is wrong with the line."""
        record, kind, what = _inspect(line)
        if record and not kind:
            self._run_id = self._run_id or record.run_id
            if record.run_id == self._run_id:
                return record
            kind, what = "foreign", f"belongs to run {record.run_id}, not to {self._run_id}"
        self._bad(kind, record, what)
        return None

    def _place(self, record: AuditRecord) -> None:
        """Check the record's line against its place in the file."""
        if record.line >= self._next:
            if record.line > self._next:
                self._missing.append(range(self._next, record.line))
            self._next = record.line + 1
            return
        self._late.add(record.line)
        self._bad("reordered", record, f"holds the record of line {record.line}: moved or repeated")

    def _link(self, record: AuditRecord) -> None:
        """Check the record's link to its account's record before it."""
        head = self._heads.get(record.account_id, Head(0, GENESIS))
        if record.seq > head.seq + 1:
            gone = _numbers(head.seq + 1, record.seq - 1)
            text = (
                f"account {record.account_id}: record {gone} missing or damaged before line {self._position}"
            )
            self._problems.append(Problem("removed", self._position, record.account_id, head.seq + 1, text))
        elif record.seq <= head.seq:
            self._bad("reordered", record, f"comes after record {head.seq} of its account")
            return
        elif record.prev != head.hash:
            self._bad(
                "unlinked",
                record,
                "does not follow from its account's record before it: that one was changed",
            )
        self._heads[record.account_id] = Head(record.seq, record.hash)

    def _bad(self, kind: str, record: AuditRecord | None, what: str) -> None:
        account_id, seq = (record.account_id, record.seq) if record else ("", 0)
        whose = f" (account {account_id}, record {seq})" if record else ""
        text = f"line {self._position}{whose} {what}"
        self._problems.append(Problem(kind, self._position, account_id, seq, text))

    def finish(self) -> list[Problem]:
        """Check what is missing against the manifest, and return all problems."""
        for gap in self._missing:
            self._check_gap(gap)
        if self._manifest:
            self._check_end(self._manifest)
            self._check_heads(self._manifest)
        return self._problems

    def _check_gap(self, gap: range) -> None:
        """Name the lines of a gap that do not turn up later in the file."""
        start = gap.start
        for found in [*sorted(line for line in self._late if line in gap), gap.stop]:
            if found > start:
                text = f"line {_numbers(start, found - 1)} removed"
                self._problems.append(Problem("removed", start, "", 0, text))
            start = found + 1

    def _check_end(self, manifest: Manifest) -> None:
        last = self._next - 1
        if last < manifest.count:
            text = f"line {_numbers(last + 1, manifest.count)} gone: the file was cut"
            if self._position == 0:
                text = f"the file is empty; the manifest counts {manifest.count} records"
            self._problems.append(Problem("truncated", last + 1, "", 0, text))
        if self._unsealed:
            first = self._unsealed[0]
            text = (
                f"line {_numbers(first.line, self._unsealed[-1].line)} not in the manifest: "
                "the run was interrupted (the same command, run again, seals them), or they were added"
            )
            self._problems.append(Problem("unsealed", first.line, first.account_id, first.seq, text))
        elif last > manifest.count:
            text = f"line {manifest.count + 1} is more than the manifest counts"
            self._problems.append(Problem("unsealed", manifest.count + 1, "", 0, text))

    def _check_heads(self, manifest: Manifest) -> None:
        for account_id, sealed in manifest.heads.items():
            head = self._sealed.get(account_id, Head(0, GENESIS))
            if head.seq < sealed.seq:
                gone = _numbers(head.seq + 1, sealed.seq)
                text = f"account {account_id}: record {gone} missing or damaged at the end of its chain"
                self._problems.append(Problem("truncated", 0, account_id, head.seq + 1, text))
            elif head != sealed:
                text = f"account {account_id}: record {head.seq}, its last, is not the one the manifest names"
                self._problems.append(Problem("changed", 0, account_id, head.seq, text))
        for account_id in self._sealed.keys() - manifest.heads.keys():
            text = f"account {account_id} has records, but the manifest does not name it"
            self._problems.append(Problem("manifest", 0, account_id, 0, text))


def _numbers(first: int, last: int) -> str:
    return f"{first} is" if first == last else f"{first} to {last} are"
