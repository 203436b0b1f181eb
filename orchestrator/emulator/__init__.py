"""Alibaba Cloud on loopback: for the demo, the tests and users' own CI. Shares no code with other rooms."""

from __future__ import annotations

from orchestrator.emulator.bending import BENDS, Bend, BendKind, Bent
from orchestrator.emulator.faults import Fault, Kind
from orchestrator.emulator.identity import Keys
from orchestrator.emulator.inprocess import Hook, InProcess, Moment
from orchestrator.emulator.model import Group, Role, Rule, Statement, Tag
from orchestrator.emulator.quirks import GoneRule, Quirks, Refusal, RuleCount
from orchestrator.emulator.record import Call, Record
from orchestrator.emulator.refusals import RuleRefusal
from orchestrator.emulator.serve import read_fault, read_quirks, serve
from orchestrator.emulator.server import Emulator
from orchestrator.emulator.state import Options
from orchestrator.emulator.throttle import Throttle
from orchestrator.emulator.variants import VARIANTS
from orchestrator.emulator.world import World, differences

__all__ = [
    "BENDS",
    "VARIANTS",
    "Bend",
    "BendKind",
    "Bent",
    "Call",
    "Emulator",
    "Fault",
    "GoneRule",
    "Group",
    "Hook",
    "InProcess",
    "Keys",
    "Kind",
    "Moment",
    "Options",
    "Quirks",
    "Record",
    "Refusal",
    "Role",
    "Rule",
    "RuleCount",
    "RuleRefusal",
    "Statement",
    "Tag",
    "Throttle",
    "World",
    "differences",
    "read_fault",
    "read_quirks",
    "serve",
]
