"""The record of every call: what tests judge a client by. It is the emulator's own, not the client's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call as it was answered. `account_id` is the account acted in, "" where the caller was not known.

    `status` is 0 where the connection was reset; `code` is "" for success; `fault` names the injected fault,
    "" for none; `bent` the kind of lie that was answered; `changes` says what the call changed, also where the
    caller never learned of it.
    """

    time: float
    account_id: str
    region_id: str
    action: str
    wire: str
    status: int
    code: str
    request_id: str
    caller_arn: str
    scheme: str = ""
    fault: str = ""
    changes: tuple[dict[str, object], ...] = ()
    bent: str = ""
    user_agent: str = ""
    access_key_id: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters as they were sent, decoded."""
        return dict(parse_qsl(self.wire, keep_blank_values=True))

    def plain(self) -> dict[str, object]:
        """The call for JSON."""
        return {
            "time": self.time,
            "account_id": self.account_id,
            "region_id": self.region_id,
            "action": self.action,
            "parameters": self.parameters,
            "status": self.status,
            "code": self.code,
            "request_id": self.request_id,
            "caller_arn": self.caller_arn,
            "scheme": self.scheme,
            "fault": self.fault,
            "bent": self.bent,
            "changes": list(self.changes),
        }


class CallLog:
    """All calls in the order of their answers. A sequence, with a few questions tests often ask."""

    def __init__(self) -> None:
        self._calls: list[LoggedCall] = []

    def append(self, call: LoggedCall) -> None:
        """Add a call."""
        self._calls.append(call)

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[LoggedCall]:
        return iter(tuple(self._calls))

    def __getitem__(self, index: int) -> LoggedCall:
        return self._calls[index]

    def since(self, index: int) -> tuple[LoggedCall, ...]:
        """The calls from a position on."""
        return tuple(self._calls[index:])

    def of(
        self, action: str, account_id: str | None = None, region_id: str | None = None
    ) -> tuple[LoggedCall, ...]:
        """The calls of an action, in an account and region where given."""
        return self.where(
            lambda call: (
                call.action == action
                and account_id in {None, call.account_id}
                and region_id in {None, call.region_id}
            )
        )

    def where(self, test: Callable[[LoggedCall], bool]) -> tuple[LoggedCall, ...]:
        """The calls that pass a test."""
        return tuple(call for call in self if test(call))

    def changes(self) -> tuple[tuple[LoggedCall, dict[str, object]], ...]:
        """Every change to the world with the call that made it, in order."""
        return tuple((call, change) for call in self for change in call.changes)
