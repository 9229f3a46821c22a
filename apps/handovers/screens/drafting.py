"""The form of a new handover: what was typed, line by line, as a wish; nothing of it is ever dropped in silence."""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from django.core import signing
from django.http import QueryDict

from apps.handovers.domain.document import Box, Check, Commit, Decision
from apps.handovers.services.prefilling import Prefill
from apps.handovers.services.writing import Wish

SALT = "handovers.new"
SECONDS = 86_400
_BOX = re.compile(r"(?:[-*]\s+)?(?:\[(?P<mark>[ xX])\]\s*)?(?P<text>.*)")
_FIELDS = ("focus", "next", "agent", "author", "spec", "changed", "validated", "pending", "decisions")


@dataclass(frozen=True)
class Typed:
    """What stands in the fields, as it was typed; the long ones hold one thing a line."""

    focus: str = ""
    next: str = ""
    agent: str = ""
    author: str = ""
    spec: str = ""
    changed: str = ""
    validated: str = ""
    pending: str = ""
    decisions: str = ""

    @classmethod
    def of(cls, told: QueryDict) -> "Typed":
        return cls(**{name: told.get(name, "").replace("\x00", "\ufffd") for name in _FIELDS})

    @classmethod
    def begin(cls, prefill: Prefill, who: str) -> "Typed":
        """What stands there before anybody typed: what was open and validated before, and who is logged in."""
        pending = "\n".join(f"[ ] {box.text}" for box in prefill.pending)
        return cls(author=who, validated="\n".join(map(_validated, prefill.checks)), pending=pending)

    @property
    def missing(self) -> dict[str, str]:
        """A sentence for each field that is required and empty."""
        wanted = {
            "focus": "A handover needs its focus: one line on what this is about.",
            "next": "A handover needs the next action: what whoever comes next does first.",
        }
        return {name: why for name, why in wanted.items() if not getattr(self, name).strip()}

    @property
    def wish(self) -> Wish:
        return Wish(
            focus=" ".join(self.focus.split()),
            next_actions=_lines(self.next),
            agent=self.agent.strip(),
            author=self.author.strip(),
            spec=_lines(self.spec),
            changes=_lines(self.changed),
            checks=tuple(Check(*_parted(line)) for line in _lines(self.validated)),
            pending=tuple(_box(line) for line in _lines(self.pending)),
            decisions=tuple(Decision(*_parted(line)) for line in _lines(self.decisions)),
        )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for told in text.splitlines() if (line := told.strip()))


def _parted(line: str) -> tuple[str, str]:
    """Return what stands before `=>` and after the last one; without one there is no second part."""
    before, sign, after = line.rpartition("=>")
    return (before.strip(), after.strip()) if sign else (line, "")


def _validated(check: Check) -> str:
    """Return a validation as it is typed; the arrow stands there also where the result is still to come."""
    return f"{check.command} => {check.result.replace('=>', '→')}".rstrip()


def _box(line: str) -> Box:
    found = _BOX.fullmatch(line)
    if found is None:
        return Box(line, done=False)
    return Box(found["text"].strip(), done=(found["mark"] or " ") in "xX")


def without_typed(prefill: Prefill) -> Prefill:
    """What was carried over stands in the fields: whoever took a line out of one meant that."""
    return replace(prefill, pending=(), checks=())


def sealed(prefill: Prefill) -> str:
    """Return the prefill for the form to carry, signed, so that a preview need not ask git at every letter."""
    told = {**asdict(prefill), "checkout": str(prefill.checkout), "main": str(prefill.main)}
    return signing.dumps(told, salt=SALT, compress=True)


def unsealed(text: str) -> Prefill | None:
    """Return what `sealed` made; None for anything else, and when it is a day old."""
    try:
        told: dict[str, Any] = signing.loads(text, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return None
    return Prefill(
        checkout=Path(told["checkout"]),
        main=Path(told["main"]),
        branch=told["branch"],
        author=told["author"],
        commits=tuple(Commit(**one) for one in told["commits"]),
        uncommitted=tuple(told["uncommitted"]),
        pending=tuple(Box(**one) for one in told["pending"]),
        checks=tuple(Check(**one) for one in told.get("checks", ())),  # a form that is open since before has none
        previous=told["previous"],
        runs=tuple(told["runs"]),
        flags=tuple(told["flags"]),
        problems=tuple(told["problems"]),
    )
