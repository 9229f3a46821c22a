"""Telling a question with options in its text, which a person cannot answer by one press.

Practice: 'Use ask_question for all decisions with discrete options' of docs/practice.md.
"""

import re
from collections.abc import Iterable
from itertools import islice

LONGEST = 20_000  # of a longer text only this beginning is looked at
_MOST = 6
_ASKING = re.compile(
    r"\?|\b(?:which|choose|pick|prefer|decide|options?\s*[:?–—-]|options are|let me know|tell me"
    r"|your call|should (?:i|we)|shall (?:i|we)"
    r"|do you want|would you (?:like|rather)|what would you)(?!\w)",
    re.IGNORECASE,
)
_WANTS = re.compile(
    r"\b(?:should (?:i|we)|shall (?:i|we)|do (?:you|we) (?:want|prefer)|would you (?:like|prefer|rather)"
    r"|which (?:one|of|do)|let me know (?:if|whether))\b",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?:(?<=\s)|^)(?:\(([a-f])\)|([a-f])\)|option ([a-f])\b[:.)]?)\s?", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(r"(?:(?<=\s)|^)(?:\((\d)\)|(\d)\)|option (\d)\b[:.)]?)\s?", re.IGNORECASE | re.MULTILINE)
_LINE = re.compile(r"^[ \t]{0,8}(?:\d{1,2}[.)]|\(\d{1,2}\)|[a-fA-F][.)]|\([a-fA-F]\))[ \t]+(\S.*)$", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]{0,8}[-*•][ \t]+(\S.*)$", re.MULTILINE)
_OR = re.compile(r",?\s+or\s+|\s+vs\.?\s+", re.IGNORECASE)
_IDIOM = re.compile(
    r"\b(?:one or more|one or two|two or three|more or less|whether or not|sooner or later|or so|or something"
    r"|or anything|or both|or other|or later|or newer|or older|or fewer|or greater)\b",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^.{0,120}?\b(?:should (?:i|we)|shall (?:i|we)|do (?:you|we) (?:want|prefer)(?: me| us)?(?: to)?"
    r"|would you (?:like|prefer|rather)(?: me)?(?: to)?|(?:can|may|could) i|whether(?: to)?|is it|use|prefer)\s+",
    re.IGNORECASE,
)

# What stands in front of options that follow one another in a line: 'Which one: …', 'Options: …', 'Pick one - …'.
_HEAD = re.compile(
    r"\b(?:which|what do you (?:want|prefer)|choose|pick|select|prefer|options?|choices?|(?:should|shall) (?:i|we))\b"
    r"[^.:!?]{0,100}(?:[:,]|\s[-–—]|(?<=\w))\s*$",
    re.IGNORECASE,
)
_IMPERATIVE = re.compile(
    r"^(?:please,? )?(?:choose|pick|select)(?: (?:one|between|from|among|of|these|them)){0,3}\s*(?::|[-–—])?\s*$",
    re.IGNORECASE,
)
_INLINE = re.compile(r"(?:(?<=\s)|^)([1-6])\.[ \t]+(?=\S)")
_COLON = re.compile(r":\s|\s[-–—]\s")
_ASKED_BEHIND = re.compile(r" ?[-–—,;(]? ?\bwhich(?: one| of them)?[?) ]{0,9}$", re.IGNORECASE)
_WHICH = re.compile(r"which(?: one| of them)?\?", re.IGNORECASE)
_LONGEST_ITEM, _MOST_WORDS = 60, 6  # of an option in a line: what is longer is a sentence
_LONGEST_HEAD, _MOST_HEADS = 160, 5  # characters before the options that are looked at, and colons that may end it


def looks_like_a_choice(text: str) -> tuple[str, ...]:
    """Return the options that a plain text offers, at least two and at most six; empty where it offers none.

    Told by: ``(a) … (b) …``; ``A or B?``; ``should I … or …``; a numbered, lettered or dotted list that is asked about;
    ``options: 1. … 2. … - which?``; ``which one: A, B?``; ``pick one - A / B``.
    What only reports, such as a numbered list of what was done, offers none.
    """
    text = text[:LONGEST]
    asking = _ASKING.search(text) is not None
    found = _marked(text, _LETTER, "abcdef")
    if not found and asking:
        found = _marked(text, _NUMBER, "123456") or _list_of(text)
    return (found or _alternatives(text) or _in_a_line(text))[:_MOST]


def _marked(text: str, mark: re.Pattern[str], order: str) -> tuple[str, ...]:
    """The parts behind marks that count on from the first one: (a), (b), …"""
    hits = [
        (hit.end(), hit.start(), next(group for group in hit.groups() if group).lower()) for hit in mark.finditer(text)
    ]
    kept: list[tuple[int, int]] = []
    for end, start, sign in hits:
        if len(kept) < len(order) and sign == order[len(kept)]:
            kept.append((end, start))
    if len(kept) < 2:
        return ()
    ends = [*(start for _, start in kept[1:]), len(text)]
    return tuple(_short(text[begin:end]) for (begin, _), end in zip(kept, ends, strict=True))


def _list_of(text: str) -> tuple[str, ...]:
    for line in (_LINE, _BULLET):
        items = [hit[1] for hit in line.finditer(text)]
        if len(items) >= 2 and _asks_about_a_list(text, line):
            return tuple(_short(item) for item in items)
    return ()


def _asks_about_a_list(text: str, line: re.Pattern[str]) -> bool:
    """Whether the asking stands outside of the list: above it, or below."""
    return _ASKING.search(line.sub("", text)) is not None


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[?!])\s+|(?<=[.])\s+(?=[A-Z])|\n+", text)


