"""PROVE: who approved what. A person's signature of a plan, or of a run's record as it stood then.

A signature states what it is of (the plan or the record, by its digest), for which organization and cloud, how long
the record was, when it was made, and optionally a ticket and until when it holds; all of that is signed. So one of a
plan is none of a record, one of a demo none of a real cloud, and one of an old record none of a newer one.

The room is pure: no file, no clock.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_CLOCK_SKEW = timedelta(minutes=5)
_PREFIX = b"sgsweep signature 1\n"  # so that it is a signature of nothing else
_MAKE_ONE = "make one with `openssl genpkey -algorithm ed25519`"
_encode = msgspec.json.Encoder(order="sorted").encode


class ApprovalError(ValueError):
    """A key that is none, or a signature that cannot be made; the text says which and what to do."""


class SignedSubject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed.

    Attributes:
        purpose: a plan, or the trail: the record of what a run has done.
        digest: SHA-256, hex: the plan's own digest, or that of the record's manifest.
        organization: the hub account that it is of.
        endpoint: identity of the cloud that it is of.
        head: how many records the trail holds; 0 for a plan.
        head_at: the time of the last of them, ISO 8601, UTC; empty for a plan.
    """

    purpose: Literal["plan", "trail"]
    digest: str
    organization: str
    endpoint: str
    head: int = 0
    head_at: str = ""


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's signature.

    Attributes:
        subject: what was signed.
        at: when, ISO 8601, UTC.
        ticket: on whose order, for people; may be empty.
        expires: until when it holds, ISO 8601 with an offset; empty for always.
        key: SHA-256, hex, of the public key (SubjectPublicKeyInfo, DER): whose it is.
        value: Ed25519, base64, over all the above in canonical JSON.
    """

    subject: SignedSubject
    at: str
    ticket: str = ""
    expires: str = ""
    key: str = ""
    value: str = ""


class Signer(NamedTuple):
    """Somebody who must have signed: what to call him, and his public key in PEM."""

    name: str
    public_key_pem: bytes


class SignatureStatus(NamedTuple):
    """Whether a signer has signed.

    Attributes:
        name: of the signer.
        signed_at: when he did; empty if he did not.
        refusal: why it does not count, a sentence; empty if he did.
    """

    name: str
    signed_at: str
    refusal: str


def sign(
    subject: SignedSubject, private_key_pem: bytes, at: datetime, *, ticket: str = "", expires: str = ""
) -> Signature:
    """Return the signature of the subject.

    Raises:
        ApprovalError: the key is not an unencrypted Ed25519 private key in PEM.
    """
    key = _private_key(private_key_pem)
    made = Signature(
        subject=subject,
        at=at.isoformat(timespec="seconds"),
        ticket=ticket,
        expires=expires,
        key=_fingerprint(key.public_key()),
    )
    return msgspec.structs.replace(made, value=b64encode(key.sign(_signed_bytes(made))).decode())


def public_half(private_key_pem: bytes) -> bytes:
    """Return the public key in PEM that belongs to a private one; raises as `sign` does."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow

    public = _private_key(private_key_pem).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def added(kept: Iterable[Signature | str], one: Signature) -> tuple[Signature | str, ...]:
    """Return the signatures with one more, which stands in place of earlier ones of its key."""
    return (*(had for had in kept if isinstance(had, str) or had.key != one.key), one)


def answers(
    kept: Sequence[Signature | str],
    signers: Sequence[Signer],
    subject: SignedSubject,
    now: datetime,
    signed_of_old: bytes,
) -> list[SignatureStatus]:
    """Tell of each signer whether he has signed the subject, and nothing else in its place.

    Args:
        kept: the signatures that there are.
        signers: who must have signed, each with a key of his own.
        subject: what must be signed; an empty organization or endpoint is not known and is not compared.
        now: the time, with an offset.
        signed_of_old: the bytes that a signature of an sgsweep of old was made over.

    Raises:
        ApprovalError: one of the keys is not an Ed25519 public key in PEM, or two signers have the same.
    """
    keys = [_public_key(signer) for signer in signers]
    _refuse_twice(signers, [_fingerprint(key) for key in keys])
    return [
        _answer(signer.name, key, kept, subject, now, signed_of_old)
        for signer, key in zip(signers, keys, strict=True)
    ]


def _refuse_twice(signers: Sequence[Signer], fingerprints: Iterable[str]) -> None:
    holders: dict[str, str] = {}
    for signer, fingerprint in zip(signers, fingerprints, strict=True):
        if fingerprint in holders:
            raise ApprovalError(
                f"{holders[fingerprint]} and {signer.name} hold the same key: each signature that is required must "
                "be another person's, so give one key of each"
            )
        holders[fingerprint] = signer.name


