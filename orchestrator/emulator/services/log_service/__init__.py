"""Simple Log Service 2020-12-30: logs of a project's logstores, searched and analysed by SQL on real rows."""

from __future__ import annotations

from orchestrator.emulator.services.log_service import operations, protocol
from orchestrator.emulator.services.log_service.logstores import (
    Field,
    Logs,
    Logstore,
    Project,
    add_flow_logstore,
    logs_of,
    put_flows,
)
from orchestrator.emulator.services.log_service.trails import add_trail, put_events

__all__ = [
    "Field",
    "Logs",
    "Logstore",
    "Project",
    "add_flow_logstore",
    "add_trail",
    "logs_of",
    "operations",
    "protocol",
    "put_events",
    "put_flows",
]
