"""A plan as bytes and back: one spelling only, bound to its digest, its signatures, its age and its cloud."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from orchestrator.approval import Signature, SignedSubject, added, instant
from orchestrator.plan.values import DigestMismatch, Plan, PlanError

VERSION = 1
_HEX = re.compile(r"[0-9a-f]{64}")
_CLOCK_SKEW = timedelta(minutes=5)
_encode = msgspec.json.Encoder(order="sorted").encode


def digest(plan: Plan) -> str:
    """SHA-256, hex, over the canonical JSON (sorted keys, no spaces, UTF-8) of all but digest and signatures."""
    body = msgspec.structs.asdict(plan)
    del body["digest"], body["signatures"]
    if plan.origin is msgspec.UNSET:
        del body["origin"]
    return hashlib.sha256(_encode(body)).hexdigest()


def sealed(plan: Plan) -> Plan:
    """The plan with its digest."""
    return replace(plan, digest=digest(plan))


def encode(plan: Plan) -> bytes:
    """The only bytes that `decode` takes for this plan, a newline at the end."""
    return _encode(plan) + b"\n"


def decode(data: bytes) -> Plan:
    """The plan of these bytes.

    Raises:
        PlanError: they are no plan, of another format, or not spelled as `encode` spells them.
        DigestMismatch: the plan's own digest does not fit what it says.
    """
    try:
        plan = msgspec.json.decode(data, type=Plan)
        spelled = encode(plan)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise PlanError(f"this is not a plan: {_short(error)}. {_AGAIN}") from None
    if plan.version != VERSION:
        raise PlanError(f"the plan has format {plan.version}, this sgsweep knows format {VERSION}. {_AGAIN}")
    if not hmac.compare_digest(digest(plan).encode(), plan.digest.encode()):
        raise DigestMismatch(f"the plan was changed: its digest does not fit what it says. {_AGAIN}")
    twice = [one for one, count in Counter((a.place, a.rule_id) for a in plan.actions).items() if count > 1]
    if twice:
        raise PlanError(
            f"the plan names rule {twice[0][1]} of group {twice[0][0].security_group_id} twice. {_AGAIN}"
        )
    if spelled != data:
        raise DigestMismatch(f"the plan was changed: it is not spelled as it was written. {_AGAIN}")
    return plan


def check_digest(data: bytes, given: str | None) -> Plan:
    """The plan of these bytes, if it is the one whose digest was given. What cannot be compared is refused.

    Raises:
        PlanError: the bytes are no plan.
        DigestMismatch: no digest was given, what was given is none, or it is another plan's.
    """
    if not given:
        raise DigestMismatch("no digest was given: pass the one that `sgsweep plan` printed, with --digest")
    if not _HEX.fullmatch(given):
        raise DigestMismatch(
            f"what was given is no digest: it has {len(given)} characters, a digest has 64, of 0-9 and a-f"
        )
    plan = decode(data)
    if not hmac.compare_digest(plan.digest.encode(), given.encode()):
        raise DigestMismatch(
            f"this is another plan: its digest is {plan.digest}, {given} was given. Read it, then give its own"
        )
    return plan


def check_age(plan: Plan, now: datetime, max_age: timedelta) -> None:
    """Refuse a plan that is too old, or from the future, or does not say when it was made.

    Raises:
        PlanError: it is one of these.
    """
    made = instant(plan.created_at)
    if made is None:
        raise PlanError(f"the plan does not say when it was made: {plan.created_at!r} is no time. {_AGAIN}")
    if now - made > max_age:
        hours = (now - made).total_seconds() / 3600
        most = max_age.total_seconds() / 3600
        raise PlanError(f"the plan is {hours:.1f} hours old, more than the {most:g} allowed. {_AGAIN}")
    if made - now > _CLOCK_SKEW:
        raise PlanError(f"the plan is from the future, {plan.created_at}: a clock is wrong, here or there")


def check_identity(plan: Plan, hub_account_id: str, endpoint: str) -> None:
    """Refuse a plan that was made for another organization or another cloud.

    Raises:
        PlanError: it was.
    """
    if plan.hub_account_id != hub_account_id:
        raise PlanError(
            f"the plan was made with hub {plan.hub_account_id or '(none)'}, these credentials are of "
            f"{hub_account_id or '(none)'}. Use the credentials the scan was made with"
        )
    if plan.endpoint != endpoint:
        raise PlanError(
            f"the plan was made against {plan.endpoint or '(none)'}, this is {endpoint or '(none)'}. "
            "A plan is carried out on the cloud it was made for"
        )


def subject(plan: Plan) -> SignedSubject:
    """What a signature of the plan is of (see `approval`)."""
    return SignedSubject(
        purpose="plan", digest=plan.digest, organization=plan.hub_account_id, endpoint=plan.endpoint
    )


def signed_of_old(plan: Plan) -> bytes:
    """What an sgsweep of old signed of a plan."""
    return b"sgsweep plan\n" + plan.digest.encode()


def with_signature(plan: Plan, signature: Signature) -> Plan:
    """The plan with one more signature; its digest stays."""
    return replace(plan, signatures=added(plan.signatures, signature))


_AGAIN = "Make it again with `sgsweep plan`"


def _short(error: Exception) -> str:
    return str(error)[:200]
