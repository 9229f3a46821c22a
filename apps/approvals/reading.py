"""Reading plans, questions and reports from what a program sends; a sentence where they do not fit."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import Draft, Kind, Step
from apps.approvals.domain.questions import Option, QuestionDraft
from apps.approvals.domain.reports import Result

_PLAN = {"title", "kind", "steps", "risks", "touches", "failing_test", "acceptance_tests"}
_QUESTION = {"title", "options", "context", "allow_multiple", "deadline"}


def draft_from(told: object) -> Draft:
    """Return the plan that a JSON object tells; ``Refused`` says which field is wrong."""
    data = _object(told, "A plan", _PLAN)
    return Draft(
        title=_text(data, "title"),
        kind=kind_from(_text(data, "kind") or Kind.OTHER.value),
        steps=tuple(_step(one, at) for at, one in enumerate(_list(data, "steps"), 1)),
        risks=_texts(data, "risks"),
        touches=_texts(data, "touches"),
        failing_test=_text(data, "failing_test"),
        acceptance_tests=_texts(data, "acceptance_tests"),
    )


def kind_from(word: str) -> Kind:
    """Return the kind of that name, also where it is written with '-' or '_'."""
    plain = word.strip().lower().replace("-", " ").replace("_", " ")
    try:
        return Kind("bug fix" if plain in ("bugfix", "bug", "fix") else plain)
    except ValueError as error:
        named = ", ".join(f"'{kind.value}'" for kind in Kind)
        raise Refused(f"'{word[:40]}' is no kind of a plan: {named}.") from error


def _step(told: object, number: int) -> Step:
    data = _object(told, f"Step {number}", {"text", "command"})
    return Step(_text(data, "text"), _text(data, "command"))


def question_from(told: object) -> QuestionDraft:
    """Return the question that a JSON object tells; an option without an id is called by a letter."""
    data = _object(told, "A question", _QUESTION)
    multiple = data.get("allow_multiple", False)
    if not isinstance(multiple, bool):
        raise Refused("'allow_multiple' is true or false.")
    return QuestionDraft(
        title=_text(data, "title"),
        options=tuple(_option(one, at) for at, one in enumerate(_list(data, "options"))),
        context=_text(data, "context"),
        allow_multiple=multiple,
        deadline=moment_from(_text(data, "deadline")),
    )


def _option(told: object, at: int) -> Option:
    letter = chr(ord("a") + at % 26)
    if isinstance(told, str):
        return Option(letter, told.strip())
    data = _object(told, f"Option {at + 1}", {"id", "label", "consequence"})
    return Option(_text(data, "id") or letter, _text(data, "label"), _text(data, "consequence"))


def moment_from(text: str) -> datetime | None:
    """Return a moment such as 2026-05-04T09:00Z in UTC, one without a time zone as it is; None for an empty text."""
    if not text:
        return None
    try:
        told = datetime.fromisoformat(text)
        return told if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # 0001-01-01T00:00+14:00 is no moment in UTC
        raise Refused(f"'{text[:40]}' is no moment; write one such as 2026-05-04T09:00Z.") from error


def results_from(told: object) -> tuple[Result, ...]:
    """Return the results of a final report: a list of ``{command, exit_status, output}``."""
    rows = _list({"results": told}, "results")
    return tuple(_result(one, at) for at, one in enumerate(rows, 1))


def _result(told: object, number: int) -> Result:
    data = _object(told, f"Result {number}", {"command", "exit_status", "output"})
    status = data.get("exit_status")
    if not isinstance(status, int) or isinstance(status, bool):
        raise Refused(f"Result {number} needs its 'exit_status', a whole number; 0 is a pass.")
    return Result(_text(data, "command"), status, _text(data, "output", strip=False))


def _object(told: object, what: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(told, Mapping):
        raise Refused(f"{what} is an object with {', '.join(sorted(known))}.")
    if unknown := {str(key) for key in told} - known:
        raise Refused(f"{what} has no field '{min(unknown)[:40]}'; known are {', '.join(sorted(known))}.")
    return told


def _text(data: Mapping[str, Any], name: str, *, strip: bool = True) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(f"'{name}' is a text.")
    return value.replace("\r\n", "\n").strip() if strip else value


def _list(data: Mapping[str, Any], name: str) -> Sequence[object]:
    value = data.get(name) or []
    if not isinstance(value, list | tuple):
        raise Refused(f"'{name}' is a list.")
    return value


def _texts(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = _list(data, name)
    if not all(isinstance(one, str) for one in value):
        raise Refused(f"'{name}' is a list of texts.")
    return tuple(str(one).replace("\r\n", "\n").strip() for one in value if str(one).strip())
