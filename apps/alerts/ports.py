"""Sending one message to one address: one contract for every way of doing so.

- An address is an Apprise URL and a secret: no error, log line or answer of a sender contains any of it, nor any of
  the other side's own words, which may repeat it.
- Every call ends within a bounded time and raises only ``Transient``, ``Permanent`` or ``Unsure``.
- ``Transient`` and ``Permanent`` mean that the message certainly did not arrive: the connection was refused, the
  other side said no. Only then may a message be sent again without asking a person.
"""

from typing import Protocol

from apps.core.errors import SweepboardError


class Unsure(SweepboardError):
    """The message may have arrived: it was on its way when the answer failed to come, or nobody understood it."""


class AlertSender(Protocol):
    """Sends plain text. See the module's docstring for what every method promises."""

    def check(self, address: str) -> str:
        """Return the service's name, such as ``Slack``, without sending anything.

        ``Permanent`` says why the address cannot be used: nothing understands it, it has several targets, or it is
        of a kind that runs programs, reads files or cannot tell whether a message arrived.
        """

    def send(self, address: str, subject: str, body: str) -> None:
        """Send one message; returns only when the other side said that it took it."""
