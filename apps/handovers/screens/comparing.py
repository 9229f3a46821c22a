"""What changed between two documents, line by line, with a few lines around it. Pure."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

MOST_LINES = 20_000
AROUND = 3


@dataclass(frozen=True, slots=True)
class Line:
    """``kind`` is same, added, removed or gap; ``sign`` is what stands before it for whoever sees no colour."""

    kind: str
    text: str = ""

    @property
    def sign(self) -> str:
        return {"added": "+", "removed": "−", "gap": "…"}.get(self.kind, " ")


def compared(before: str, after: str) -> list[Line]:
    """Return the lines that differ, with those around them; only the beginnings of very long documents are compared."""
    told = difflib.unified_diff(
        before.splitlines()[:MOST_LINES], after.splitlines()[:MOST_LINES], lineterm="", n=AROUND
    )
    return list(_lines(told))


def _lines(told: Iterator[str]) -> Iterator[Line]:
    for number, line in enumerate(told):
        if number < 2:
            continue  # names of files, of which there are none
        if line.startswith("@@"):
            if number > 2:
                yield Line("gap")
        else:
            kind = {"+": "added", "-": "removed"}.get(line[:1], "same")
            yield Line(kind, line[1:])
