"""WHAT: a security group and its rules as values, from the API and back to the API.

Pure: no I/O, no clock, no log. It owns the API's field names and spellings; beyond it nobody looks into
a Permission. It judges nothing.
"""

from orchestrator.securitygroup.reading import parse_group, parse_rule, referenced_lists
from orchestrator.securitygroup.texts import (
    PROTOCOL_NAMES,
    PROTOCOL_NUMBERS,
    parse_cidr,
    parse_port_range,
    parse_protocol,
)
from orchestrator.securitygroup.values import (
    ALL_PORTS,
    MAX_PORT,
    NO_LISTS,
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
)
from orchestrator.securitygroup.writing import authorize_parameters, content_digest

__all__ = [
    "ALL_PORTS",
    "MAX_PORT",
    "NO_LISTS",
    "PROTOCOL_NAMES",
    "PROTOCOL_NUMBERS",
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
    "parse_cidr",
    "parse_group",
    "parse_port_range",
    "parse_protocol",
    "parse_rule",
    "referenced_lists",
]
