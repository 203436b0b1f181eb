"""ECS 2014-05-26: regions, security groups and their rules, prefix and port lists, interfaces and instances."""

from __future__ import annotations

from orchestrator.emulator.services.ecs import attachments, groups, lists, rules

__all__ = ["attachments", "groups", "lists", "rules"]
