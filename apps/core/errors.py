"""Errors that cross a room's door: each carries a sentence for a person."""


class SweepboardError(Exception):
    """Something went wrong that a person should read about; ``str(error)`` is that sentence."""


class Transient(SweepboardError):
    """It may work when tried again: a time-out, a rate limit, a service that is down.

    ``retry_after`` is in seconds, where the other side named a wait; otherwise None.
    """

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class Permanent(SweepboardError):
    """Trying again changes nothing: a wrong key, a missing project, bad input."""


class AlreadyDone(Permanent):
    """What was asked for has happened before; nothing was done this time."""
