"""`sign`, and what must be signed: a plan, or the record of a run as it stands. What was seen is remembered."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from orchestrator.approval import (
    Signature,
    SignatureStatus,
    SignedSubject,
    Signer,
    added,
    answers,
    public_half,
    sign,
)
from orchestrator.audit import AuditError, Problem, parse_manifest
from orchestrator.files import replaced
from orchestrator.journal import (
    AUDIT,
    MANIFEST,
    Journal,
    JournalError,
    Lock,
    Reader,
    SqliteJournal,
    SqliteReader,
    TrailBroken,
    check_folder,
    latest_seen,
    open_trusted,
    read_trusted,
    remember_head,
    seen_file,
)
from orchestrator.plan import Plan, decode, encode, signed_of_old, subject, with_signature
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.run.scanning import holds_run, now
from orchestrator.run.sealed import SIGNATURES
from orchestrator.run.sealed import signatures as kept_signatures

_LONGEST_KEY = 65536  # bytes; an Ed25519 key in PEM has some hundred


class RecordStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the record of a run.

    Attributes:
        problems: what is wrong with it, and who was to sign it and has not.
        records: how many entries it has.
        signed: by whom of those that were asked for.
        signatures: how many it bears, whoever made them.
    """

    problems: tuple[Problem, ...] = ()
    records: int = 0
    signed: tuple[SignatureStatus, ...] = ()
    signatures: int = 0

    @property
    def told(self) -> str:
        """What it proves, in words: no more than that."""
        if self.signed:
            return (
                f"consistent, signed by {', '.join(f'{one.name} at {one.signed_at}' for one in self.signed)}"
            )
        if self.signatures:
            return f"consistent; its signatures ({self.signatures}) are not checked: say whose with --require-signature"
        return "consistent, unsigned"


class SigningResult(NamedTuple):
    """What was signed: the run, the plan or else the record, and how many signatures there are now."""

    run_id: str
    subject: SignedSubject
    plan: Plan | None
    signatures: int


# --- keys


def read_key(path: Path) -> bytes:
    """Return the bytes of a key file.

    Raises:
        UsageError: it cannot be read, or is far too long for a key.
    """
    return _read_key(path)[0]


def read_private_key(path: Path) -> bytes:
    """Return the bytes of a file that holds a key to sign with.

    Raises:
        UsageError: it cannot be read, or others may read it, too: what it signs may be anybody's word then.
        ApprovalError: it is no such key.
    """
    data, found = _read_key(path)
    public_half(data)
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"others may read the key {path}, so what it signs proves nothing: take that from them (`chmod go= "
            f"{shlex.quote(str(path))}`), and make a new one if somebody could have read it"
        )
    return data


def _read_key(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(_LONGEST_KEY + 1)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from None
    if len(data) > _LONGEST_KEY:
        raise UsageError(f"{path} is no key: it has more than {_LONGEST_KEY} bytes")
    return data, found


def _signers(keys: Sequence[Path]) -> list[Signer]:
    return [Signer(str(key), read_key(key)) for key in keys]


# --- a plan


def sign_plan(path: Path, key: Path) -> SigningResult:
    """Add a signature to a plan, which stays the plan that it is.

    Raises:
        UsageError: the key or the plan cannot be read, or the key has signed it already.
        ApprovalError: the key is none.
        PlanError: it is no plan, or was changed.
        JournalError: the folder is another user's, or in use.
    """
    pem = read_private_key(key)
    if not holds_run(path.parent):  # a copy somewhere else: nobody works there
        return _sign_plan(path, key, pem)
    with Lock(path.parent):
        return _sign_plan(path, key, pem)


def _sign_plan(path: Path, key: Path, pem: bytes) -> SigningResult:
    try:
        plan = decode(read_trusted(path))
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror}") from None
    _refuse_again(plan.signatures, key, pem, subject(plan))
    signed = signed_by(plan, pem)
    with replaced(path) as file:
        file.write(encode(signed))
    return SigningResult(plan.run_id, subject(plan), signed, len(signed.signatures))


def signed_by(plan: Plan, private_key_pem: bytes) -> Plan:
    """Return the plan with one more signature, of now."""
    return with_signature(plan, sign(subject(plan), private_key_pem, now()))


def refuse_unsigned(plan: Plan, keys: Sequence[Path]) -> None:
    """Refuse a plan that one of the keys has not signed.

    Raises:
        RefusedError: says which, and why a signature does not count.
        UsageError: a key cannot be read.
        ApprovalError: a key is none, or two are the same.
    """
    found = answers(plan.signatures, _signers(keys), subject(plan), now(), signed_of_old(plan))
    refused = [one.refusal for one in found if one.refusal]
    if refused:
        raise RefusedError(
            f"the plan is not approved by all who must: {'; '.join(refused)}. `sgsweep sign` adds a signature"
        )


def _refuse_again(
    kept: Sequence[Signature | str], key: Path, pem: bytes, wanted: SignedSubject, of_old: bytes = b""
) -> None:
    (answer,) = answers(kept, [Signer(str(key), public_half(pem))], wanted, now(), of_old)
    if answer.signed_at:
        raise UsageError(
            f"{key} has signed this already, at {answer.signed_at}: a second signature must be another person's"
        )


# --- the record of a run


