"""Alibaba Cloud on loopback: for the demo, the tests and users' own CI. Shares no code with other rooms."""

from __future__ import annotations

from orchestrator.emulator.framework.bending import BENDS, Bend, BendKind, Bent
from orchestrator.emulator.framework.call_log import CallLog, LoggedCall
from orchestrator.emulator.framework.faults import Fault, Kind
from orchestrator.emulator.framework.identity import Keys
from orchestrator.emulator.framework.quirks import GoneRule, Quirks, RuleCount, UncertainError
from orchestrator.emulator.framework.refusals import RuleRefusal
from orchestrator.emulator.framework.state import Options
from orchestrator.emulator.framework.throttle import Throttle
from orchestrator.emulator.framework.variants import VARIANTS
from orchestrator.emulator.server.http_server import Emulator
from orchestrator.emulator.server.inprocess import Hook, InProcess, Moment
from orchestrator.emulator.server.serve import read_fault, read_quirks, serve
from orchestrator.emulator.world.expected import Expected
from orchestrator.emulator.world.flows import Flow
from orchestrator.emulator.world.model import Group, Role, Rule, Statement, Tag
from orchestrator.emulator.world.organization import WorldOutline
from orchestrator.emulator.world.world import World, differences

__all__ = [
    "BENDS",
    "VARIANTS",
    "Bend",
    "BendKind",
    "Bent",
    "CallLog",
    "Emulator",
    "Expected",
    "Fault",
    "Flow",
    "GoneRule",
    "Group",
    "Hook",
    "InProcess",
    "Keys",
    "Kind",
    "LoggedCall",
    "Moment",
    "Options",
    "Quirks",
    "Role",
    "Rule",
    "RuleCount",
    "RuleRefusal",
    "Statement",
    "Tag",
    "Throttle",
    "UncertainError",
    "World",
    "WorldOutline",
    "differences",
    "read_fault",
    "read_quirks",
    "serve",
]