def _alternatives(text: str) -> tuple[str, ...]:
    """The two sides of an 'or' in a sentence that asks."""
    for sentence in _sentences(text):
        plain = _IDIOM.sub(" ", sentence[:2000]).strip()
        if not (plain.endswith("?") or _WANTS.search(plain)):
            continue
        parts = [part for part in _OR.split(plain) if part.strip(" ?.,!")]
        if len(parts) >= 2:
            return tuple(_short(_LEAD.sub("", part, count=1) if at == 0 else part) for at, part in enumerate(parts))
    return ()


def _in_a_line(text: str) -> tuple[str, ...]:
    """Options that follow one another in one line that asks."""
    for line in text.splitlines():
        if found := _numbered_in(line[:2000]):
            return found
    sentences = [" ".join(one[:2000].split()) for one in _sentences(text)]
    for sentence, behind in zip(sentences, [*sentences[1:], ""], strict=True):
        if found := _listed_in(sentence, asks=sentence.endswith("?") or _WHICH.fullmatch(behind) is not None):
            return found
    return ()


def _numbered_in(line: str) -> tuple[str, ...]:
    """``Options: 1. linear 2. cosine - which?``; not the steps of a report, and not 'step 1. of 2.'"""
    kept: list[re.Match[str]] = []
    for hit in _INLINE.finditer(line):
        if hit[1] == str(len(kept) + 1):
            kept.append(hit)
    if len(kept) < 2:
        return ()
    head = line[: kept[0].start()]
    if not _offers(head, asks="?" in line[len(head) :]):
        return ()
    ends = [*(hit.start() for hit in kept[1:]), len(line)]
    return _options(line[hit.end() : end] for hit, end in zip(kept, ends, strict=True))


def _offers(head: str, *, asks: bool) -> bool:
    """Whether options follow on this: an order to choose, or a word of choosing in what asks."""
    head = head[-_LONGEST_HEAD:]
    return _IMPERATIVE.search(head) is not None or (asks and _HEAD.search(head) is not None)


def _listed_in(sentence: str, *, asks: bool) -> tuple[str, ...]:
    """``Which one: linear, cosine?`` and ``Pick one - linear / cosine``."""
    for mark in islice(_COLON.finditer(sentence), _MOST_HEADS):
        head, told = sentence[: mark.end()], _ASKED_BEHIND.sub("", sentence[mark.end() :])
        parts = told.split(" / ") if " / " in told else told.split(",")
        listed = len(parts) > 1 and all(_is_item(part) for part in parts) and not _COLON.search(told)
        if listed and _offers(head, asks=asks):
            return _options(parts)
    parts = sentence.split(" / ")
    if asks and len(parts) > 1 and _WANTS.search(parts[0]):
        return _options([_LEAD.sub("", parts[0], count=1), *parts[1:]])
    return ()


def _is_item(part: str) -> bool:
    words = part.strip(" ?.!")
    return 0 < len(words) <= _LONGEST_ITEM and len(words.split()) <= _MOST_WORDS


def _options(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(_short(_ASKED_BEHIND.sub("", " ".join(part.split()))) for part in parts)


def _short(part: str) -> str:
    told = " ".join(part.split()).strip(" ,;:.?!")
    told = re.sub(r"\s+(?:or|and)$", "", told, flags=re.IGNORECASE)
    return told[:80] or "…"


def form_for(title: str, options: tuple[str, ...]) -> str:
    """Return the sentence that says how to ask instead, with the options that were found in the text."""
    listed = ", ".join(
        f"{{'id': '{'abcdef'[at]}', 'label': '{label}', 'consequence': '…'}}" for at, label in enumerate(options)
    )
    asked = " ".join(title.split())[:120]
    return (
        "Ask it with its options, the one that you suggest first, so that one press answers it: "
        f"ask_question(title='{asked}', options=[{listed}])."
    )
