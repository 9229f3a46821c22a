"""From text to the words by which it is found. Pure, and the same for every database.

A word is a run of letters and digits, without accents and case, cut down to its stem: a question finds a document
that answers it in another form of its words. Signs part words, so `lr=3e-4` is three of them, one after the other.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

# Scripts that write no spaces: each of their signs is a word, and words of theirs are found as phrases.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_STEMMED = re.compile(r"[a-z]{4,}")
LONGEST = 64  # of a word; hashes and keys are shorter, and rubbish is not
_english = snowballstemmer.stemmer("english")

# What a question is made of, and what it asks for not.
_ASKING = """
a about after again all also am an and any are as at be because been before being between both but by can
could did do does doing done down for from further get got had has have having he her here him his how i if in
into is it its just me more most my no nor not of off on once only or other our out over own please same she
should so some such than that the their them then there these they this those through to too under until up us
very was we were what when where which while who whom whose why will with would you your
"""
STOPWORDS = frozenset(_ASKING.split())


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: its stem, and where it stands in the text as written."""

    stem: str
    start: int
    end: int


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Return by what a word is found; ``word`` is one run of letters and digits."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))[:LONGEST]
    return str(_english.stemWord(plain)) if _STEMMED.fullmatch(plain) else plain


def words_of(text: str) -> Iterator[Word]:
    """Yield the words of a text in their order."""
    for found in _WORD.finditer(text):
        if stemmed := stem(found[0]):
            yield Word(stemmed, found.start(), found.end())


def stems_of(text: str) -> list[str]:
    """Return the stems of a text's words in their order."""
    return [stemmed for found in _WORD.findall(text) if (stemmed := stem(found))]


def plain(word: str) -> str:
    """Return a word without case and accents, whole: what somebody has typed so far is not cut down."""
    found = unicodedata.normalize("NFKD", word.casefold())
    return "".join(sign for sign in found if not unicodedata.combining(sign))[:LONGEST]


def _letter(sign: str) -> str:
    base = unicodedata.normalize("NFKD", sign.lower())[:1]
    return base if base.isalnum() else sign


# The letters of Latin scripts without their accents; everything stays where it stands.
_FOLDED = {ord(sign): _letter(sign) for sign in map(chr, range(0xC0, 0x250)) if sign.isalpha()}


def fold(text: str) -> str:
    """Return a text without case and accents in which every sign stands where it stood."""
    folded = text.lower() if text.isascii() else text.translate(_FOLDED).lower()
    return folded if len(folded) == len(text) else "".join(sign.lower()[:1] for sign in text)


def word_at(text: str, at: int) -> str:
    """Return the word that begins at ``at``; '' where none does."""
    found = _WORD.match(text, at)
    return found[0] if found else ""


def pieces_of(text: str) -> list[str]:
    """Return the words of a text as written."""
    return _WORD.findall(text)
