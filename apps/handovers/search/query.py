"""What somebody asks for, as terms. Pure.

``"cosine schedule"`` in quotation marks is a phrase; so is a word that signs part, such as ``lr=3e-4`` or a key. The
last word, while it is being typed, also stands for every word that begins so.
"""

import re
from dataclasses import dataclass

from apps.handovers.search.words import STOPWORDS, pieces_of, plain, stem

MOST_TERMS = 12
_PARTS = re.compile(r'"([^"]*)"?|(\S+)')


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand one after the other; ``begins`` is what a further, last word begins with, '' where none is."""

    stems: tuple[str, ...]
    begins: str = ""
    written: str = ""

    @property
    def is_single(self) -> bool:
        return len(self.stems) + bool(self.begins) == 1


def terms_of(text: str, *, typing: bool = False) -> list[Term]:
    """Return the terms of a query, none twice. Words that only make a question of it are left out, unless all are.

    ``typing`` says that the last word may be unfinished: it is found by its stem and by its beginning.
    """
    found: list[Term] = []
    parts = list(_PARTS.finditer(text))
    for number, part in enumerate(parts):
        quoted, word = part[1], part[2]
        last = typing and number == len(parts) - 1 and quoted is None and text[-1:].isalnum()
        written = quoted if quoted is not None else word
        pieces = pieces_of(written)
        if not pieces:
            continue
        if last:
            found.append(Term(tuple(stem(one) for one in pieces[:-1]), _beginning(pieces[-1]), written))
        else:
            found.append(Term(tuple(stem(one) for one in pieces), "", written))
    unique = list({(one.stems, one.begins): one for one in found}.values())
    telling = [one for one in unique if not _only_asks(one)]
    return (telling or unique)[:MOST_TERMS]


def _beginning(word: str) -> str:
    """Return with what the stems begin that an unfinished word may become; a finished one is found as well."""
    whole, cut = plain(word), stem(word)
    return cut if whole.startswith(cut) else whole


def _only_asks(term: Term) -> bool:
    return term.is_single and term.written.casefold().strip("?!.,;:()'\"") in STOPWORDS
