"""Answering for a handover, line by line: what is known, current, in the index, and still as it was handed over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Answer(StrEnum):
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One question with its answer and the evidence in a sentence."""

    id: str
    answer: Answer
    evidence: str

    def as_json(self) -> dict[str, str]:
        return {"id": self.id, "answer": self.answer.value, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class IndexFact:
    """What one `CLAUDE.md` says. ``key`` is empty where it calls none current, ``problem`` why it was not read.

    ``mentions`` are the keys that it names anywhere, each with its line.
    """

    path: str
    key: str
    problem: str = ""
    exists: bool = True
    mentions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerifyFacts:
    """What is known of the handover ``key``. ``state`` is empty where no document has the key.

    ``registered`` is False where nothing tells what was handed over. ``handed_over`` and ``now`` are hashes of the
    content as it was handed over and as it is on the disk; ``edits`` sentences on what happened in between.
    ``findings`` are the sentences of those that concern the key itself.
    """

    key: str
    path: str = ""
    state: str = ""
    superseded_by: str = ""
    indexes: tuple[IndexFact, ...] = ()
    registered: bool = True
    handed_over: str = ""
    now: str = ""
    edits: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    answered: bool = True


def verify(facts: VerifyFacts) -> tuple[Line, ...]:
    """Return the lines in order; evidence that is missing is unknown and never a pass."""
    if not facts.state:
        return (_unknown_key(facts),)
    return (_known(facts), _current(facts), _archived(facts), _index(facts), _content(facts))


def overall(lines: Sequence[Line]) -> Answer:
    """The worst answer: a fail, else an unknown, else a pass."""
    answers = {line.answer for line in lines}
    return next((one for one in (Answer.FAIL, Answer.UNKNOWN) if one in answers), Answer.PASS)


def _unknown_key(facts: VerifyFacts) -> Line:
    if not facts.answered:
        return Line("known", Answer.UNKNOWN, f"{facts.key}: the workspace does not answer.")
    return Line("known", Answer.FAIL, f"No document has the key {facts.key}.")


def _known(facts: VerifyFacts) -> Line:
    if facts.findings:
        return Line("known", Answer.FAIL, " ".join(facts.findings))
    if facts.state == "gone":
        return Line("known", Answer.FAIL, f"It lay in {facts.path} and is not on the disk any more.")
    return Line("known", Answer.PASS, f"It lies in {facts.path}.")


def _current(facts: VerifyFacts) -> Line:
    if facts.superseded_by:
        named = any(one.key == facts.key for one in facts.indexes)
        aside = " An index still names this one." if named else ""
        return Line("current", Answer.FAIL, f"It is superseded by {facts.superseded_by}.{aside}")
    if facts.state in ("archived", "gone"):
        return Line("current", Answer.FAIL, f"It is {facts.state}.")
    return Line("current", Answer.PASS, "It is the newest of its branch.")


def _archived(facts: VerifyFacts) -> Line:
    if facts.state == "archived":
        return Line("archived", Answer.FAIL, f"It is in the archive: {facts.path}.")
    if facts.state == "gone":
        return Line("archived", Answer.UNKNOWN, "It lies nowhere, so not in the archive either.")
    return Line("archived", Answer.PASS, "It is not in the archive.")


def _index(facts: VerifyFacts) -> Line:
    """Whether an index carries it; where several are asked, each that does not is named."""
    if not facts.indexes:
        return Line("index", Answer.UNKNOWN, "No checkout could be asked for its CLAUDE.md.")
    carrying = [one.path for one in facts.indexes if one.key == facts.key]
    if carrying:
        return Line("index", Answer.PASS, f"{', '.join(carrying)} carries it.")
    troubled = [one for one in facts.indexes if one.problem]
    if troubled:
        return Line("index", Answer.UNKNOWN, " ".join(one.problem for one in troubled))
    return Line("index", Answer.FAIL, " ".join(_says(one, facts.key) for one in facts.indexes[:3]))


def _says(one: IndexFact, wanted: str) -> str:
    """What an index says instead; without a pointer the line that names the key, else the first that names any."""
    if not one.exists:
        return f"{one.path} is not there."
    if one.key:
        return f"{one.path} names {one.key}."
    if not one.mentions:
        return f"{one.path} names no handover."
    key = wanted if wanted in one.mentions else min(one.mentions, key=lambda key: one.mentions[key])
    return f"{one.path} names {key} in line {one.mentions[key]}, but not as its current handover."


def _content(facts: VerifyFacts) -> Line:
    if not facts.registered:
        return Line("content", Answer.UNKNOWN, "Neither a registry nor an index tells what was handed over.")
    if not facts.now or not facts.handed_over:
        return Line("content", Answer.UNKNOWN, "It cannot be read now, so it cannot be compared.")
    if facts.now == facts.handed_over:
        return Line("content", Answer.PASS, f"It says what was handed over (sha256 {facts.now[:12]}).")
    told = " ".join(facts.edits[-3:])
    what = f"sha256 {facts.now[:12]} now, {facts.handed_over[:12]} when it was handed over"
    return Line("content", Answer.FAIL, f"It was changed since it was handed over ({what}). {told}".rstrip())
