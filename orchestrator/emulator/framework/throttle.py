"""Flow control as the cloud does it: a limit for each account x region x API.

Two kinds: calendar windows (the limit is free again when the next window begins) and token buckets. The
refusal may carry a hint: `x-acs-retry-after` in milliseconds, or the older `x-ratelimit-user-api` header.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field


class Throttle(Struct, frozen=True, kw_only=True):
    """How calls are limited.

    `limit` calls for each `window_seconds`; `per_api` overrides the limit by action name. `kind="bucket"`
    refills steadily and holds at most `burst` (default: `limit`). `hint` is what a refused caller is told; "always"
    tells every caller how much is left.
    `sts_limit` is the limit of AssumeRole for the calling account, each `sts_window_seconds`.
    """

    limit: int | None = None
    window_seconds: float = 60.0
    kind: Literal["window", "bucket"] = "window"
    burst: int | None = None
    hint: Literal["none", "retry-after", "ratelimit", "always"] = "none"
    per_api: Mapping[str, int] = field(default_factory=dict)
    accounts: Mapping[str, int] = field(default_factory=dict)
    sts_limit: int | None = None
    sts_window_seconds: float = 1.0


NO_LIMITS = Throttle()


class Meter:
    """Counts the calls and says how long a refused one would have to wait."""

    def __init__(self, rules: Throttle) -> None:
        self.rules = rules
        self._windows: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._buckets: dict[tuple[str, str, str], tuple[float, float]] = {}

    def take(
        self, account_id: str, region_id: str, product: str, action: str, now: float, own: int = 0
    ) -> float:
        """0.0 where the call is within its limit, else the seconds until one would be.

        `own` is how many calls a second an API takes that has a limit of its own.
        """
        rules, key = self.rules, (account_id, region_id, action)
        limit, window = self._limit(key, product, own)
        if limit is None:
            return 0.0
        if rules.kind == "bucket":
            return self._take_token(key, limit / window, own or rules.burst or limit, now)
        return self._take_window(key, limit, window, now)

    def _limit(self, key: tuple[str, str, str], product: str, own: int) -> tuple[int | None, float]:
        """How many calls there may be in how many seconds; None for any number."""
        rules, (account_id, _, action) = self.rules, key
        if product == "sts":
            return rules.per_api.get(action, rules.sts_limit), rules.sts_window_seconds
        usual = rules.accounts.get(account_id, rules.limit)
        if own and usual is not None and action not in rules.per_api:
            return own, 1.0
        return rules.per_api.get(action, usual), rules.window_seconds

    def told(self, key: tuple[str, str, str], product: str, now: float, own: int = 0) -> dict[str, str]:
        """What an answer that was not refused says of its limit, where every answer does."""
        limit, window = self._limit(key, product, own)
        if self.rules.hint != "always" or limit is None:
            return {}
        if self.rules.kind == "bucket":
            left, until = int(self._buckets[key][0]), 0.0
        else:
            number, used = self._windows[key]
            left, until = limit - used, (number + 1) * window - now
        text = f"Limit:{limit},Remain:{left},TimeLeft:{math.ceil(until * 1000)},Reset:0"
        return {"x-ratelimit-user-api": text}

    def _take_window(self, key: tuple[str, str, str], limit: int, window: float, now: float) -> float:
        number = math.floor(now / window)
        current, used = self._windows.get(key, (number, 0))
        if current != number:
            used = 0
        if used >= limit:
            return (number + 1) * window - now
        self._windows[key] = (number, used + 1)
        return 0.0

    def _take_token(self, key: tuple[str, str, str], rate: float, burst: float, now: float) -> float:
        tokens, before = self._buckets.get(key, (float(burst), now))
        tokens = min(burst, tokens + (now - before) * rate)
        if tokens < 1.0:
            self._buckets[key] = (tokens, now)
            return (1.0 - tokens) / rate
        self._buckets[key] = (tokens - 1.0, now)
        return 0.0

    def headers(self, wait_seconds: float) -> dict[str, str]:
        """The hint that a refusal carries."""
        milliseconds = max(1, math.ceil(wait_seconds * 1000))
        if self.rules.hint == "retry-after":
            return {"x-acs-retry-after": str(milliseconds)}
        if self.rules.hint in {"ratelimit", "always"}:
            return {
                "x-ratelimit-user-api": f"Limit:{self.rules.limit},Remain:0,TimeLeft:{milliseconds},Reset:0"
            }
        return {}
