"""The audit records of one invocation: sealed, kept in the ledger, said in the log, bound to all invocations before.

Each record is sealed before its object is written, so the object that holds an intent or an outcome holds its record
with its place in the chain. The invocation has an entry in the ledger's trail before the first record, and another
one when it ends (`journal.invocations`). Entries are numbered and written only if nobody else has written that number,
so invocations that run at the same time need no lock: whoever comes second takes the next number.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from datetime import datetime

import msgspec

from orchestrator.audit import GENESIS, AuditRecord, Chains, parse_manifest
from orchestrator.handler.function_log import Voice
from orchestrator.handler.ledger_store import LedgerError, Store, trouble
from orchestrator.journal import TRAIL, InvocationEntry, content_hash, encode_entry, entry_name, entry_number

_encode = msgspec.json.Encoder(order="sorted").encode
_ROUNDS = 50  # of taking the next number, where rivals take it at the same time
_PAUSE_SECONDS = 0.05  # before another round, at most


class InvocationTrail:
    """Keeps and says the audit records of an invocation. One that changes nothing leaves no trace here."""

    def __init__(self, store: Store, request_id: str, voice: Voice, now: Callable[[], datetime]) -> None:
        """Remember where records go.

        Args:
            store: the ledger.
            request_id: the invocation, as the platform names it: the same again where it tries once more.
            voice: says them.
            now: the time.
        """
        self._store = store
        self._request_id = request_id
        self._voice = voice
        self._now = now
        self._chains = Chains(f"function-{request_id}-{os.urandom(4).hex()}")
        self._beginning = asyncio.Lock()
        self._has_begun = False
        self._objects: dict[str, str] = {}
        self._carried: list[AuditRecord] = []
        self._unsaid: dict[int, tuple[bytes, str]] = {}  # lines that wait for those before them
        self._said = 0

    @property
    def run_id(self) -> str:
        """The invocation's own, also where the platform delivers an event twice."""
        return self._chains.run_id

    async def keep(
        self, record: AuditRecord, name: str, entry: Callable[[AuditRecord], msgspec.Struct]
    ) -> None:
        """Seal a record, keep it in an object, and say it.

        Args:
            record: what happened, or is about to.
            name: of the object; if an earlier delivery has written it, the record is kept beside it.
            entry: makes what the object holds of the sealed record.

        Raises:
            LedgerError: it is not kept; nothing may be changed on its account.
        """
        await self._begin()
        sealed, line = self._chains.seal(record)
        kept = ""
        try:
            kept = await self._put(name, _encode(entry(sealed)))
        finally:
            if not kept:  # cancelled, too: the chain goes on without a gap
                self._carried.append(sealed)
            self._say(sealed.line, line, kept)

    async def close(self) -> None:
        """Write that the invocation has ended, and how its records do.

        Raises:
            LedgerError: that could not be written; every record that was kept is.
        """
        if not self._has_begun:
            return
        sealed = self._chains.manifest()
        self._voice.audit(sealed, "the trail's entry of the invocation")
        await self._append(
            manifest=parse_manifest(sealed), objects=self._objects, carried=tuple(self._carried)
        )

    async def _begin(self) -> None:
        async with self._beginning:
            if not self._has_begun:
                await self._append()
                self._has_begun = True

    async def _put(self, name: str, data: bytes) -> str:
        beside = f"{name.removesuffix('.json')}.{self._chains.run_id.rpartition('-')[2]}.again.json"
        for one in (name, beside):
            with trouble("written"):
                is_ours = await self._store.put(one, data, only_new=True)
            if is_ours:
                self._objects[one] = content_hash(data)
                return one
        raise LedgerError(f"the ledger has {name} already, and {beside}: somebody else writes there")

    def _say(self, number: int, line: bytes, kept: str) -> None:
        """Say the lines in their order: objects that are written at the same time may be done in another."""
        self._unsaid[number] = line, kept
        while self._said + 1 in self._unsaid:
            self._said += 1
            self._voice.audit(*self._unsaid.pop(self._said))

    async def _append(self, **ending: object) -> None:
        """Write the next entry of the trail."""
        with trouble("read"):
            newest = await self._store.keys(TRAIL, most=1)
            number, prev = 0, GENESIS
            if newest:
                number = entry_number(newest[0]) or 0
                prev = await self._hash_of(newest[0])
        for _ in range(_ROUNDS):
            number += 1
            entry = InvocationEntry(
                number=number,
                prev=prev,
                at=f"{self._now():%Y-%m-%dT%H:%M:%SZ}",
                run_id=self._chains.run_id,
                request_id=self._request_id,
            )
            data = encode_entry(msgspec.structs.replace(entry, **ending))
            with trouble("written"):
                if await self._store.put(entry_name(number), data, only_new=True):
                    self._voice.tell("trail", number=number, sha256=content_hash(data))
                    return
            prev = await self._hash_of(entry_name(number))
            await asyncio.sleep(random.random() * _PAUSE_SECONDS)  # noqa: S311 - no secret
        raise LedgerError("the ledger's trail cannot be written: others write to it all the time")

    async def _hash_of(self, name: str) -> str:
        with trouble("read"):
            data = await self._store.get(name)
        if data is None:
            raise LedgerError(f"the ledger cannot be relied on: {name} was there a moment ago, and is gone")
        return content_hash(data)
