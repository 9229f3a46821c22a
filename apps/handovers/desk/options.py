"""The command's options, and which of its words is a key and which a place."""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence, Set

from apps.core.commands import as_text
from apps.handovers.desk.places import is_folder
from apps.handovers.domain.document import Check, Decision

NEEDS_KEY = ("show", "search", "pickup", "restore")


def add_options(parser: ArgumentParser) -> None:
    """Add what `new`, `pickup`, `archive` and `show` take."""
    parser.add_argument("--dry-run", action="store_true", help="archive, new: tell what would be done, change nothing")
    parser.add_argument("--nudges", action="store_true", help="list: where a handover is due now, and why")
    parser.add_argument("--raw", action="store_true", help="show: control characters as they are")
    parser.add_argument("--focus", type=as_text, help="new: one line on what it is about (required)")
    parser.add_argument(
        "--next", action="append", default=[], type=as_text, help="new: the next action (required; may be repeated)"
    )
    parser.add_argument("--agent", type=as_text, help="new, pickup: the agent that does it")
    parser.add_argument("--author", "--who", dest="author", type=as_text, help="new, pickup: the person who does it")
    parser.add_argument(
        "--validated",
        action="append",
        default=[],
        type=as_text,
        metavar="COMMAND=RESULT",
        help="new: a command that was run and what it said; the last '=' parts them, or ' => ' (may be repeated)",
    )
    parser.add_argument("--changed", action="append", default=[], type=as_text, help="new: what changed")
    parser.add_argument("--pending", action="append", default=[], type=as_text, help="new: what is still to be done")
    parser.add_argument("--done", action="append", default=[], type=as_text, help="new: a pending item that is done")
    parser.add_argument(
        "--decision", action="append", default=[], type=as_text, metavar="WHAT=WHY", help="new: a decision, its reason"
    )


def split_words(words: Sequence[str], where: str, act: str, names: Set[str]) -> tuple[list[str], str]:
    """Return the words that are keys, or a query, and the place.

    A place is what ``where`` says, else a word that is a folder or a workspace's name: the last one, or the first.
    An act that needs a key keeps its only word for it.
    """
    kept = list(words)
    if where:
        return kept, where
    if act in ("list", "new"):
        return [], kept[0] if kept else ""
    for at in (-1, 0):
        if kept and (len(kept) > 1 or act not in NEEDS_KEY) and (kept[at] in names or is_folder(kept[at])):
            return [*kept[:at], *kept[at + 1 :]] if at == 0 else kept[:-1], kept[at]
    return kept, ""


def checks_of(told: Iterable[str]) -> list[Check]:
    """Return `command=result` as validations; without a result there is none, which the document will say."""
    return [Check(*_parted(one, last=True)) for one in told]


def decisions_of(told: Iterable[str]) -> list[Decision]:
    return [Decision(*_parted(one, last=False)) for one in told]


def _parted(text: str, *, last: bool) -> tuple[str, str]:
    if " => " in text:
        before, _, after = text.partition(" => ")
    elif "=" not in text:
        before, after = text, ""
    elif last:
        before, _, after = text.rpartition("=")
    else:
        before, _, after = text.partition("=")
    return before.strip(), after.strip()
