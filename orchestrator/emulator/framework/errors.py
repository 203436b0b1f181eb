"""How the cloud refuses: the one error of the emulator."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal in the API's own terms: HTTP status, `Code`, `Message`."""

    def __init__(self, status: int, code: str, message: str, **details: object) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details
