"""What refusals and lies go by: who asks what, and about which place. A `Context` is one.

It is here, apart from `Context`, because a context holds the state of the cloud, and that the refusals and the lies.
"""

from __future__ import annotations

from typing import Protocol

from orchestrator.emulator.framework.parameters import Parameters


class CalledOperation(Protocol):
    """The operation that is called."""

    @property
    def product(self) -> str:
        """As in the endpoint's name: `ecs`."""

    @property
    def action(self) -> str:
        """As the API names it: `DescribeSecurityGroups`."""

    @property
    def listing(self) -> tuple[str, ...]:
        """The path of the array in its answer; empty where there is none."""


class CallQuestion(Protocol):
    """One call, as far as it says whom it concerns."""

    @property
    def operation(self) -> CalledOperation:
        """What is called."""

    @property
    def account_id(self) -> str:
        """The account it acts in."""

    @property
    def region_id(self) -> str:
        """Its region; "" for none."""

    @property
    def parameters(self) -> Parameters:
        """What it was sent."""

    @property
    def request_id(self) -> str:
        """Its RequestId."""
