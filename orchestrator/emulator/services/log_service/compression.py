"""How answers of GetLogsV2 are compressed: LZ4 blocks without a length, and what Log Service calls gzip, which is zlib.

The official clients decompress both so: `lz4.block` with the length of x-log-bodyrawsize, and `zlib`.
"""

from __future__ import annotations

import zlib
from typing import Final

_SHORTEST_MATCH: Final = 4
_FARTHEST: Final = 65_535
_LAST_LITERALS: Final = 5
_MATCHES_END_BEFORE: Final = 12


def choose(accept_encoding: str) -> str:
    """The compression that a client asks for in Accept-Encoding: lz4, gzip, or "" for none."""
    asked = {one.partition(";")[0].strip().lower() for one in accept_encoding.split(",")}
    return next((one for one in ("lz4", "gzip") if one in asked), "")


def compress(data: bytes, encoding: str) -> bytes:
    """The data in that encoding; as it is for ""."""
    if encoding == "lz4":
        return lz4_block(data)
    return zlib.compress(data) if encoding == "gzip" else data


def lz4_block(data: bytes) -> bytes:
    """One LZ4 block (the format's description, "Block Format"): greedy, each match the latest of its four bytes.

    The last match starts 12 bytes before the end at the latest, and the last 5 bytes are literals.
    """
    out, seen = bytearray(), dict[bytes, int]()
    at, begun, stop = 0, 0, len(data) - _MATCHES_END_BEFORE
    while at < stop:
        key = data[at : at + _SHORTEST_MATCH]
        before = seen.get(key)
        seen[key] = at
        if before is None or at - before > _FARTHEST:
            at += 1
            continue
        length = _match(data, before, at)
        _sequence(out, data[begun:at], at - before, length)
        at += length
        begun = at
    _sequence(out, data[begun:], 0, 0)
    return bytes(out)


def _match(data: bytes, before: int, at: int) -> int:
    """How many bytes at two places are the same, those that must be literals left out."""
    length, most = _SHORTEST_MATCH, len(data) - _LAST_LITERALS - at
    while length < most and data[before + length] == data[at + length]:
        length += 1
    return length


def _sequence(out: bytearray, literals: bytes, offset: int, length: int) -> None:
    """Literals and then a match of `length` bytes `offset` bytes back; without an offset the block ends."""
    extra = length - _SHORTEST_MATCH if offset else 0
    out.append(min(len(literals), 15) << 4 | min(extra, 15))
    _rest(out, len(literals))
    out += literals
    if offset:
        out += offset.to_bytes(2, "little")
        _rest(out, extra)


def _rest(out: bytearray, number: int) -> None:
    """What of a length does not fit into the four bits of the token."""
    number -= 15
    while number >= 0:
        out.append(min(number, 255))
        number -= 255
