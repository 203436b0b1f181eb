"""A plan in bytes: any change is noticed, and what cannot be compared is refused."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.approval import Signature
from orchestrator.plan import (
    DigestMismatch,
    Plan,
    PlanError,
    PlanOrigin,
    check_age,
    check_digest,
    check_identity,
    decode,
    digest,
    encode,
    sealed,
    subject,
    with_signature,
)
from orchestrator.plan.codec import signed_of_old
from orchestrator.plan.values import Kind
from tests.plan.groups import NOW, group, permission, planned

PLAN = planned(group(permission(1, "20/25", Description='\u00fc "quoted"\n\u2028 \x7f \U0001f512')))
DATA = encode(PLAN)


def test_a_plan_survives_the_way_through_bytes() -> None:
    """What was written is what is read."""
    assert decode(DATA) == PLAN


def test_a_plan_of_old_has_the_digest_and_the_spelling_that_it_had() -> None:
    """It does not say who read the run; nothing in its bytes may say so now. One that says it is bound to it."""
    assert b"origin" not in DATA
    newer = sealed(replace(PLAN, origin=PlanOrigin(hub_arn="acs:ram::1:user/x", proxy="http://p:1")))
    assert decode(encode(newer)) == newer
    assert newer.digest != PLAN.digest
    with pytest.raises(DigestMismatch):
        decode(encode(newer).replace(b"user/x", b"user/y"))


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


def test_what_is_wrong_with_bytes_is_told_in_a_line() -> None:
    """A hostile key is not repeated at any length; what to do is."""
    with pytest.raises(PlanError) as caught:
        decode(b'{"' + b"x" * 10_000 + b'":1}')
    text = f"Object contains unknown field `{'x' * 10_000}"[:200]
    assert str(caught.value) == f"this is not a plan: {text}. Make it again with `sgsweep plan`"


def test_what_was_signed_of_old_is_the_digest_with_its_purpose() -> None:
    """Those signatures are still told from others, so what they are of must not change."""
    assert signed_of_old(PLAN) == b"sgsweep plan\n" + PLAN.digest.encode()


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
    with pytest.raises(
        PlanError, match=r"1000\.0 hours old, more than the 24 allowed\. Make it again with `sgsweep"
    ):
        check_age(PLAN, NOW + timedelta(hours=1000), day)
    check_age(PLAN, NOW - timedelta(minutes=5), day)
    with pytest.raises(PlanError, match="from the future"):
        check_age(PLAN, NOW - timedelta(minutes=5, seconds=1), day)
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


def _signed(name: str, at: str = "2026-03-01T12:00:00+00:00") -> Signature:
    return Signature(subject=subject(PLAN), at=at, key=name, value="AAAA")


def test_signatures_stand_beside_the_digest() -> None:
    """Signing does not change what is approved; a second signer adds to the first; one's newer stands for the older."""
    signed = with_signature(with_signature(PLAN, _signed("a")), _signed("b"))
    assert decode(encode(signed)) == signed
    assert (signed.digest, digest(signed)) == (PLAN.digest, PLAN.digest)
    again = with_signature(signed, _signed("a", "2026-03-02T12:00:00+00:00"))
    assert again.signatures == (_signed("b"), _signed("a", "2026-03-02T12:00:00+00:00"))


def test_a_plan_that_was_signed_of_old_is_read() -> None:
    """Its signatures are texts; they stay beside a new one, and the bytes are those that they were."""
    data = DATA.replace(b'"signatures":[]', b'"signatures":["c2lnbmVk"]')
    of_old = decode(data)
    assert of_old.signatures == ("c2lnbmVk",)
    assert encode(of_old) == data
    assert decode(encode(with_signature(of_old, _signed("a")))).signatures == ("c2lnbmVk", _signed("a"))


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.integers(), st.booleans(), st.none()))
    )
)
def test_any_rule_the_api_may_send_goes_through_bytes(rules: list[dict[str, object]]) -> None:
    """Whatever text a description holds."""
    action = PLAN.actions[0]
    actions = tuple([replace(action, rule_id=f"sgr-{n}", before=rule) for n, rule in enumerate(rules)])
    plan: Plan = sealed(replace(PLAN, actions=actions))
    assert decode(encode(plan)) == plan


def test_a_plan_that_names_a_rule_twice_is_refused() -> None:
    """The second change would hide the first from whoever looks a rule up."""
    action = PLAN.actions[0]
    with pytest.raises(PlanError, match=f"names rule {action.rule_id} of group .* twice"):
        decode(encode(sealed(replace(PLAN, actions=(action, replace(action, adds=()))))))


@pytest.mark.parametrize("kind", ["revoke", "split", "narrow", "block"])
def test_every_kind_of_change_can_be_read_back(kind: Kind) -> None:
    """What is written is taken by the reader."""
    plan = sealed(replace(PLAN, actions=tuple([replace(action, action=kind) for action in PLAN.actions])))
    assert decode(encode(plan)) == plan
