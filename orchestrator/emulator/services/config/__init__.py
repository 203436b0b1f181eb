"""Cloud Config 2020-09-07: what it has recorded of security groups, its rules, and their remediations."""

from __future__ import annotations

from orchestrator.emulator.services.config import resources, rules

__all__ = ["resources", "rules"]
