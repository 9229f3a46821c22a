"""Sending into a list, for tests."""

from apps.alerts.ports import AlertSender
from apps.core.errors import Permanent, SweepboardError


class MemorySender(AlertSender):
    """Keeps what it is given in ``sent``; each of ``failures`` is raised once before that, None being a success."""

    def __init__(self, *failures: SweepboardError | None) -> None:
        self.failures = list(failures)
        self.sent: list[tuple[str, str, str]] = []

    def check(self, address: str) -> str:
        scheme, separator, _ = address.partition("://")
        if not (scheme and separator):
            raise Permanent("This is no address that Apprise knows.")
        return scheme.capitalize()

    def send(self, address: str, subject: str, body: str) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.sent.append((address, subject, body))
