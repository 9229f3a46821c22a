"""The questions of agents that wait for an answer, as a strip above the sweeps."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.approvals.models import Question
from apps.approvals.selectors import open_questions

FEW = 3  # questions on the strip; the others wait in the inbox
MOST = 100  # that are counted


@dataclass(frozen=True)
class Asked:
    """The oldest questions that nobody has answered, and the numbers of all of them."""

    rows: Sequence[Question]
    numbers: tuple[int, ...]

    @property
    def more(self) -> int:
        return len(self.numbers) - len(self.rows)

    @property
    def seen(self) -> str:
        """What the page knows of, so that a poll can ask cheaply whether it still is all."""
        return ".".join(str(number) for number in self.numbers)


def asked() -> Asked:
    """Return what waits for an answer, the oldest first, in one query."""
    rows = list(open_questions().select_related(None).defer("context", "words")[:MOST])
    return Asked(rows[:FEW], tuple(row.pk for row in rows))
