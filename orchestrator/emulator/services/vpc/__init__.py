"""VPC 2016-04-28: networks with their tags, flow logs, NAT gateways with their DNAT entries, and network ACLs.

Importing the modules registers their operations.
"""

from __future__ import annotations

from orchestrator.emulator.services.vpc import flow_logs, nat_gateways, network_acls, vpcs

__all__ = ["flow_logs", "nat_gateways", "network_acls", "vpcs"]
