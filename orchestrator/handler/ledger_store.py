"""Where the ledger keeps its entries: small objects that are written once, in OSS or in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.errors import CloudError
from orchestrator.cloud.oss import Objects
from orchestrator.files import make_folder, replaced
from orchestrator.journal import JournalError


class LedgerError(JournalError):
    """The ledger cannot be used; without it nothing is changed."""


@contextmanager
def trouble(doing: str) -> Iterator[None]:
    """Say which part of the ledger failed. A cloud's error must not pass for one of the group's own."""
    try:
        yield
    except (CloudError, OSError, msgspec.DecodeError) as error:
        raise LedgerError(f"the ledger cannot be {doing}: {error}") from None


class Store(Protocol):
    """Named objects. Every method raises when it cannot do what it says: `LedgerError`, `CloudError` or OSError."""

    async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """Write an object, durably; with `only_new`, tell False if there was one."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Return the object, None if there is none."""
        ...

    async def keys(self, prefix: str, after: str = "", most: int | None = None) -> list[str]:
        """Return the names that begin with the prefix and come after `after`, in order; the first `most` of them."""
        ...


class BucketStore:
    """A prefix of a bucket."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = f"{prefix}/" if prefix else ""

    async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """Write an object, durably; with `only_new`, tell False if there was one."""
        return await self._objects.put(self._prefix + key, data, only_new=only_new)

    async def get(self, key: str) -> bytes | None:
        """Return the object, None if there is none."""
        return await self._objects.get(self._prefix + key)

    async def keys(self, prefix: str, after: str = "", most: int | None = None) -> list[str]:
        """Return the names that begin with the prefix and come after `after`, in order; the first `most` of them."""
        found = await self._objects.keys(self._prefix + prefix, self._prefix + after if after else "", most)
        return [key[len(self._prefix) :] for key in found]


class FolderStore:
    """A folder, for tests and self-hosted runners. Its files are on disk when `put` returns."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """Write an object, durably; with `only_new`, tell False if there was one."""
        return await asyncio.to_thread(self._put, key, data, only_new=only_new)

    async def get(self, key: str) -> bytes | None:
        """Return the object, None if there is none."""
        return await asyncio.to_thread(self._get, key)

    async def keys(self, prefix: str, after: str = "", most: int | None = None) -> list[str]:
        """Return the names that begin with the prefix and come after `after`, in order; the first `most` of them."""
        return (await asyncio.to_thread(self._keys, prefix, after))[:most]

    def _path(self, key: str) -> Path:
        path = self._root.joinpath(*key.split("/"))
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise LedgerError(f"{key} is outside of the ledger")
        return path

    def _put(self, key: str, data: bytes, *, only_new: bool) -> bool:
        path = self._path(key)
        make_folder(path.parent)
        try:
            with replaced(path, only_new=only_new) as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    def _get(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def _keys(self, prefix: str, after: str) -> list[str]:
        start = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self._root
        files = (path for path in start.rglob("*") if not path.name.startswith(".") and path.is_file())
        names = (path.relative_to(self._root).as_posix() for path in files)
        return sorted(name for name in names if name.startswith(prefix) and name > after)


def open_store(
    text: str, client: Client, own: AccountSession, region_id: str, *, internal: bool = True
) -> Store:
    """Return the store that SGSWEEP_LEDGER names.

    Args:
        text: oss://bucket/prefix or file:///folder.
        client: asks OSS.
        own: as whom.
        region_id: the bucket's region.
        internal: OSS by its internal endpoint, as Function Compute reaches it.

    Raises:
        LedgerError: it names none.
    """
    parts = urlsplit(text)
    path = parts.path.strip("/")
    if parts.scheme == "file" and not parts.netloc and path:
        return FolderStore(Path(parts.path))
    if parts.scheme == "oss" and parts.netloc:
        if not region_id and not client.settings.endpoint:
            raise LedgerError("the bucket's region is not known: set FC_REGION")
        return BucketStore(
            Objects(client, own, parts.netloc, region_id or "cn-hangzhou", internal=internal), path
        )
    raise LedgerError(f"SGSWEEP_LEDGER is {text!r}: write oss://bucket/prefix or file:///folder")
