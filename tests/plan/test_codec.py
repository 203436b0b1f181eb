"""A plan in bytes: any change is noticed, and what cannot be compared is refused."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.audit import sign, unsigned_by
from orchestrator.plan import (
    DigestMismatch,
    Plan,
    PlanError,
    check_age,
    check_digest,
    check_identity,
    decode,
    digest,
    encode,
    sealed,
    signatures,
    signing_input,
    with_signature,
)
from tests.plan.groups import NOW, group, permission, planned

PLAN = planned(group(permission(1, "20/25", Description='\u00fc "quoted"\n\u2028 \x7f \U0001f512')))
DATA = encode(PLAN)


def test_a_plan_survives_the_way_through_bytes() -> None:
    """What was written is what is read."""
    assert decode(DATA) == PLAN


def test_the_digest_is_that_of_anyone_s_canonical_json() -> None:
    """Sorted keys, no spaces, UTF-8, without digest and signatures: another language can check it."""
    body = json.loads(DATA)
    del body["digest"], body["signatures"]
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == PLAN.digest


def test_plan_json_has_the_contract_s_keys() -> None:
    """Tests and users rely on these names."""
    body = json.loads(DATA)
    assert {
        "digest",
        "run_id",
        "created_at",
        "hub_account_id",
        "endpoint",
        "actions",
        "skipped",
    } <= body.keys()
    assert {"account_id", "region_id", "security_group_id", "rule_id", "action", "check_ids", "before", "adds",
            "inverse", "closes"} <= body["actions"][0].keys()  # fmt: skip
    assert body["created_at"] == "2026-03-01T12:00:00Z"


def test_no_byte_can_be_changed_removed_or_added() -> None:
    """Every position is tried, with a seeded random byte."""
    chance = random.Random(7)  # noqa: S311  (made-up damage, not a secret)
    for at in range(len(DATA)):
        other = bytes([chance.choice([byte for byte in range(256) if byte != DATA[at]])])
        for changed in (
            DATA[:at] + other + DATA[at + 1 :],
            DATA[:at] + DATA[at + 1 :],
            DATA[:at] + other + DATA[at:],
        ):
            with pytest.raises(PlanError):
                decode(changed)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_plan_are_refused_with_a_sentence(data: bytes) -> None:
    """Nothing but a PlanError comes of hostile bytes."""
    with pytest.raises(PlanError, match="not a plan"):
        decode(data)


@pytest.mark.parametrize(
    "changed",
    [
        DATA.replace(b'"version":1', b'"version":1,"version":1'),
        DATA.replace(b'"version":1', b'"version":1,"extra":1'),
        DATA.replace(b'"version":1', b'"version":"1"'),
        json.dumps(json.loads(DATA), indent=1).encode(),
        b"[" * 100_000,
        b"",
    ],
    ids=["a key twice", "an unknown key", "a wrong type", "spelled otherwise", "deep", "empty"],
)
def test_what_is_not_spelled_as_it_was_written_is_refused(changed: bytes) -> None:
    """There is one spelling only, so that nobody reads another plan than the one that is carried out."""
    assert changed != DATA
    with pytest.raises(PlanError):
        decode(changed)


def test_another_format_is_named() -> None:
    """A plan of a later sgsweep is not guessed at."""
    with pytest.raises(PlanError, match="format 2"):
        decode(encode(sealed(replace(PLAN, version=2))))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "no digest was given"),
        ("", "no digest was given"),
        (PLAN.digest[:-1], "63 characters"),
        (PLAN.digest + "\n", "65 characters"),
        (PLAN.digest.upper(), "no digest"),
        ("0" * 64, "another plan"),
        ("\u0660" * 64, "no digest"),
    ],
)
def test_a_digest_that_does_not_fit_is_refused(given: str | None, says: str) -> None:
    """Missing, short, long, in capitals or another plan's: it fails closed."""
    with pytest.raises(DigestMismatch, match=says):
        check_digest(DATA, given)


def test_the_right_digest_gives_the_plan() -> None:
    """That plan and no other."""
    assert check_digest(DATA, PLAN.digest) == PLAN


def test_a_plan_is_refused_when_it_is_old_or_from_the_future() -> None:
    """Its age is told; a clock that runs a little ahead is forgiven."""
    day = timedelta(days=1)
    check_age(PLAN, NOW + day, day)
    check_age(PLAN, NOW - timedelta(minutes=4), day)
    with pytest.raises(PlanError, match=r"24\.5 hours old, more than the 24 allowed"):
        check_age(PLAN, NOW + timedelta(hours=24.5), day)
    with pytest.raises(PlanError, match="from the future"):
        check_age(PLAN, NOW - timedelta(minutes=6), day)
    for text in ("yesterday", "2026-03-01T12:00:00", ""):
        with pytest.raises(PlanError, match="no time"):
            check_age(replace(PLAN, created_at=text), NOW, day)


def test_a_plan_belongs_to_its_organization_and_its_cloud() -> None:
    """A demo's plan never meets a real cloud, nor one organization's plan another's."""
    check_identity(PLAN, "9001", "cloud")
    with pytest.raises(PlanError, match="made with hub 9001"):
        check_identity(PLAN, "9002", "cloud")
    with pytest.raises(PlanError, match="made against cloud, this is elsewhere"):
        check_identity(PLAN, "9001", "elsewhere")
    with pytest.raises(PlanError, match=r"these credentials are of \(none\)"):
        check_identity(PLAN, "", "cloud")


def _pair() -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_signatures_stand_beside_the_digest() -> None:
    """Signing does not change what is approved; each required key must have signed this very plan."""
    (mine, my_public), (_, other_public) = _pair(), _pair()
    signed = decode(encode(with_signature(PLAN, sign(signing_input(PLAN), mine))))
    assert (signed.digest, digest(signed)) == (PLAN.digest, PLAN.digest)
    assert unsigned_by(signing_input(signed), signatures(signed), [my_public]) == []
    assert unsigned_by(signing_input(signed), signatures(signed), [other_public, my_public]) == [0]
    another = sealed(replace(PLAN, incident="INC-1"))
    assert unsigned_by(signing_input(another), signatures(signed), [my_public]) == [0]
    assert with_signature(signed, signatures(signed)[0]) == signed


def test_a_signature_that_is_none_is_named() -> None:
    """What is no base64 was damaged."""
    with pytest.raises(PlanError, match="no base64"):
        signatures(replace(PLAN, signatures=("%%%",)))


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.integers(), st.booleans(), st.none()))
    )
)
def test_any_rule_the_api_may_send_goes_through_bytes(rules: list[dict[str, object]]) -> None:
    """Whatever text a description holds."""
    action = PLAN.actions[0]
    plan: Plan = sealed(replace(PLAN, actions=tuple([replace(action, before=rule) for rule in rules])))
    assert decode(encode(plan)) == plan
