"""TWIN: the Function Compute entry. A change is noticed, judged and remedied by the same rooms as the command.

`handler` gets what Cloud Config found non-compliant, `on_event` an event of ActionTrail by EventBridge, `evaluate` a
question of a custom Cloud Config rule. An event is only a hint where to look: the group is read anew, so a second
delivery finds nothing left to do.

It refuses to change anything without a ledger, to trust what an event says of a group, and to lose the other groups
of an event to a bad one.
"""

from orchestrator.handler.entrypoints import RemediationFailed, evaluate, handler, on_event

__all__ = ["RemediationFailed", "evaluate", "handler", "on_event"]
