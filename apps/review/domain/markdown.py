"""A week as Markdown for the notes, and as JSON for programs. Pure.

Every sweep stands with its W&B link (practice: 'Always include W&B URLs').
"""

from typing import Any

from apps.board.markdown import cell, link
from apps.review.domain.catalogue import PARTS
from apps.review.domain.late import LateRow
from apps.review.domain.numbers import Row, Table, to_json
from apps.review.domain.review import Item, Review
from apps.review.domain.wording import amount, limits, standing, told

TITLES = {
    "sweeps": "Sweeps", "hours-by-sweep": "GPU hours by sweep", "hours-by-person": "GPU hours by person",
    "causes": "Red flags, worst first", "fast": "Fast completions", "resumed": "Resumed", "abandoned": "Not resumed",
    "results": "Best metrics", "handovers-never": "Handovers that nobody picked up", "plans-open": "Plans that wait",
    "questions-open": "Open questions",
}  # fmt: skip
GENERATED = "<!-- AGENT-GENERATED: Do not commit to git unless explicitly requested -->"


def markdown(review: Review) -> str:
    """Return the whole review, with last week beside each figure, the notes, and the action items."""
    where = f" · {cell(review.workspace)}" if review.workspace else ""
    lines = [GENERATED, f"# Weekly review {review.week}{where}", "", f"{review.week.days}, {review.week.zone}."]
    lines += [standing(review), ""]
    if review.present:
        lines += [f"Present: {', '.join(cell(name) for _, name in review.present)}", ""]
    for part in PARTS:
        lines += [f"## {part.title}", ""]
        lines += [f"Known in part: {limit}." for limit in limits(review.of_part(part.id))]
        lines += [f"- {one.measure.title}: {told(one)}" for one in review.of_part(part.id)]
        if part.id == "numbers":
            lines += [f"- runs by verdict, {one.measure.title}: {told(one)}" for one in review.verdicts()]
        if part.id == "actions":
            lines += [_item(item) for item in review.items] or ["None."]
        for table, rows in review.tables(part.id):
            lines += ["", *_table(table, rows)] if rows else []
        notes = review.remarks_on(part.id)
        lines += ["", "Notes:", ""] if notes else []
        lines += [f"- {cell(one.text)} ({cell(one.by)}, {one.at:%Y-%m-%d %H:%M} UTC)" for one in notes]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _table(table: Table, rows: list[LateRow]) -> list[str]:
    lines = [f"### {TITLES[table.id]}", "", "| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join([_name(one.row, late=one.late), *_cells(one)]) + " |" for one in rows]
    return [*lines, "", f"and {table.more} that were not kept"] if table.more else lines


def _name(row: Row, *, late: bool) -> str:
    name = link(row.name, row.url) if row.url else cell(row.name)
    return f"{name} (late)" if late else name


def _cells(one: LateRow) -> list[str]:
    if not one.later:
        return [cell(text) for text in one.row.cells]
    pairs = zip(one.row.cells, one.later, strict=False)
    return [cell(was if was == now else f"{was} (late: now {now})") for was, now in pairs]


def _item(item: Item) -> str:
    box = "x" if item.done_at else " "
    due = f", by {item.due}{' (overdue)' if item.overdue else ''}" if item.due else ""
    carried = f", since {item.week}" if item.carried else ""
    return f"- [{box}] {cell(item.what)} – {cell(item.who)}{due}{carried}"


def as_json(review: Review) -> dict[str, Any]:
    """Return the review as plain JSON values: the numbers, last week's values, what is late, and what was written."""
    return {
        **to_json(review.numbers),
        "frozen_at": review.frozen_at.isoformat() if review.frozen_at else None,
        "last_week": {id: one.value for id, one in review.before.figures.items()} if review.before else {},
        "late": {
            id: {"value": one.now.value, "came": list(one.came), "went": list(one.went)}
            for id in review.numbers.figures
            if (one := review.shown(id).late) is not None
        },
        "read": {id: amount(review.shown(id).figure, review.shown(id).measure.unit) for id in review.numbers.figures},
        "notes": [
            {"part": one.part, "text": one.text, "by": one.by, "at": one.at.isoformat()} for one in review.remarks
        ],
        "action_items": [
            {
                "what": one.what, "who": one.who, "due": one.due.isoformat() if one.due else None, "week": one.week,
                "done": one.done_at is not None, "overdue": one.overdue,
            }
            for one in review.items
        ],
        "present": [name for _, name in review.present],
    }  # fmt: skip
