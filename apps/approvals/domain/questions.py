"""A question that a person answers by one press: its options, and what counts as an answer.

Practice: 'Always use ask_question for decisions' of docs/practice.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.approvals.domain.choices import form_for, looks_like_a_choice
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import check_exact, check_words

FEWEST, MOST = 2, 6
FIRST_YEAR, LAST_YEAR = 2000, 2100  # of a deadline
LONGEST_TITLE, LONGEST_CONTEXT, LONGEST_LABEL, LONGEST_CONSEQUENCE, LONGEST_NOTE = 300, 8000, 200, 1000, 4000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Option:
    """One way to decide, and what follows from it."""

    id: str
    label: str
    consequence: str = ""


@dataclass(frozen=True, slots=True)
class QuestionDraft:
    """A question as it is asked; the first option is the one that the asker suggests. A deadline only reminds."""

    title: str
    options: tuple[Option, ...]
    context: str = ""
    allow_multiple: bool = False
    deadline: datetime | None = None


def check_question(draft: QuestionDraft) -> None:
    """Raise ``Refused`` with a sentence unless a person could answer this by one press."""
    check_words("The question", draft.title, LONGEST_TITLE)
    if draft.context:
        check_words("The question's context", draft.context, LONGEST_CONTEXT)
    if not FEWEST <= len(draft.options) <= MOST:
        raise Refused(_too_few_or_many(draft))
    for option in draft.options:
        if not _ID.fullmatch(option.id):
            raise Refused(
                f"'{option.id[:50]}' is no id of an option: letters, digits, '_', '-' and '.', 40 at the most."
            )
        check_words(f"The label of option '{option.id}'", option.label, LONGEST_LABEL)
        check_exact(f"The label of option '{option.id}'", option.label)
        if option.consequence:
            check_words(f"The consequence of option '{option.id}'", option.consequence, LONGEST_CONSEQUENCE)
    for what, values in (("id", [one.id for one in draft.options]), ("label", [one.label for one in draft.options])):
        folded = [value.strip().casefold() for value in values]
        if doubled := next((value for value, key in zip(values, folded, strict=True) if folded.count(key) > 1), ""):
            raise Refused(f"Two options have the {what} '{doubled}'.")
    if draft.deadline is not None:
        _check_deadline(draft.deadline)


def _check_deadline(deadline: datetime) -> None:
    """A moment at the rim of the calendar cannot be read in every time zone, and would take every list down."""
    if deadline.tzinfo is None:
        raise Refused("A deadline needs its time zone, such as 2026-05-04T09:00Z.")
    if not FIRST_YEAR <= deadline.year <= LAST_YEAR:
        raise Refused(f"A deadline lies in the years {FIRST_YEAR} to {LAST_YEAR}; this one does not.")


def _too_few_or_many(draft: QuestionDraft) -> str:
    told = (
        f"A question has {FEWEST} to {MOST} options, so that one press answers it; this one has {len(draft.options)}."
    )
    found = looks_like_a_choice(f"{draft.title}\n{draft.context}")
    return f"{told} {form_for(draft.title, found)}" if found else told


def check_plain_text(text: str) -> None:
    """Raise where a plain text asks for a decision between options; the sentence holds the form to use instead."""
    if found := looks_like_a_choice(text):
        title = next((line.strip() for line in text.splitlines() if line.strip()), text)
        raise Refused(f"This asks for a decision between {len(found)} options in plain text. {form_for(title, found)}")


def check_choice(options: Sequence[Option], chosen: Sequence[str], *, allow_multiple: bool) -> tuple[str, ...]:
    """Return the ids that were chosen, in the order of the options; raise where none, too many or unknown ones were."""
    wanted = set(chosen)
    if unknown := wanted - {option.id for option in options}:
        raise Refused(f"'{min(unknown)[:50]}' is none of the options.")
    if not wanted:
        raise Refused("Choose an option: nothing chosen is no answer.")
    if len(wanted) > 1 and not allow_multiple:
        raise Refused("This question takes one option.")
    return tuple(option.id for option in options if option.id in wanted)
