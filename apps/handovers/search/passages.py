"""Where in a document its answer stands: the passage with the most of what was asked for. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from apps.handovers.search.query import Term
from apps.handovers.search.words import LONGEST, fold, stem, word_at, words_of

SPAN = 280  # signs between which terms count as standing together
AROUND = 90  # signs of text before and after
MOST_TEXT = 200_000  # signs of a document that are looked through for a passage


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a passage; ``marked`` where it is what was asked for."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """``score`` adds up what the terms of it weigh; ``line`` is where it begins, from 1."""

    score: float
    pieces: tuple[Piece, ...]
    line: int = 0


def best_passage(text: str, terms: Sequence[Term], weights: Mapping[Term, float]) -> Passage:
    """Return the passage of ``text`` in which terms that weigh the most stand together.

    Terms that stand nearer to each other count a little more, and so does one that comes again.
    """
    text = text[:MOST_TEXT]
    hits = _hits(text, terms)
    if not hits:
        return Passage(0.0, _shown(text, 0, min(len(text), 2 * AROUND), []))
    best, first, last = 0.0, 0, 0
    start = 0
    inside: dict[Term, int] = {}
    for end, (term, position, _) in enumerate(hits):
        inside[term] = inside.get(term, 0) + 1
        while position - hits[start][1] > SPAN:
            gone = hits[start][0]
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            start += 1
        score = sum(weights[one] * (1 + 0.1 * min(3, count - 1)) for one, count in inside.items())
        near = 1 - (position - hits[start][1]) / (SPAN + 1)
        score *= 1 + 0.2 * near * (len(inside) > 1)
        if score > best:
            best, first, last = score, start, end
    marks = [(begin, stop) for _, begin, stop in hits]
    begin, stop = hits[first][1], hits[last][2]
    line = text.count("\n", 0, begin) + 1
    return Passage(best, _shown(text, begin, stop, marks), line)


Hit = tuple[Term, int, int]  # the term, and where it begins and ends in the text


def _hits(text: str, terms: Sequence[Term]) -> list[Hit]:
    """Return where terms stand, in their order. Looking for a few beginnings is quicker than cutting all into words."""
    folded = fold(text)
    found = [hit for term in terms for hit in _of_term(text, folded, term)]
    return sorted(found, key=lambda hit: hit[1:])


def _of_term(text: str, folded: str, term: Term) -> Iterator[Hit]:
    beginning = _surely_begins(term.stems[0]) if term.stems else term.begins
    second = _second(term)
    at = folded.find(beginning)
    while at >= 0:
        begins = not folded[at - 1 : at].isalnum() or not beginning[:1].isascii()
        # Most places of a phrase's first word are not followed by its second: seeing that needs no cutting into words.
        if begins and (not second or folded.find(second, at + 1, at + 2 * LONGEST) >= 0):
            end = _end(text, at, term)
            if end is not None:
                yield term, at, end
        at = folded.find(beginning, at + 1)


def _second(term: Term) -> str:
    """Return with what a phrase's second word surely begins; empty where there is none."""
    if len(term.stems) > 1:
        return _surely_begins(term.stems[1])
    return term.begins if term.stems else ""


def _surely_begins(stemmed: str) -> str:
    """Return with what every word of a stem begins: the last letters are another in some of its forms."""
    return stemmed[: max(3, len(stemmed) - 2)] if stemmed.isalpha() else stemmed


def _end(text: str, at: int, term: Term) -> int | None:
    """Return where a term ends that begins at ``at``; None where it does not."""
    if term.is_single:
        word = word_at(text, at)
        told = stem(word) == term.stems[0] if term.stems else fold(word).startswith(term.begins)
        return at + len(word) if told else None
    length = len(term.stems) + bool(term.begins)
    words = list(islice(words_of(text[at : at + length * LONGEST]), length))
    if len(words) < length or tuple(word.stem for word in words[: len(term.stems)]) != term.stems:
        return None
    if term.begins and not fold(text[at + words[-1].start : at + words[-1].end]).startswith(term.begins):
        return None
    return at + words[-1].end


def _shown(text: str, begin: int, stop: int, marks: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
    left, right = max(0, begin - AROUND), min(len(text), stop + AROUND)
    if left and (space := text.find(" ", left, begin)) >= 0:
        left = space + 1
    if right < len(text) and (space := text.rfind(" ", stop, right)) >= 0:
        right = space
    pieces: list[Piece] = [Piece("… ")] if left else []
    at = left
    for start, end in sorted(marks):
        if start < at or end > right:
            continue
        pieces += [Piece(_flat(text[at:start])), Piece(_flat(text[start:end]), True)]
        at = end
    pieces.append(Piece(_flat(text[at:right])))
    if right < len(text):
        pieces.append(Piece(" …"))
    return tuple(piece for piece in pieces if piece.text)


def _flat(text: str) -> str:
    """One line, without the marks of Markdown that only shape it."""
    flat = " ".join(text.replace("|", " ").replace("`", "").replace("#", " ").replace("*", "").split())
    return (" " if text[:1].isspace() else "") + flat + (" " if text[-1:].isspace() and flat else "")
