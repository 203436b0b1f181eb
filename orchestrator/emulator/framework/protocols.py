"""How a family of products is spoken: how a call is read and verified, what refusals are called, and how answers look.

Most products speak RPC (`rpc.py`). A product that does not adds a protocol of its own to `PROTOCOLS`; the way through
the cloud is the same for all (`gateway.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.faults import Fault
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.operations import Answer, Context, Operation
from orchestrator.emulator.framework.signature import SignedRequest, WireRequest
from orchestrator.emulator.framework.state import State

JSON: Final = "application/json;charset=utf-8"


@dataclass(slots=True)
class Reply:
    """An answer, what the wire does to it (`fault`), and how long it is made to take (`seconds`)."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON
    fault: Fault | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that was refused, as far as it was understood."""

    error: ApiError
    request_id: str
    operation: Operation | None
    region_id: str


class Protocol(ABC):
    """One way to speak to the cloud.

    Attributes:
        bendable: whether lies may be told in its answers, which are JSON then.
    """

    bendable = True

    @abstractmethod
    def claims(self, request: WireRequest) -> bool:
        """Whether a request is in this protocol."""

    @abstractmethod
    def read(self, request: WireRequest) -> SignedRequest:
        """Take a request apart; ApiError where parts of the signature are missing."""

    def region_of(self, state: State, signed: SignedRequest) -> str:  # noqa: ARG002 - others need it
        """The region that a call is about, "" where it does not say."""
        return signed.parameters.get("RegionId", "")

    @abstractmethod
    def identify(self, state: State, signed: SignedRequest, now: float) -> Caller:
        """Who signed the request; ApiError where nobody has the key, or the signature or its date does not hold."""

    @abstractmethod
    def admit(self, state: State, caller: Caller, signed: SignedRequest, now: float) -> None:
        """Raise ApiError where the caller's session is over, or the request came before."""

    @abstractmethod
    def unknown(self) -> ApiError:
        """The refusal of an action that is not there."""

    @abstractmethod
    def denied(self, context: Context) -> ApiError:
        """The refusal of who lacks the right."""

    @abstractmethod
    def struck(self, context: Context, fault: Fault) -> ApiError:
        """The refusal of a fault that strikes before anything is done."""

    @abstractmethod
    def answer(self, answer: Answer, request_id: str) -> Reply:
        """An answer for the wire."""

    @abstractmethod
    def refusal(self, state: State, refused: Refused) -> Reply:
        """A refusal for the wire."""


PROTOCOLS: list[Protocol] = []
"""Asked in turn whether a request is theirs; where it is nobody's, it is RPC."""


def internal_error() -> ApiError:
    """What a cloud says that does not know what went wrong."""
    return ApiError(500, "InternalError", "The request processing has failed due to some unknown error.")
