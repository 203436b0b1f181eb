"""The entry points of the function, at the root of its zip: `index.handler`, `index.evaluate`, `index.on_event`."""

from orchestrator.handler import evaluate, handler, on_event

__all__ = ["evaluate", "handler", "on_event"]
