"""The standard chain of alibabacloud-credentials, way by way: nothing of the library leaves here but credentials.

Its own walk forgets which way failed and goes on to the next identity that it finds; its exceptions quote signed
requests and answers, tokens included; what it read of a file it never reads again; and it knows neither a further
authority nor NO_PROXY. So its providers are asked one by one, what they send goes over our transport, and what they
raise becomes a sentence.
"""

from __future__ import annotations

import configparser
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from accounts.sdk import quiet_official_loggers

_LONGEST = 300
_SECRET = re.compile(
    r"(?i)((?:secret|token|signature|externalid|external_id|accesskeyid|access_key_id|password|policy)"
    r"[^\s=:%\"']{0,12}(?:\s*=\s*|%(?:25)?3D|[\"']\s*:\s*)[\"']?)[^\s&,;\"'}]+|()[A-Za-z0-9+/=_%-]{40,}"
)
_TRANSIENT = ("Throttling", "ServiceUnavailable", "InternalError", "SignatureNonceUsed")
_CLOCK = ("InvalidTimeStamp", "IllegalTimestamp")


class Carried(NamedTuple):
    """An answer that was carried: status of HTTP, headers with names in small letters, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Carry = Callable[[str, str, Mapping[str, str], bytes], Carried]
"""Sends a request (method, URL, headers, body) from a thread; raises where there is no answer."""


class FoundCredentials(NamedTuple):
    """What a way of the chain gave, and which one."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    way: str


class ChainError(Exception):
    """No way gave credentials. The text is a sentence without secrets.

    Attributes:
        is_transient: somebody did not answer, or had no time; asked again it may be well.
    """

    def __init__(self, text: str, *, is_transient: bool) -> None:
        super().__init__(text)
        self.is_transient = is_transient


class OtherIdentityError(Exception):
    """What was configured failed, and the chain found somebody else: nothing may be done as them."""

    code = "OtherIdentity"


class _Way(NamedTuple):
    """One way of the chain: its name for people, how its provider is made, whether somebody has set it up."""

    kind: str
    name: str
    make: Callable[[], Any]
    is_configured: bool


class Chain:
    """Walks the chain once, and then keeps to the way that gave credentials. Not for two threads at once."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._files: tuple[object, ...] = ()
        self._way: _Way | None = None
        self._provider: Any = None

    def find(self, carry: Carry | None, *, anew: bool) -> FoundCredentials:
        """Return the first credentials that a way gives; later on, what that way gives then.

        Args:
            carry: sends what the ways have to send; None leaves that to the library.
            anew: what was given last was refused: read and ask again.

        Raises:
            ChainError: there are none.
            OtherIdentityError: a way that is set up failed, and another one gave some.
        """
        quiet_official_loggers()
        wire = _Wire(carry)
        _WIRE.set(wire)
        _lead_over_ours()
        files = tuple(_stamp(path) for path in _profile_files())
        if self._way is None:
            self._files = files
            return self._walk(tuple(_ways(self._environment)), wire)
        if anew or files != self._files:  # a provider keeps for ever what it has read of a file
            self._files = files
            again = [way for way in _ways(self._environment) if way.kind == self._way.kind]
            return self._walk(again, wire)
        try:
            return _given(self._provider, self._way.name)
        except Exception as error:  # noqa: BLE001 - the library and what is below it raise any kind
            told = f"{self._way.name}: {wire.told(error)}"
            raise ChainError(told, is_transient=wire.is_transient) from None

    def _walk(self, ways: Sequence[_Way], wire: _Wire) -> FoundCredentials:
        tried: list[str] = []
        failed: list[str] = []
        is_transient = (
            False  # no answer where nobody has set up anything, as of metadata outside ECS, is no trouble
        )
        for way in ways:
            wire.begin()
            try:
                provider = way.make()
                found = _given(provider, way.name)
            except Exception as error:  # noqa: BLE001 - the same
                tried.append(f"{way.name}: {wire.told(error)}")
                if way.is_configured or self._way is not None:
                    failed.append(tried[-1])
                    is_transient |= wire.is_transient
                continue
            failed += _absent_profile(way, self._environment) if not failed else ()
            if failed and is_transient:
                break
            if failed:
                raise OtherIdentityError(
                    f"{failed[0]}. The chain goes on to another identity, {found.access_key_id} of {way.name}, which "
                    "is not taken for it. Mend what failed, or unset it (ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true "
                    "passes over the CLI's profiles)"
                )
            self._way, self._provider = way, provider
            return found
        raise ChainError("; ".join(failed or tried), is_transient=is_transient)


def _given(provider: Any, way: str) -> FoundCredentials:  # noqa: ANN401 - one of theirs
    given = provider.get_credentials()
    return FoundCredentials(
        given.get_access_key_id(), given.get_access_key_secret(), given.get_security_token() or "", way
    )


def _ways(environment: Mapping[str, str]) -> Iterator[_Way]:
    """Yield the ways in the library's own order; a whole pair in the environment was asked for before."""
    from alibabacloud_credentials import provider as ways  # noqa: PLC0415 - heavy
    from alibabacloud_credentials.utils import auth_util as known  # noqa: PLC0415 - the same

    if any(environment.get(name) for name in _PAIR):
        yield _Way("environment", "the environment", _half_a_pair, is_configured=True)
    if known.enable_oidc_credential:
        yield _Way("oidc", "OIDC", ways.OIDCRoleArnCredentialsProvider, is_configured=True)
    cli, ini = _profile_files()
    if known.environment_cli_profile_disabled.lower() != "true":
        name, is_there = _cli_profile(cli, known.environment_profile_name or "")
        yield _Way("cli", f"profile {name} of {cli}", ways.CLIProfileCredentialsProvider, is_there)
    section = _has_section(ini, known.client_type)
    yield _Way("ini", f"profile {known.client_type} of {ini}", ways.ProfileCredentialsProvider, section)
    if known.environment_ecs_metadata_disabled.lower() != "true":

        def instance() -> Any:  # noqa: ANN401 - one of theirs
            return ways.EcsRamRoleCredentialsProvider(async_update_enabled=False)

        yield _Way("ecs", "this ECS instance's role", instance, bool(known.environment_ecs_metadata))
    if known.environment_credentials_uri:
        yield _Way("uri", "ALIBABA_CLOUD_CREDENTIALS_URI", ways.URLCredentialsProvider, is_configured=True)


