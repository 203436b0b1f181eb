"""WHAT: a security group and its rules as values, from the API and back to the API.

Pure: no I/O, no clock, no log. It owns the API's field names and spellings; beyond it nobody looks into
a Permission. It judges nothing.
"""

from orchestrator.securitygroup.parsing import parse_group, parse_rule, referenced_lists
from orchestrator.securitygroup.serialization import authorize_parameters, content_digest, modify_parameters
from orchestrator.securitygroup.texts import (
    PROTOCOL_NAMES,
    PROTOCOL_NUMBERS,
    parse_cidr,
    parse_port_range,
    parse_ports,
)
from orchestrator.securitygroup.values import (
    MAX_PORT,
    NO_LISTS,
    NOT_BALANCED,
    WITH_PORTS,
    Balancer,
    Balancing,
    Cidr,
    Direction,
    GroupRef,
    Lists,
    Placement,
    Policy,
    PortRange,
    PrefixList,
    Rule,
    SecurityGroup,
    Source,
    Unreadable,
    every_port,
)

__all__ = [
    "MAX_PORT",
    "NOT_BALANCED",
    "NO_LISTS",
    "PROTOCOL_NAMES",
    "PROTOCOL_NUMBERS",
    "WITH_PORTS",
    "Balancer",
    "Balancing",
    "Cidr",
    "Direction",
    "GroupRef",
    "Lists",
    "Placement",
    "Policy",
    "PortRange",
    "PrefixList",
    "Rule",
    "SecurityGroup",
    "Source",
    "Unreadable",
    "authorize_parameters",
    "content_digest",
    "every_port",
    "modify_parameters",
    "parse_cidr",
    "parse_group",
    "parse_port_range",
    "parse_ports",
    "parse_rule",
    "referenced_lists",
]
