"""What a plan says, as values: actions, what undoes them, and what is left alone with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from orchestrator.approval import Signature
from orchestrator.exposure import balancer_of
from orchestrator.securitygroup import content_digest

Kind = Literal["revoke", "split", "narrow", "block"]
Fields = dict[str, Any]
"""A rule in the API's own field names, ready for `securitygroup.authorize_parameters`."""


class PlanError(ValueError):
    """A plan, or a setting for one, that cannot be used; the text says what is wrong with it and what to do."""


class DigestMismatch(PlanError):  # noqa: N818  (named by what is the case, as the API's errors are)
    """The plan is not the one that was approved, or it was changed after it was written."""


class UnsafePlan(PlanError):  # noqa: N818  (the same)
    """The plan is intact, but carrying it out would break a limit that was set."""


class Place(NamedTuple):
    """A security group. Actions of one place are carried out together."""

    account_id: str
    region_id: str
    security_group_id: str


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of plan.json: an unknown key is an error."""


class Inverse(_Value, frozen=True, kw_only=True):
    """What a rollback does, by content, as ids are new then: first authorize, then modify, then revoke.

    Attributes:
        authorize: the rules to add again; one that is there already needs nothing.
        modify: the fields that ModifySecurityGroupRule gives back to the rule, which kept its id; None if it
            was not modified.
        revoke: the rules to remove: those that this action added, never one that was there before it.
    """

    authorize: tuple[Fields, ...] = ()
    modify: Fields | None = None
    revoke: tuple[Fields, ...] = ()


class Action(_Value, frozen=True, kw_only=True):
    """One rule to change.

    Attributes:
        account_id: where.
        region_id: where.
        security_group_id: where.
        rule_id: the rule, `sgr-...`; the load balancer, `nlb-...` or `alb-...`, for what no rule but it lets in.
        action: `revoke`: it goes. `split`: `adds` stand in its place, then it goes. `narrow`: the same, or it
            keeps its id and gets the fields of `modify`. `block`: it stays, and `adds` are drops that win over it.
        check_ids: why.
        before: the rule as the API gave it; one that looks otherwise by now has drifted.
        adds: the rules that must stand before the rule goes, each in full. Some may stand already: then there
            is nothing to add. Two actions of a group may need the same one.
        modify: what ModifySecurityGroupRule sets; None where the rule goes or stays as it is.
        inverse: what undoes it.
        lists: the entries of the prefix and port lists that the rule and what stands in its place name, as they were
            judged: a list that holds others by now is another rule. Absent where none is named.
        closes: for people: the ports and sources that close, and the protocols that cannot be added again.
        notes: for people: that the rule came back before, that a pipeline owns the group, and so on.
    """

    account_id: str
    region_id: str
    security_group_id: str
    rule_id: str
    action: Kind
    check_ids: tuple[str, ...]
    before: Fields
    adds: tuple[Fields, ...] = ()
    modify: Fields | None = None
    inverse: Inverse
    lists: dict[str, tuple[str, ...]] | msgspec.UnsetType = msgspec.UNSET
    closes: str
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """The group that the rule is in."""
        return Place(self.account_id, self.region_id, self.security_group_id)

    @property
    def revokes(self) -> bool:
        """Whether the rule itself is removed, after `adds` stand."""
        return self.action != "block" and self.modify is None

    @property
    def is_balancers(self) -> bool:
        """Whether it is about what a load balancer lets in: no rule of the group stands for that, so none can drift."""
        return bool(balancer_of(self.before))

    @property
    def direction(self) -> Literal["ingress", "egress"]:
        """Which pair of the API's actions is meant: those that end in Egress or those that do not."""
        return "egress" if str(self.before.get("Direction", "")).lower() == "egress" else "ingress"


BALANCERS_UNKNOWN = "balancers_unknown: "
"""How a note begins that tells that a load balancer may let in what the change closes."""

RETURNED = "returned: "
"""How a reason or a note begins that tells of a rule which came back after it was removed."""


class Skipped(_Value, frozen=True, kw_only=True):
    """Something that is left alone; None where it is not known that closely."""

    account_id: str
    region_id: str | None
    security_group_id: str | None
    rule_id: str | None
    reason: str
    check_ids: tuple[str, ...] = ()

    @property
    def has_returned(self) -> bool:
        """Whether it is left alone because it came back too often."""
        return self.reason.startswith(RETURNED)


class PlanOrigin(_Value, frozen=True, kw_only=True):
    """Who read what a plan was made from, and by which way.

    Attributes:
        hub_arn: ARN of the caller (STS GetCallerIdentity).
        proxy: the proxy that calls went by, without user and password; empty for none.
        ca_sha256: SHA-256 of each certificate that was trusted beside the system's own; empty for none.
    """

    hub_arn: str
    proxy: str = ""
    ca_sha256: str = ""


class Plan(_Value, frozen=True, kw_only=True):
    """What is to be done, exactly; nothing else is.

    Attributes:
        digest: SHA-256, hex, over the canonical JSON of all the rest but the signatures.
        run_id: the run it was made from.
        created_at: ISO 8601, UTC.
        hub_account_id: the organization it was made for.
        endpoint: the identity of the cloud it was made for.
        origin: who read what it was made from; plans of old do not say, and are spelled without it.
        actions: by account, region and group.
        skipped: what is left alone, and why.
        incident: the incident's name, if any.
        version: of this format.
        signatures: of whoever approves it; each may add one. A text is a signature of an sgsweep of old.
    """

    digest: str = ""
    run_id: str
    created_at: str
    hub_account_id: str
    endpoint: str
    origin: PlanOrigin | msgspec.UnsetType = msgspec.UNSET
    actions: tuple[Action, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    incident: str = ""
    version: int = 1
    signatures: tuple[Signature | str, ...] = ()


def return_key(place: Place, rule: Mapping[str, object]) -> str:
    """Names a rule by its group and content, so that one which came back under a new id is known again."""
    return "/".join((*place, content_digest(rule)))
