"""How every known error is told: the exit code of the contract and a sentence. Imported where a command ends by one."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from accounts.chain import OtherIdentityError
from accounts.credentials import HubCredentialsError
from accounts.discovery import DiscoveryError
from accounts.identity import WrongAccountError
from accounts.settings import OrganizationError
from orchestrator.approval import ApprovalError
from orchestrator.audit import AuditError
from orchestrator.cli.exit_codes import INCOMPLETE, REFUSED, USAGE
from orchestrator.cloud.client import CloudSettingsError
from orchestrator.cloud.errors import CloudError, Denied, Throttled, Unavailable, is_clock
from orchestrator.config import ConfigError
from orchestrator.iac import IacError
from orchestrator.journal import JournalError, JournalExists, JournalFull, JournalUnwritable, TrailBroken
from orchestrator.plan import PlanError, UnsafePlan
from orchestrator.policy import PolicyError
from orchestrator.report import ReportError
from orchestrator.run import RefusedError, UsageError

_NOBODY = ("InvalidAccessKeyId", "SignatureDoesNotMatch")  # codes for credentials that are nobody's


_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, USAGE),
    (IacError, USAGE),
    (PolicyError, USAGE),
    (CloudSettingsError, USAGE),
    (OrganizationError, USAGE),
    (UsageError, USAGE),
    (AuditError, USAGE),
    (ApprovalError, USAGE),
    (DiscoveryError, USAGE),
    (ReportError, USAGE),
    (WrongAccountError, REFUSED),
    (OtherIdentityError, REFUSED),
    (TrailBroken, REFUSED),
    (JournalError, USAGE),
    (RefusedError, REFUSED),
    (UnsafePlan, REFUSED),
    (PlanError, REFUSED),
)


def explain_error(error: BaseException, again: str = "the same command, run again") -> tuple[int, str] | None:
    """Return the exit code and the sentence for an error that is no bug; None for a bug.

    Args:
        error: what ended the command.
        again: the command line that goes on where it ended, or tries it once more.
    """
    known = [_explain(one, again) for one in _leaves(error)]
    if not known or None in known:
        return None
    return next(found for found in known if found is not None)


def _explain(error: BaseException, again: str) -> tuple[int, str] | None:
    if isinstance(error, CloudError):
        return _explain_cloud(error, again)
    if isinstance(error, HubCredentialsError):
        return (
            INCOMPLETE,
            f"{error}. What was done is kept: renew them, then go on: {again}",
        )
    if isinstance(error, sqlite3.Error):
        return USAGE, f"the journal is damaged ({error}): restore it from a copy, or scan anew"
    if isinstance(error, OSError) and error.filename is not None:
        advice = f"Free some space, then go on: {again}" if error.errno in _NO_SPACE else _CHECK_FILE
        return USAGE, f"{error.filename}: {error.strerror}. {advice}"
    told = f"{error}: {again}" if isinstance(error, _GOES_ON) else str(error)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    return None if code is None else (code, told)


_GOES_ON = (JournalExists, JournalFull, JournalUnwritable)  # their texts end with "go on"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHECK_FILE = "Check its name, owner, mode and disk"


def _explain_cloud(error: CloudError, again: str) -> tuple[int, str]:
    """Tell an error that reached the command itself: the hub could not be used, or the directory not be read."""
    if is_clock(error.code):
        return (
            USAGE,
            f"{error}. What to do: set the clock of this machine; the cloud takes no call of another time",
        )
    advice = "check the hub's credentials (ALIBABA_CLOUD_ACCESS_KEY_ID and the rest of the chain)"
    if isinstance(error, Denied) and not error.code.startswith(_NOBODY):
        advice = f"give the hub's user or role the right to call {error.action}, or check its credentials"
    elif error.code == "CertificateError":  # it says what to do, and the same would come again
        return USAGE, str(error)
    elif isinstance(error, Throttled | Unavailable):
        return INCOMPLETE, f"{error}. The cloud did not answer; try again: {again}"
    return USAGE, f"{error}. What to do: {advice}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
