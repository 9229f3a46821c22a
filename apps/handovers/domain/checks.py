"""Validations: which commands were run, and what each said."""

import re
from collections.abc import Iterable, Sequence

from apps.handovers.domain.document import Check, Kind
from apps.handovers.domain.header import clean
from apps.handovers.domain.items import Item, items_in
from apps.handovers.domain.lines import Line, Role
from apps.handovers.domain.outline import Outline
from apps.handovers.domain.tables import Table, empty_as_nothing, is_row, tables_in

_COMMAND_HEADS = (
    "command",
    "cmd",
    "check",
    "test",
    "gate",
    "validator",
    "validation",
    "befehl",
    "prüfung",
    "命令",
    "commande",
)
_RESULT_HEADS = ("result", "results", "outcome", "status", "output", "ergebnis", "résultat", "resultado", "结果")
_CODE_FIRST = re.compile(r"(`+)(?P<command>.+?)\1(?!`)[\s:：=→>—–-]*(?P<result>.*)$")
_PARTS = (" → ", " -> ", " => ", " — ", " – ", ": ", " - ")
_PROMPT = re.compile(r"\s*(?:\([\w.-]+\)\s*)?[\w@.~/-]{0,60}[$%❯][ \t]+(?P<command>\S.*)$")
_RESULT = re.compile(
    r"[\s\-*+>]*[*_]{0,2}(?:result|output|outcome|ergebnis|→|=>)[*_]{0,2}\s*[:：]?[*_]{0,2}\s*(?P<result>\S.*)$",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"[\s\-*+>]*[*_]{0,2}(?:command|cmd|befehl)[*_]{0,2}\s*[:：][*_]{0,2}\s*(?P<command>\S.*)$", re.IGNORECASE
)
_SHELL = {"", "bash", "sh", "shell", "console", "zsh", "text", "shell-session"}


def checks_of(outline: Outline) -> list[Check]:
    """Return the validations in the order of their lines, from tables, bullets and what was copied from a terminal."""
    lines = outline.body(Kind.VALIDATION)
    found = [*_from_tables(lines), *_from_bullets(lines), *_from_terminal(lines), *_from_labels(lines)]
    return sorted(found, key=lambda check: check.line)


def _from_tables(lines: Sequence[Line]) -> list[Check]:
    return [
        Check(clean(command), empty_as_nothing(row.cell(result)), row.line)
        for table in tables_in(lines, (*_COMMAND_HEADS, *_RESULT_HEADS))
        for which, result in [_columns(table)]
        for row in table.rows
        if (command := _unticked(empty_as_nothing(row.cell(which))))
    ]


def _columns(table: Table) -> tuple[int, int]:
    command, result = table.column(_COMMAND_HEADS), table.column(_RESULT_HEADS)
    command = command if command is not None else (0 if result != 0 else 1)
    return command, result if result is not None else command + 1


def _unticked(cell: str) -> str:
    """Return what a code span holds; two ticks serve for text with one."""
    found = re.fullmatch(r"(`+) ?(.+?) ?\1", cell)
    return found[2].strip() if found and found[1] not in found[2] else cell


def _from_bullets(lines: Sequence[Line]) -> list[Check]:
    items = items_in(line for line in lines if not is_row(line) and not _COMMAND.match(line.text))
    least = min((item.indent for item in items), default=0)
    found = [_bullet(item) for item in items if item.indent <= least and item.text and not _RESULT.match(item.text)]
    return [check for check in found if check.command]


def _bullet(item: Item) -> Check:
    told = _CODE_FIRST.match(item.text)
    if told:
        return Check(told["command"].strip(), empty_as_nothing(told["result"]) or _below(item), item.line)
    for mark in _PARTS:
        before, between, after = item.text.partition(mark)
        if between and before.strip() and after.strip():
            return Check(clean(before), after.strip(), item.line)
    return Check(clean(item.text), _below(item), item.line)


def _below(item: Item) -> str:
    found = (_RESULT.match(one) for one in item.below)
    return next((one["result"] for one in found if one), "")


def _from_terminal(lines: Iterable[Line]) -> list[Check]:
    """A prompt begins a command, the last line before the next prompt is its result; plain lines are commands alone."""
    found: list[Check] = []
    block: list[Line] = []
    for line in [*lines, Line(0, "")]:
        if line.role is Role.CODE:
            block.append(line)
        elif block:
            found += _session(block)
            block = []
    return found


def _session(block: Sequence[Line]) -> list[Check]:
    prompts = [(at, hit) for at, line in enumerate(block) if (hit := _PROMPT.match(line.text))]
    if not prompts:
        return _plain_commands(block) if block[0].info.split(" ")[0].lower() in _SHELL - {"", "text"} else []
    ends = [*(at for at, _ in prompts[1:]), len(block)]
    checks = []
    for (at, hit), end in zip(prompts, ends, strict=True):
        said = [line.text.strip() for line in block[at + 1 : end] if line.text.strip()]
        checks.append(Check(hit["command"].strip(), said[-1] if said else "", block[at].number))
    return checks


def _plain_commands(block: Sequence[Line]) -> list[Check]:
    told = (
        (line.number, line.text.partition(" # ")) for line in block if line.text.strip() and line.text.strip()[0] != "#"
    )
    return [Check(command.strip(), result.strip(), number) for number, (command, _, result) in told if command.strip()]


def _from_labels(lines: Sequence[Line]) -> list[Check]:
    """`Command: …` with `Result: …` in one of the next lines."""
    found = []
    for at, line in enumerate(lines):
        told = _COMMAND.match(line.text) if line.is_text and not is_row(line) else None
        if told:
            answers = (_RESULT.match(later.text) for later in lines[at + 1 : at + 4])
            result = next((one["result"] for one in answers if one), "")
            found.append(Check(clean(_unticked(told["command"])), clean(result), line.number))
    return found