def _answer(
    name: str,
    key: Ed25519PublicKey,
    kept: Sequence[Signature | str],
    subject: SignedSubject,
    now: datetime,
    signed_of_old: bytes,
) -> SignatureStatus:
    """Return the answer of the last signature of the key that counts, else why its last one does not."""
    refusal = f"it is not signed by {name}"
    fingerprint = _fingerprint(key)
    for one in kept:
        if isinstance(one, str):
            if _fits(key, one, signed_of_old):
                refusal = _OF_OLD.replace("{name}", name)
        elif one.key == fingerprint:
            why = _refusal(one, subject, now) if _fits(key, one.value, _signed_bytes(one)) else _DAMAGED
            if not why:
                return SignatureStatus(name, one.at, "")
            refusal = why.replace("{name}", name)
    return SignatureStatus(name, "", refusal)


_DAMAGED = "the signature of {name} was changed after it was made"
_OF_OLD = (
    "{name} signed it with an sgsweep of old, whose signatures do not say for which organization and cloud, nor when: "
    "sign it again with `sgsweep sign`"
)


def _refusal(one: Signature, wanted: SignedSubject, now: datetime) -> str:
    """Return why a signature that is intact does not count, with a place for the signer's name; empty if it does."""
    why = _differs(one.subject, wanted)
    if why:
        return why
    made, until = instant(one.at), instant(one.expires)
    if made is None or made - now > _CLOCK_SKEW:
        return f"the signature of {{name}} was made at {one.at or 'no time'}: a clock is wrong, here or there"
    if one.expires and (until is None or until <= now):
        return f"the signature of {{name}} expired at {one.expires}: have it signed again"
    return ""


def _differs(signed: SignedSubject, wanted: SignedSubject) -> str:
    """Return what else it was that was signed; empty if it was this."""
    if signed.purpose != wanted.purpose:
        return f"{{name}} signed {_THINGS[signed.purpose]} and not {_THINGS[wanted.purpose]}"
    for name in ("organization", "endpoint"):
        was, is_now = getattr(signed, name), getattr(wanted, name)
        if is_now and was != is_now:
            return f"{{name}} signed it for {name} {was or '(none)'}, and it is of {is_now}"
    if (signed.digest, signed.head, signed.head_at) == (wanted.digest, wanted.head, wanted.head_at):
        return ""
    if wanted.purpose == "plan":
        return f"{{name}} signed another plan, {signed.digest}"
    return (
        f"{{name}} signed the record as it was with {signed.head} entries, the last of {signed.head_at}; it has "
        f"{wanted.head} now, the last of {wanted.head_at or 'no time'}: have it signed again, if that is right"
    )


_THINGS = {"plan": "a plan", "trail": "the record of a run"}


def instant(text: str) -> datetime | None:
    """Return the moment that an ISO 8601 text with an offset names; None for any other text."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _signed_bytes(one: Signature) -> bytes:
    return _PREFIX + _encode(msgspec.structs.replace(one, value=""))


def _fits(key: Ed25519PublicKey, value: str, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow

    try:
        key.verify(b64decode(value, validate=True), data)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _fingerprint(key: Ed25519PublicKey) -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow

    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _private_key(pem: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - slow

    if _PUBLIC in pem:
        raise ApprovalError("the signing key is not a private key but a public one: give the other half")
    try:
        key = load_pem_private_key(pem, password=None)
    except Exception:  # noqa: BLE001 - the library raises many kinds, and their texts may quote the key
        raise ApprovalError(
            f"the signing key is not an unencrypted private key in PEM: {_MAKE_ONE}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ApprovalError(f"the signing key is not an Ed25519 key: {_MAKE_ONE}")
    return key


def _public_key(signer: Signer) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - slow

    name, pem = signer
    if _PRIVATE in pem:
        raise ApprovalError(
            f"the key {name} is not a public key but a private one: give what `openssl pkey -pubout` makes of it, and "
            "keep the private one to yourself"
        )
    try:
        key = load_pem_public_key(pem)
    except Exception:  # noqa: BLE001 - the library raises many kinds
        raise ApprovalError(f"the key {name} is not a public key in PEM: {_HALF}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ApprovalError(f"the key {name} is not an Ed25519 public key: {_HALF}")
    return key


_PUBLIC, _PRIVATE = b"PUBLIC KEY-----", b"PRIVATE KEY-----"
_HALF = "make it from the private one with `openssl pkey -pubout`"
