"""What an agent proposes to do: the parts of a plan, and what must be in them.

Practice: 'Validation gates before coding' and 'Agent handover flow' of docs/practice.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from apps.approvals.domain.errors import Refused

LONGEST = 4000  # characters of one step, risk or name of a test
LONGEST_TITLE = 200
MOST = 50  # steps, risks and so on
_NOTHING = re.compile(r"(?:none|no|nothing|n/?a|tbd|todo|later|unknown|null|[-–—.?\s]*)", re.IGNORECASE)
# What cannot be seen, or turns the text around, would show a person another plan than the one that is carried out.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2028\u2029\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


# What is drawn as nothing, or by every machine otherwise: two commands or labels alike but for it would look the same.
_UNSEEN = re.compile(
    "[\u2800\ufffc\ufffe\uffff\ue000-\uf8ff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e0fff"
    "\U000f0000-\U0010ffff]"
)
# Letters of some scripts, and emoji, are joined, parted or drawn in colour by these; alone they are drawn as nothing.
_JOINS = re.compile("[\u200c\u200d\ufe00-\ufe0f]+")
_ONE_JOINT = re.compile("[\ufe00-\ufe0f]?[\u200c\u200d]?")


class Kind(StrEnum):
    """What a plan is for; the value is what the screens call it."""

    BUG_FIX = "bug fix"
    FEATURE = "feature"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and the command that shows that it is done."""

    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan as it is proposed. ``touches`` are files, jobs, sweeps: whatever would not be the same afterwards.

    ``failing_test`` names the test that fails before a bug is fixed, ``acceptance_tests`` those that a
    feature must pass.
    """

    title: str
    kind: Kind
    steps: tuple[Step, ...]
    risks: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    failing_test: str = ""
    acceptance_tests: tuple[str, ...] = field(default=())

    @property
    def commands(self) -> tuple[str, ...]:
        """Every validation command once, in the order of the steps."""
        return tuple(dict.fromkeys(step.command for step in self.steps))


def check_draft(draft: Draft) -> None:
    """Raise ``Refused`` with a sentence that says what is missing, unless the plan can be shown to a person."""
    check_line("The plan's title", draft.title, LONGEST_TITLE)
    _check_gate(draft)
    if not draft.steps:
        raise Refused("A plan needs at least one step, each with the command that shows that it is done.")
    for name, parts in _many(draft):
        if len(parts) > MOST:
            raise Refused(f"A plan has {MOST} {name} at the most; this one has {len(parts)}. Make it two plans.")
    for number, step in enumerate(draft.steps, 1):
        check_words(f"Step {number}", step.text, LONGEST)
        if names_nothing(step.command):
            raise Refused(f"Step {number} ('{step.text[:60]}') has no validation command: name the one that proves it.")
        check_line(f"The validation command of step {number}", step.command, LONGEST)
        check_exact(f"The validation command of step {number}", step.command)
    for name, parts in _many(draft)[1:]:
        for part in parts:
            check_words(f"One of the {name}", part, LONGEST)


def _many(draft: Draft) -> list[tuple[str, tuple[object, ...]]]:
    told: list[tuple[str, tuple[object, ...]]] = [("steps", draft.steps), ("risks", draft.risks)]
    return [*told, ("things touched", draft.touches), ("acceptance tests", draft.acceptance_tests)]


def _check_gate(draft: Draft) -> None:
    """Practice: a bug fix begins with a failing test, a feature with its acceptance tests."""
    if draft.kind is Kind.BUG_FIX and names_nothing(draft.failing_test):
        raise Refused(
            "A bug fix begins with a failing test: name it in 'failing_test' before anything else is planned."
        )
    if draft.kind is Kind.FEATURE and not any(not names_nothing(one) for one in draft.acceptance_tests):
        raise Refused("A feature begins with its acceptance tests: name them in 'acceptance_tests' first.")
    if draft.failing_test:
        check_line("The failing test", draft.failing_test, LONGEST)


def names_nothing(text: str) -> bool:
    """Whether a field was filled in only to be filled in."""
    return _NOTHING.fullmatch(text.strip()) is not None


def check_words(what: str, text: object, longest: int) -> None:
    """Raise unless ``text`` says something, within bounds, and everything in it can be seen."""
    if not isinstance(text, str) or not text.strip():
        raise Refused(f"{what} is empty.")
    if len(text) > longest:
        raise Refused(f"{what} has {longest} characters at the most; this one has {len(text)}.")
    if found := _HIDDEN.search(text) or _UNSEEN.search(text) or _joins_nothing(text):
        raise Refused(f"{what} holds a character that cannot be seen (U+{ord(found[0][0]):04X}): take it out.")


def _joins_nothing(text: str) -> re.Match[str] | None:
    """Return the first joint that does not stand behind what can be seen, or that joins it to nothing."""
    for found in _JOINS.finditer(text):
        before, after = text[: found.start()][-1:], text[found.end() :][:1]
        loose = found[0][-1] in "\u200c\u200d" and not after.strip()
        if loose or not before.strip() or not _ONE_JOINT.fullmatch(found[0]):
            return found
    return None


def check_exact(what: str, text: str) -> None:
    """Raise where ``text`` joins or parts letters unseen: it is carried out or told from others as it stands."""
    if found := _JOINS.search(text):
        raise Refused(f"{what} holds a character that cannot be seen (U+{ord(found[0][0]):04X}): take it out.")


def without_joints(text: str) -> str:
    return _JOINS.sub("", text)


def check_line(what: str, text: str, longest: int) -> None:
    """Raise unless ``text`` is words as ``check_words`` wants them, on one line."""
    check_words(what, text, longest)
    if "\n" in text:
        raise Refused(f"{what} is one line.")


def without_blanks(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in parts if part.strip())
