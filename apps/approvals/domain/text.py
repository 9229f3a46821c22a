"""The text of a plan that a person reads and approves: one draft, one text, one hash."""

import difflib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from apps.approvals.domain.plans import Draft


def text_of(draft: Draft) -> str:
    """Return all that a plan says, as plain text.

    Every line of a part after its first is indented, so that none can pass for a heading or a step.
    """
    parts = [f"Plan: {draft.title}", f"Kind: {draft.kind.value}"]
    if draft.failing_test:
        parts += ["", "Failing test first:", *_listed([draft.failing_test])]
    if draft.acceptance_tests:
        parts += ["", "Acceptance tests first:", *_listed(draft.acceptance_tests)]
    parts += ["", "Steps:"]
    for number, step in enumerate(draft.steps, 1):
        parts += [_indented(f"{number}. ", step.text), f"   Validated by: {step.command}"]
    parts += ["", "Risks:", *(_listed(draft.risks) or ["- none named"])]
    parts += ["", "What is touched:", *(_listed(draft.touches) or ["- nothing named"])]
    return "\n".join(parts) + "\n"


def _listed(items: Iterable[str]) -> list[str]:
    return [_indented("- ", item) for item in items]


def _indented(mark: str, text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([f"{mark}{first}", *(f"{' ' * len(mark)}| {line}" for line in rest)])


def sha_of(text: str) -> str:
    """Return the SHA-256 of exactly this text in UTF-8, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison: ``mark`` is ``+``, ``-`` or a blank; ``word`` says it without the sign."""

    mark: str
    text: str

    @property
    def word(self) -> str:
        return {"+": "added", "-": "removed"}.get(self.mark, "")


MOST_COMPARED = 2_000  # lines of either text: what comparing costs grows faster than they do


def difference(before: str, after: str) -> list[DiffLine] | None:
    """Return all lines of both texts in order, with what became of each; None where they are too long to compare."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_COMPARED:
        return None
    found: list[DiffLine] = []
    for what, begin, end, new_begin, new_end in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if what == "equal":
            found += [DiffLine("", line) for line in old[begin:end]]
        else:
            found += [DiffLine("-", line) for line in old[begin:end]]
            found += [DiffLine("+", line) for line in new[new_begin:new_end]]
    return found


MOST_OUTPUT = 20_000  # characters of a command's output that are kept
_HEAD = 4_000


def bounded(output: str) -> str:
    """Return an output as it is kept: of a long one its beginning and its end, and how much lies between.

    What a database or a page cannot hold is replaced by a mark; nothing else is changed.
    """
    clean = output.replace("\r\n", "\n").replace("\x00", "\ufffd").encode(errors="replace").decode()
    if len(clean) <= MOST_OUTPUT:
        return clean
    tail = MOST_OUTPUT - _HEAD
    return f"{clean[:_HEAD]}\n[… {len(clean) - MOST_OUTPUT} characters are left out here …]\n{clean[-tail:]}"
