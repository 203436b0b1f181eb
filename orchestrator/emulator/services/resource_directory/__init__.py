"""The Resource Directory: folders and members, and the control policies that bound what members may do."""

from __future__ import annotations

from orchestrator.emulator.services.resource_directory import control_policies, directory

__all__ = ["control_policies", "directory"]
