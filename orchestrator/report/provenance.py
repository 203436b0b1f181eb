"""What a report says of the record of a run: how long it is, who signed it; and of the waivers it was judged with."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestrator.approval import Signature
from orchestrator.policy import Exemption

_ABOUT = ("id", "owner", "reason", "expires", "member_writable")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The audit record of a run as it stood when the report was made. Nothing of it is checked here.

    Attributes:
        entries: how many there are.
        chains: of how many accounts.
        digest: SHA-256, hex, of the manifest: what a signature is of.
        signatures: those that it bears; a text is one of an sgsweep of old.
        problem: why nothing can be said of it, "" where something can.
    """

    entries: int = 0
    chains: int = 0
    digest: str = ""
    signatures: tuple[Signature | str, ...] = ()
    problem: str = ""

    def is_of_this(self, signature: Signature | str) -> bool:
        """Whether the signature is of the record as it is, and not of an earlier state."""
        return isinstance(signature, Signature) and signature.subject.digest == self.digest


class Waiver(msgspec.Struct, frozen=True):
    """An exemption of the run.

    Attributes:
        exemption: as it was written.
        scope: what it is limited to, in its own keys.
        is_over: it had ended when the run began.
        covers: how many findings it exempts.
    """

    exemption: Exemption
    scope: str
    is_over: bool
    covers: int

    @property
    def until(self) -> str:
        """Its last day."""
        return self.exemption.expires.date().isoformat()


def waiver(exemption: Exemption, began: datetime, covers: int) -> Waiver:
    """Return what is told of an exemption.

    Args:
        exemption: as it was written.
        began: when the run began.
        covers: how many findings it exempts.
    """
    given = {key: getattr(exemption, key) for key in Exemption.__struct_fields__ if key not in _ABOUT}
    scope = "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in given.items() if values)
    return Waiver(exemption, scope, not exemption.is_live(began), covers)
