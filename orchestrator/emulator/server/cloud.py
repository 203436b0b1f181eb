"""One running cloud, whatever carries its requests: what tests look at, and what they set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.emulator import services
from orchestrator.emulator.framework.bending import Bend
from orchestrator.emulator.framework.call_log import CallLog
from orchestrator.emulator.framework.faults import Fault
from orchestrator.emulator.framework.gateway import Gateway
from orchestrator.emulator.framework.identity import Caller, Keys
from orchestrator.emulator.framework.refusals import RuleRefusal
from orchestrator.emulator.framework.state import Options, State
from orchestrator.emulator.services import log_service
from orchestrator.emulator.services.log_service import Logs, Logstore
from orchestrator.emulator.world.flows import Flow
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

    @property
    def logs(self) -> Logs:
        """What Log Service holds: projects and logstores can be added, removed and changed."""
        return log_service.logs_of(self.state)

    def logstore(self, project: str, name: str) -> Logstore:
        """A logstore, whose retention and index can be set. LookupError: it is not there."""
        found = self.logs.project(self.state, project)
        if found is None or name not in found.logstores:
            raise LookupError(f"there is no logstore {name} in a project {project}")
        return found.logstores[name]

    def put_flows(self, account_id: str, region_id: str, rows: Iterable[Flow]) -> int:
        """Add flow-log records of an account's region, a million or one; their number.

        LookupError: the account has no interface in a VPC there, so nothing is logged.
        """
        return log_service.put_flows(self.state, account_id, region_id, rows)

    def gather_flows(self, project: str, account_id: str, region_id: str, rows: Iterable[Flow]) -> Logstore:
        """A project of an account in a region that has these flow-log records, of its own accounts or of others."""
        store = log_service.add_flow_logstore(self.state, project, account_id, region_id)
        self.logs.insert(store, rows)
        return store

    def put_logs(self, project: str, logstore: str, logs: Iterable[Mapping[str, object]]) -> int:
        """Add logs by field name, `__time__` among them; their number. LookupError, ValueError: they do not fit."""
        return self.logs.insert_logs(self.logstore(project, logstore), logs, self.state.clock())

    def add_trail(
        self,
        project: str,
        account_id: str,
        region_id: str,
        trail: str,
        events: Iterable[Mapping[str, object]] = (),
    ) -> Logstore:
        """A trail that is delivered to a project, with the events that ActionTrail has delivered so far."""
        store = log_service.add_trail(self.state, project, account_id, region_id, trail)
        log_service.put_events(self.state, store, events)
        return store

    def set_faults(self, *faults: Fault) -> None:
        """Replace the faults in force; none given: nothing goes wrong from now on."""
        self.state.faults.set(faults)

    def refuse_rules(self, *refusals: RuleRefusal) -> None:
        """Replace the refusals of single rules; none given: every rule is taken from now on."""
        self.state.refusals.set(refusals)

    def bend(self, *bends: Bend, seed: int | None = None) -> None:
        """Replace the lies in force; none given: the truth is told from now on. `state.bends.log` has what was bent."""
        self.state.bends.set(bends, seed)
