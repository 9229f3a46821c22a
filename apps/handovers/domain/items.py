"""Bullets and boxes, with the lines that go on below them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.handovers.domain.lines import Line

_ITEM = re.compile(r"(?P<indent>[ \t>]*)(?:[-*+•▪◦]|\d{1,4}[.)])[ \t]+(?P<text>\S.*)?$")
_BOX = re.compile(r"\\?\[(?P<mark>[^\]\[]?)\\?\](?:[ \t]+|$)")
_EMOJI = {"✅": True, "✔": True, "☑": True, "☐": False, "⬜": False, "❌": False, "🔲": False, "⏳": False, "✓": True}
LONGEST = 10_000  # characters of one item
_DONE_MARKS = "xX✓✔✅-"


@dataclass(slots=True)
class Item:
    """One bullet. ``box`` is None for one without a box, else whether it is ticked. ``below`` are bullets under it.

    ``drawn`` says that its box is in brackets and no emoji.
    """

    text: str
    line: int
    indent: int
    box: bool | None = None
    drawn: bool = False
    below: list[str] = field(default_factory=list)


def items_in(lines: Iterable[Line]) -> list[Item]:
    """Return every bullet, deeper ones too; text that goes on in the next lines is joined to it."""
    items: list[Item] = []
    open_item: Item | None = None
    for line in lines:
        if not line.is_text:
            open_item = None
            continue
        found = _ITEM.match(line.text)
        if found:
            open_item = _item(found, line.number)
            _note_below(items, open_item)
            items.append(open_item)
        elif open_item is not None and line.text.strip() and line.text[:1] in " \t":
            if len(open_item.text) > LONGEST:
                continue  # or a thousand lines that go on would be joined a thousand times
            open_item.text = f"{open_item.text} {line.text.strip()}"
        else:
            bare = _bare_box(line)
            open_item = None
            items += [bare] if bare else []
    return items


def _item(found: re.Match[str], number: int) -> Item:
    indent = len(found["indent"].replace("\t", "    "))
    text = (found["text"] or "").strip()
    box = _BOX.match(text)
    if box:
        return Item(text[box.end() :].strip(), number, indent, _is_ticked(box), drawn=True)
    mark = next((mark for mark in _EMOJI if text.startswith(mark)), "")
    if mark:
        return Item(text.removeprefix(mark).lstrip("\ufe0f \t"), number, indent, _EMOJI[mark])
    return Item(text, number, indent)


def _is_ticked(box: re.Match[str]) -> bool:
    return box["mark"] != "" and box["mark"] in _DONE_MARKS


def _bare_box(line: Line) -> Item | None:
    """A box without a bullet before it."""
    text = line.text.strip()
    box = _BOX.match(text)
    if box and text[box.end() :].strip():
        return Item(text[box.end() :].strip(), line.number, 0, _is_ticked(box), drawn=True)
    return None


def _note_below(items: list[Item], item: Item) -> None:
    for above in reversed(items[-50:]):
        if above.indent < item.indent:
            above.below.append(item.text)
            return