_PAIR = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")


def _half_a_pair() -> None:
    raise ValueError(f"{_PAIR[0]} and {_PAIR[1]} go together, and only one of them is set")


def _absent_profile(way: _Way, environment: Mapping[str, str]) -> list[str]:
    """Tell that a profile was named and the credentials come from none."""
    profile = environment.get("ALIBABA_CLOUD_PROFILE", "")
    if not profile or way.kind in {"cli", "ini"}:
        return []
    return [f"profile {profile} (ALIBABA_CLOUD_PROFILE) is in no profile file"]


def _profile_files() -> tuple[Path, Path]:
    """Return the CLI's file and the SDKs' file, where the library looks for them."""
    from alibabacloud_credentials.utils import auth_constant, auth_util  # noqa: PLC0415 - heavy

    home = Path(auth_constant.HOME)
    ini = auth_util.environment_credentials_file
    return home / ".aliyun" / "config.json", Path(ini) if ini else home / ".alibabacloud" / "credentials.ini"


def _cli_profile(path: Path, name: str) -> tuple[str, bool]:
    """Return the profile's name, and whether it was set up: an empty one of a fresh `aliyun configure` was not."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        name = name or str(data.get("current") or "")
        profiles = [one for one in data.get("profiles") or () if one.get("name") == name]
    except FileNotFoundError:
        return name or "default", False
    except (OSError, ValueError, AttributeError):
        return name or "default", True  # there is one, and it cannot be read
    return name or "default", any(one.get("mode") != "AK" or one.get("access_key_id") for one in profiles)


def _has_section(path: Path, name: str) -> bool:
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (OSError, ValueError, configparser.Error):
        return True  # there is one, and it cannot be read
    return parser.has_section(name)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class _Wire:
    """What one walk sends, and what came of it."""

    def __init__(self, carry: Carry | None) -> None:
        self.carry = carry
        self.begin()

    def begin(self) -> None:
        """Forget what an earlier way sent."""
        self.is_transient = self._has_sent = False
        self._last = ""  # what the last request failed by: the library's own words may hold secrets

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Carried:
        """Send a request of the library."""
        assert self.carry is not None, "asked for only where there is one"  # noqa: S101 - for the type checker
        self._last, self._has_sent = "", True
        try:
            answer = self.carry(method, url, headers, body)
        except Exception as error:
            self.is_transient = True
            self._last = f"{getattr(error, 'code', type(error).__name__)}: {getattr(error, 'message', '')}"
            raise
        self._last = self._refusal(answer)
        return answer

    def _refusal(self, answer: Carried) -> str:
        if answer.status == 200:
            return ""
        try:
            told = json.loads(answer.body)
            code, message, request = (str(told.get(key) or "") for key in ("Code", "Message", "RequestId"))
        except (ValueError, AttributeError):
            code, message, request = "", "", ""
        self.is_transient |= answer.status >= 500 or answer.status == 429 or code.startswith(_TRANSIENT)
        clock = "; this machine's clock is wrong: set it" if code.startswith(_CLOCK) else ""
        asked = f" (RequestId {request})" if request else ""
        return f"{code or f'HTTP status {answer.status}'}: {message}{clock}{asked}"

    def told(self, error: Exception) -> str:
        """Return what a way failed by, on one line, without what looks like a secret."""
        self.is_transient |= self._has_sent and isinstance(error, ValueError)  # half an answer is no JSON
        return redact(self._last or f"{type(error).__name__}: {error}")


def redact(text: str) -> str:
    """Return a foreign text on one line, cut, without what looks like a credential."""
    line = _SECRET.sub(lambda found: f"{found[1] or ''}***", " ".join(text[: 4 * _LONGEST].split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


_WIRE: ContextVar[_Wire | None] = ContextVar("wire", default=None)


def _lead_over_ours() -> None:
    """Have the library's one function that sends ask whether this walk has a way of its own to send. Done once."""
    from Tea.core import TeaCore  # noqa: PLC0415 - heavy
    from Tea.response import TeaResponse  # noqa: PLC0415 - the same

    theirs = TeaCore.do_action
    if getattr(theirs, "leads_over_ours", False):
        return

    def do_action(request: Any, runtime_option: Any = None) -> Any:  # noqa: ANN401 - theirs
        wire = _WIRE.get()
        if wire is None or wire.carry is None:
            return theirs(request, runtime_option)
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        answer = wire.send(request.method, TeaCore.compose_url(request), dict(request.headers), body)
        response = TeaResponse()
        response.status_code, response.headers, response.body = answer
        return response

    do_action.leads_over_ours = True  # type: ignore[attr-defined]  # a mark on a function
    TeaCore.do_action = staticmethod(do_action)
