"""Who approved what: a signature is of one thing, for one organization and cloud, by one person, for its time."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from orchestrator.approval import (
    ApprovalError,
    Signature,
    SignatureStatus,
    SignedSubject,
    Signer,
    added,
    answers,
    instant,
    public_half,
    sign,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = SignedSubject(purpose="plan", digest="aa", organization="9001", endpoint="cloud")
TRAIL = SignedSubject(
    purpose="trail",
    digest="bb",
    organization="9001",
    endpoint="cloud",
    head=7,
    head_at="2026-03-01T11:00:00Z",
)


class Person(NamedTuple):
    """Somebody with a key."""

    name: str
    private: bytes
    public: bytes

    @property
    def signer(self) -> Signer:
        """What is asked for."""
        return Signer(self.name, self.public)


def pem(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    locked: KeySerializationEncryption | None = None,
) -> tuple[bytes, bytes]:
    """A key pair in PEM."""
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked or NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def person(name: str) -> Person:
    """Somebody with a new key."""
    return Person(name, *pem(ed25519.Ed25519PrivateKey.generate()))


ALICE, BOB = person("alice"), person("bob")


def ask(
    kept: list[Signature | str], *who: Person, subject: SignedSubject = PLAN, now: datetime = NOW
) -> list[SignatureStatus]:
    """Ask whether all of these have signed."""
    return answers(kept, [one.signer for one in who], subject, now, b"of old")


def refusal(kept: list[Signature | str], subject: SignedSubject = PLAN, now: datetime = NOW) -> str:
    """Why it does not count that Alice has signed."""
    (answer,) = ask(kept, ALICE, subject=subject, now=now)
    assert bool(answer.refusal) is not bool(answer.signed_at)
    return answer.refusal


def test_all_who_must_have_signed() -> None:
    """Each is answered for; the time is told; who did not is named."""
    by_alice, by_bob = (sign(PLAN, one.private, NOW) for one in (ALICE, BOB))
    assert ask([by_bob, by_alice], ALICE, BOB) == [
        ("alice", "2026-03-01T12:00:00+00:00", ""),
        ("bob", "2026-03-01T12:00:00+00:00", ""),
    ]
    assert ask([by_alice], ALICE, BOB)[1] == ("bob", "", "it is not signed by bob")
    assert ask([by_alice]) == []
    assert refusal([]) == "it is not signed by alice"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"purpose": "trail"}, "alice signed the record of a run and not a plan"),
        ({"digest": "ab"}, "alice signed another plan, ab"),
        ({"organization": "9002"}, "alice signed it for organization 9002, and it is of 9001"),
        ({"endpoint": ""}, "alice signed it for endpoint (none), and it is of cloud"),
    ],
)
def test_a_signature_of_something_else(change: dict[str, Any], said: str) -> None:
    """Of the record for the plan, of another plan, organization or cloud: it counts for nothing here."""
    assert refusal([sign(msgspec.structs.replace(PLAN, **change), ALICE.private, NOW)]) == said


def test_an_old_state_of_a_record_does_not_pass_for_the_newest() -> None:
    """Its number and time say so, also where the digest would not."""
    signed = sign(TRAIL, ALICE.private, NOW)
    assert refusal([signed], TRAIL) == ""
    for change in ({"digest": "bc"}, {"head": 8}, {"head_at": "2026-03-01T11:30:00Z"}):
        found = refusal([signed], msgspec.structs.replace(TRAIL, **change))
        assert found.startswith(
            "alice signed the record as it was with 7 entries, the last of 2026-03-01T11:00:00Z"
        )
    assert refusal([signed], PLAN) == "alice signed the record of a run and not a plan"


def test_where_organization_and_cloud_are_not_known() -> None:
    """A record without its journal: what is known is compared."""
    bare = msgspec.structs.replace(TRAIL, organization="", endpoint="")
    assert refusal([sign(TRAIL, ALICE.private, NOW)], bare) == ""
    assert refusal([sign(TRAIL, ALICE.private, NOW)], msgspec.structs.replace(bare, head=8))


def test_a_signature_holds_for_its_time() -> None:
    """Until it expires and not from the future on; a time that is none does not count."""
    until = "2026-03-01T13:00:00+00:00"
    kept: list[Signature | str] = [sign(PLAN, ALICE.private, NOW, ticket="CHG-1", expires=until)]
    assert refusal(kept, now=NOW + timedelta(minutes=59)) == ""
    expired = f"the signature of alice expired at {until}: have it signed again"
    assert refusal(kept, now=NOW + timedelta(hours=1)) == expired
    assert "expired at soon" in refusal([sign(PLAN, ALICE.private, NOW, expires="soon")])
    assert refusal(kept, now=NOW - timedelta(minutes=5)) == ""
    assert "made at 2026-03-01T12:00:00+00:00: a clock is wrong" in refusal(
        kept, now=NOW - timedelta(minutes=6)
    )
    assert instant("2026-03-01T12:00:00Z") == NOW
    assert [instant(text) for text in ("2026-03-01T12:00:00", "", "soon")] == [None] * 3


@pytest.mark.parametrize("name", ["at", "ticket", "expires", "value", "subject"])
def test_every_word_is_signed(name: str) -> None:
    """None can be changed afterwards; the owner of the key is named all the same."""
    signed = sign(TRAIL, ALICE.private, NOW)
    other = {
        "subject": PLAN, "value": b64encode(b"x" * 64).decode(), "at": "2026-03-01T11:59:59+00:00"
    }.get(name, "x")  # fmt: skip
    changed = msgspec.structs.replace(signed, **{name: other})
    wanted = PLAN if name == "subject" else TRAIL
    assert refusal([changed], wanted) == "the signature of alice was changed after it was made"
    stolen = msgspec.structs.replace(signed, key=sign(TRAIL, BOB.private, NOW).key)
    assert ask([stolen], ALICE, subject=TRAIL)[0].refusal == "it is not signed by alice"
    assert ask([stolen], BOB, subject=TRAIL)[0].refusal.endswith("was changed after it was made")


def test_a_newer_signature_stands_for_an_older_one() -> None:
    """Of the same key; the others stay, and so does what is of old."""
    old, new = sign(TRAIL, ALICE.private, NOW), sign(PLAN, ALICE.private, NOW)
    by_bob = sign(PLAN, BOB.private, NOW)
    assert added([old, "of old", by_bob], new) == ("of old", by_bob, new)
    assert refusal([old, new]) == ""
    assert refusal([new, old]) == ""


def test_a_signature_of_old_is_told_as_such() -> None:
    """It says neither organization nor time: it does not count, and it says what to do. Damage is none."""
    key = ed25519.Ed25519PrivateKey.generate()
    carol = Person("carol", *pem(key))
    of_old = b64encode(key.sign(b"of old")).decode()
    said = ask([of_old], carol)[0].refusal
    assert said.startswith("carol signed it with an sgsweep of old, whose signatures do not say for which")
    assert "sign it again with `sgsweep sign`" in said
    for damaged in (of_old[:-4], "%%%", "", b64encode(b"x" * 64).decode()):
        assert ask([damaged], carol)[0].refusal == "it is not signed by carol"


def test_the_same_key_is_one_person() -> None:
    """Under whatever name the key is given, two signatures need two keys."""
    signed = sign(PLAN, ALICE.private, NOW)
    twin = ALICE._replace(name="also alice")
    with pytest.raises(ApprovalError, match="alice and also alice hold the same key"):
        ask([signed], ALICE, twin)
    with pytest.raises(ApprovalError, match="alice and alice hold the same key"):
        ask([signed], ALICE, BOB, ALICE)


def test_what_is_no_key_is_refused_without_quoting_it() -> None:
    """A key file that is none, locked, of another kind, or the other half: an error that does not show its content."""
    private, public = pem(ec.generate_private_key(ec.SECP256R1()))
    locked, _ = pem(ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"hunter2"))
    for bad in (b"", b"not a key: hunter2", private, public, locked, ALICE.public):
        for use in (public_half, lambda one: sign(PLAN, one, NOW)):
            with pytest.raises(ApprovalError, match="the signing key is not a") as caught:
                use(bad)
            assert "hunter2" not in str(caught.value)
    for bad in (b"", b"not a key: hunter2", private, public, ALICE.private):
        with pytest.raises(ApprovalError, match="the key x is not a") as caught:
            answers([], [Signer("x", bad)], PLAN, NOW, b"")
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ApprovalError, match="a public one: give the other half"):
        sign(PLAN, ALICE.public, NOW)
    with pytest.raises(ApprovalError, match="a private one: give what"):
        answers([], [Signer("x", ALICE.private)], PLAN, NOW, b"")
    assert public_half(ALICE.private) == ALICE.public
