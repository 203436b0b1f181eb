"""What a command refuses: what was asked for cannot be done so, or must not be done at all."""


class RefusedError(Exception):
    """The command would do what it must not; nothing was changed."""


class UsageError(Exception):
    """What was asked for cannot be done as it was asked."""
