"""One running cloud, whatever carries its requests: what tests look at, and what they set."""

from __future__ import annotations

from orchestrator.emulator import services
from orchestrator.emulator.framework.bending import Bend
from orchestrator.emulator.framework.call_log import CallLog
from orchestrator.emulator.framework.faults import Fault
from orchestrator.emulator.framework.gateway import Gateway
from orchestrator.emulator.framework.identity import Caller, Keys
from orchestrator.emulator.framework.refusals import RuleRefusal
from orchestrator.emulator.framework.state import Options, State
from orchestrator.emulator.world.model import Statement
from orchestrator.emulator.world.policies import ADMINISTRATOR
from orchestrator.emulator.world.world import World

services.load()


class Cloud:
    """A world with its state and the gateway to it."""

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.state = State(world, options)
        self._gateway = Gateway(self.state)

    @property
    def calls(self) -> CallLog:
        """Every call that was answered."""
        return self.state.record

    @property
    def hub_credentials(self) -> Keys:
        """The keys of the hub's RAM user."""
        return self.state.hub.keys

    def add_user(
        self, account_id: str, name: str = "somebody", statements: tuple[Statement, ...] = ADMINISTRATOR
    ) -> Keys:
        """Another RAM user with keys: a neighbour who shares the limits, or a change from outside."""
        return self.state.identities.add_user(account_id, name, statements).keys

    def enter(self, account_id: str, role: str, session: str = "test", seconds: float = 3600) -> Caller:
        """A session of a role without asking STS, for tests."""
        found = self.world.role(account_id, role)
        if found is None:
            raise LookupError(f"account {account_id} has no role {role}")
        return self.state.identities.open_session(account_id, found, session, self.state.clock() + seconds)

    def set_faults(self, *faults: Fault) -> None:
        """Replace the faults in force; none given: nothing goes wrong from now on."""
        self.state.faults.set(faults)

    def refuse_rules(self, *refusals: RuleRefusal) -> None:
        """Replace the refusals of single rules; none given: every rule is taken from now on."""
        self.state.refusals.set(refusals)

    def bend(self, *bends: Bend, seed: int | None = None) -> None:
        """Replace the lies in force; none given: the truth is told from now on. `state.bends.log` has what was bent."""
        self.state.bends.set(bends, seed)
