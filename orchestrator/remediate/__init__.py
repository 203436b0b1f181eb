"""ACT: carry out a plan, or undo it: intent, call, re-read, outcome; safe to deliver any number of times.

A change is a state to reach, not a call to make: the group is read, what is missing is written down as intended,
called for, and read again. What a crash, a lost answer or a second delivery leaves half done is finished by the
same steps, because they begin with looking. Rules are added before others go, so no legitimate packet is lost on
the way, and what changed since the plan is left alone.

It refuses to judge (the plan has), to fan out over accounts (`run` does), and to change what no plan names.
"""

from orchestrator.remediate.account import remediate_account, roll_back_account
from orchestrator.remediate.bounds import SessionPart, session_parts, session_policies, waves
from orchestrator.remediate.calls import ChangeSession, ChangeTurn
from orchestrator.remediate.desired_state import GroupRules, Removal, Restoral, Target
from orchestrator.remediate.drift import RuleDrift, differences, expectations
from orchestrator.remediate.guard import Guard
from orchestrator.remediate.kill_switch import Brake, Stopped
from orchestrator.remediate.records import Order
from orchestrator.remediate.recurrence import removed_before
from orchestrator.remediate.rollback import Undo, disagreement, encode_undos, rollback_job, undos
from orchestrator.remediate.settings import Settings
from orchestrator.remediate.undo_rights import lacking_right, undoing_policy

__all__ = [
    "Brake",
    "ChangeSession",
    "ChangeTurn",
    "GroupRules",
    "Guard",
    "Order",
    "Removal",
    "Restoral",
    "RuleDrift",
    "SessionPart",
    "Settings",
    "Stopped",
    "Target",
    "Undo",
    "differences",
    "disagreement",
    "encode_undos",
    "expectations",
    "lacking_right",
    "remediate_account",
    "removed_before",
    "roll_back_account",
    "rollback_job",
    "session_parts",
    "session_policies",
    "undoing_policy",
    "undos",
    "waves",
]
