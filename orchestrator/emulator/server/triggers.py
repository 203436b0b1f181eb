"""What happens in the cloud by itself after a security group changed: ActionTrail tells, Cloud Config notices.

A thread follows the record of calls and does what is due: an event goes to its function after `trail_seconds`, a change
reaches Cloud Config after its lag.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from types import TracebackType
from typing import Final, Self

import msgspec

from orchestrator.emulator.framework.state import State
from orchestrator.emulator.services import actiontrail
from orchestrator.emulator.services.config import recorder
from orchestrator.emulator.services.config.recorder import Key, config_of
from orchestrator.emulator.services.function_compute import FunctionCompute

_TICK_SECONDS: Final = 0.02


class Triggers:
    """Cloud Config's recorder, EventBridge, and the functions they call. Use it as a context manager."""

    def __init__(
        self, state: State, functions: FunctionCompute, *, on_event_arn: str = "", trail_seconds: float = 0.0
    ) -> None:
        self._state = state
        self.functions = functions
        self._on_event_arn = on_event_arn
        self._trail_seconds = trail_seconds
        self._seen = len(state.record)
        self._due: list[tuple[float, int, str, object]] = []
        self._count = itertools.count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="triggers", daemon=True)
        config_of(state).invoke = functions.invoke_async

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self.functions.stop()
        config_of(self._state).invoke = None

    def _follow(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            for call in self._state.record.since(self._seen):
                self._seen += 1
                if actiontrail.is_watched(call):
                    lag = config_of(self._state).lag_seconds
                    key = Key(call.account_id, call.region_id, call.parameters.get("SecurityGroupId", ""))
                    if call.changes:
                        self._push(call.time + lag, "config", key)
                    self._push(call.time + self._trail_seconds, "trail", actiontrail.event(call))
            while self._due and self._due[0][0] <= self._state.clock():
                _, _, what, about = heapq.heappop(self._due)
                self._do(what, about)

    def _push(self, at: float, what: str, about: object) -> None:
        heapq.heappush(self._due, (at, next(self._count), what, about))

    def _do(self, what: str, about: object) -> None:
        if what == "config" and isinstance(about, Key):
            recorder.changed(self._state, about)
        elif self._on_event_arn:
            self.functions.invoke_async(self._on_event_arn, msgspec.json.encode(about))
