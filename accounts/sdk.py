"""The one seam to the cloud: a `Call` has the official clients' own method, so any of them runs over it."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import msgspec

Official = TypeVar("Official")


class Call(Protocol):
    """Carries out one API call by one identity, with the signature of the official clients' own method."""

    async def call_api_async(self, params: Any, request: Any, runtime: Any) -> dict[str, Any]:  # noqa: ANN401 - theirs
        """Return {"body": the decoded answer, "headers": ..., "statusCode": ...}."""
        ...


class Params(msgspec.Struct, frozen=True):
    """What the official Params has and a `Call` reads, without the half second that importing it costs."""

    action: str
    version: str
    method: str = "POST"
    body_type: str = "json"
    style: str = "RPC"


class OpenApiRequest(msgspec.Struct, frozen=True):
    """What the official OpenApiRequest has and a `Call` reads."""

    query: dict[str, object]
    body: dict[str, object] | None = None


async def ask(call: Call, version: str, action: str, **query: object) -> dict[str, Any]:
    """Return the decoded answer of one action."""
    answer = await call.call_api_async(
        Params(action=action, version=version), OpenApiRequest(query=query), None
    )
    body: dict[str, Any] = answer["body"]
    return body


def pooled(official: type[Official], call: Call) -> Official:
    """Return an official product client whose async methods run over our transport.

    Args:
        official: such as `alibabacloud_sts20150401.client.Client`.
        call: who asks, and over what.
    """
    quiet_official_loggers()
    from alibabacloud_tea_openapi.utils_models import Config  # noqa: PLC0415 - half a second, only when needed

    # some clients refuse to be made without a region; where a call goes is the transport's to choose
    config = Config(endpoint="pooled.invalid", region_id="cn-hangzhou")
    client: Official = _over_calls(official)(config, call)  # type: ignore[arg-type]  # a class is hashable
    return client


@lru_cache(maxsize=32)
def _over_calls(official: Any) -> Any:  # noqa: ANN401 - a class of theirs
    """Return a subclass that hands every call over."""

    class Pooled(official):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self, config: object, call: Call) -> None:
            super().__init__(config)
            self._call = call

        async def call_api_async(self, params: object, request: object, runtime: object) -> dict[str, Any]:
            return await self._call.call_api_async(params, request, runtime)

        def call_api(self, params: Any, request: object, runtime: object) -> None:  # noqa: ANN401, ARG002 - theirs
            raise TypeError(f"{params.action}: only the _async methods of a pooled client work")

    Pooled.__name__ = f"Pooled{official.__name__}"
    return Pooled


def quiet_official_loggers() -> None:
    """Take off the handlers that importing the official packages puts on: they write to stderr."""
    import alibabacloud_tea_openapi.client  # noqa: F401, PLC0415 - its import attaches what is taken off below

    for name in ("darabonba-core", "credentials", "alibabacloud-tea"):
        logger = logging.getLogger(name)
        logger.disabled = True  # they log requests and exceptions whole, with tokens and signatures
        for handler in [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]:
            logger.removeHandler(handler)
