"""What is said where something may not be done."""

from apps.core.errors import AlreadyDone, Permanent


class Refused(Permanent):
    """It is incomplete, or the state of the plan or question does not allow it; the sentence says why."""


class NotAPerson(Refused):
    """Only somebody who is logged in may do this, on the page; never an agent, a token or a command."""


class AnsweredBefore(AlreadyDone):
    """Somebody else's answer came first, and counts."""