def sign_record(folder: Path, key: Path) -> SigningResult:
    """Add a signature to the record of a run as it stands: `manifest.sig`. One of an earlier state goes.

    Raises:
        UsageError: the key cannot be read, there is nothing to sign, or the key has signed it already.
        RefusedError: the record is broken.
        JournalError: the folder is no run, another user's, or in use.
        ApprovalError: the key is none.
    """
    pem = read_private_key(key)
    problems = check_folder(folder)
    if problems:
        raise RefusedError(
            f"the audit trail is broken, so it is not signed: {problems[0].text}. Keep the folder as evidence"
        )
    with Lock(folder), SqliteReader(folder) as reader:
        wanted, _ = _subject(folder)
        if not wanted.head:
            plan = shlex.join(["sgsweep", "sign", str(folder / "plan.json"), "--key", str(key)])
            raise UsageError(
                f"run {reader.header.run_id} has changed nothing yet, so there is no record to sign. Its plan is "
                f"signed by its own name: {plan}"
            )
        kept = kept_signatures(folder)
        _refuse_again(kept, key, pem, wanted)
        current = [one for one in kept if isinstance(one, Signature) and one.subject == wanted]
        signatures = added(current, sign(wanted, pem, now()))
        with replaced(folder / SIGNATURES) as file:
            file.writelines(msgspec.json.encode(one, order="sorted") + b"\n" for one in signatures)
        remember_record(folder)
        return SigningResult(reader.header.run_id, wanted, None, len(signatures))


def standing(folder: Path, keys: Sequence[Path] = ()) -> RecordStatus:
    """Check the record from the folder alone, and who has signed it as it is.

    Args:
        folder: the run folder.
        keys: files of Ed25519 public keys (PEM), all of which must have signed it.

    Raises:
        JournalError: it cannot be read.
        UsageError: a key cannot be read.
        ApprovalError: a key is none, or two are the same.
    """
    signers = _signers(keys)
    problems = check_folder(folder)
    if problems:
        return RecordStatus(problems=tuple(problems))
    wanted, sealed = _subject(folder)
    kept = kept_signatures(folder)
    found = answers(kept, signers, wanted, now(), b"sgsweep manifest\n" + sealed)
    remember_record(folder)
    return RecordStatus(
        problems=tuple(Problem("unsigned", 0, "", 0, one.refusal) for one in found if one.refusal),
        records=wanted.head,
        signed=tuple(one for one in found if not one.refusal),
        signatures=len(kept),
    )


def refuse_unproved(folder: Path, keys: Sequence[Path]) -> RecordStatus:
    """Return what is known of the record that a rollback is derived from.

    Raises:
        RefusedError: it is broken, or not signed by all who must have; nothing was changed.
        UsageError, ApprovalError, JournalError: as `standing`.
    """
    found = standing(folder, keys)
    unsigned = [one.text for one in found.problems if one.kind == "unsigned"]
    if unsigned:
        raise RefusedError(
            f"the record of this run is not signed by all who must have: {'; '.join(unsigned)}. Nothing was changed"
        )
    if found.problems:
        raise RefusedError(
            f"the audit trail is broken: {found.problems[0].text}. Nothing was changed; keep the folder as evidence, "
            f"and see `sgsweep verify {shlex.quote(str(folder))} --offline`"
        )
    return found


def _subject(folder: Path) -> tuple[SignedSubject, bytes]:
    """Return what a signature of the record is of, and the manifest."""
    try:
        sealed = read_trusted(folder / MANIFEST)
    except OSError as error:
        raise UsageError(f"{folder / MANIFEST} cannot be read: {error.strerror}") from None
    hub_account_id = endpoint = ""  # without a journal nobody knows
    if holds_run(folder):
        with SqliteReader(folder) as reader:
            hub_account_id, endpoint = reader.header.hub_account_id, reader.header.endpoint
    count, at = _last(folder)
    found = SignedSubject(
        purpose="trail",
        digest=hashlib.sha256(sealed).hexdigest(),
        organization=hub_account_id,
        endpoint=endpoint,
        head=count,
        head_at=at,
    )
    return found, sealed


class _Entry(msgspec.Struct):
    """What is looked at of an audit record."""

    at: str = ""


def _last(folder: Path) -> tuple[int, str]:
    """Return how many entries the record has, and the time of the last."""
    count, line = 0, b"{}"
    with suppress(FileNotFoundError), open_trusted(folder / AUDIT) as lines:
        for count, line in enumerate(lines, 1):  # noqa: B007 - the last one counts
            pass
    try:
        return count, msgspec.json.decode(line, type=_Entry).at
    except msgspec.MsgspecError:
        return count, ""


# --- what was seen of it


def remember_record(folder: Path) -> None:
    """Remember beside the run how far its record goes. What cannot be read is passed over: it is told elsewhere."""
    with suppress(OSError, JournalError, AuditError):
        manifest = parse_manifest(read_trusted(folder / MANIFEST))
        remember_head(folder, manifest.run_id, manifest.count, manifest.heads)


def refuse_older(reader: Reader) -> None:
    """Refuse to go on from an older state of a run, or from another past, than was seen before.

    Raises:
        TrailBroken: it is one.
    """
    seen = latest_seen(reader.folder, reader.header.run_id)
    if seen is not None and not reader.has_records(seen.heads):
        raise TrailBroken(
            reader.folder / AUDIT,
            0,
            f"is not the latest that was seen of this run ({seen_file(reader.folder, seen.run_id)})",
        )


@asynccontextmanager
async def recorded(folder: Path) -> AsyncIterator[Journal]:
    """Open a run to change something; however that ends, how far its record goes is remembered.

    Raises:
        TrailBroken: it is an older state of the run than was seen before.
        JournalError: as `SqliteJournal.open`.
    """
    try:
        async with SqliteJournal.open(folder) as journal:
            refuse_older(journal)
            yield journal
    finally:
        remember_record(folder)
