"""What may be changed and how it is carried out: [remediation] as a value, checked where it is made."""

from __future__ import annotations

from orchestrator import plan
from orchestrator.plan import PlanError
from orchestrator.remediate.bounds import waves
from orchestrator.remediate.calls import RevokeBy


class Settings(plan.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan may hold, and how a plan is carried out.

    Attributes:
        max_age_hours: a plan older than this is refused.
        max_failure_rate: when more than this part of the changes has failed, no more is begun; 1 never stops.
        waves: sizes such as "1 account", "20 accounts" or "5%": each is carried out before the next begins.
        wait_seconds: how long a change may take to show when the group is read again.
        first_wait_seconds: before reading once more; doubled each time.
        rounds: how often what did not take is tried, before it is `failed`.
        revoke_by: "id" names a rule to be revoked by its id: should its owner repair it in place within the last round
            trip, the repaired rule goes. "content" gives all its fields: one that was changed cannot match, and stays.
    """

    max_age_hours: float = 24.0
    max_failure_rate: float = 0.2
    waves: tuple[str, ...] = ("100%",)
    wait_seconds: float = 15.0
    first_wait_seconds: float = 0.5
    rounds: int = 4
    revoke_by: RevokeBy = "id"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            PlanError: it says which setting, and what to do.
        """
        super().__post_init__()
        for name in ("max_age_hours", "wait_seconds", "first_wait_seconds"):
            if not getattr(self, name) > 0:
                raise PlanError(f"[remediation] {name} is {getattr(self, name)}; give more than 0")
        if not 0 <= self.max_failure_rate <= 1:
            raise PlanError(
                f"[remediation] max_failure_rate is {self.max_failure_rate}; it must lie between 0 and 1"
            )
        if self.rounds < 1:
            raise PlanError(f"[remediation] rounds is {self.rounds}; give 1 or more")
        try:
            waves((), self.waves)
        except ValueError as error:
            raise PlanError(f"[remediation] waves: {error}") from None
        if not self.waves:
            raise PlanError(
                '[remediation] waves is empty; give sizes like "1 account" or "5%", or "100%" alone'
            )
