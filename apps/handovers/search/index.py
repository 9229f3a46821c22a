"""The index of words in the database: FTS5 on SQLite, a tsvector with GIN on PostgreSQL. Both hold the same words.

The text is cut into words in Python (``words``), so that both databases find the same; they only keep lists.
An entry's number grows with the document's date: the highest are the newest.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection

from apps.handovers.search.query import Term

Row = tuple[int, str, str, str]  # the entry's number, the stems of its title, those of its body, its marks


class Entry(NamedTuple):
    """One version in the index, or a part of a long one; ``handover`` and ``content`` are primary keys."""

    number: int
    handover: int
    content: int


def add(rows: Iterable[Row]) -> None:
    """Take entries into the index; run it in the transaction that makes their rows."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(
                "INSERT INTO handovers_words (rowid, title, body, marks) VALUES (%s, %s, %s, %s)", list(rows)
            )
        else:
            cursor.executemany(_ADD_TO_POSTGRES, [(title, body, marks, number) for number, title, body, marks in rows])


_ADD_TO_POSTGRES = (
    "UPDATE handovers_searchentry SET words = setweight(to_tsvector('simple', %s), 'A') || to_tsvector('simple', %s)"
    " || to_tsvector('simple', %s) WHERE id = %s"
)


def mark(kind: str, value: object) -> str:
    """Return the word by which everything of one branch, agent, author or workspace is found; no text has it."""
    return f"zqx{kind}{hashlib.sha256(str(value).encode()).hexdigest()[:12]}"


def clear() -> None:
    """Forget every entry's words; their rows go as well."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("INSERT INTO handovers_words (handovers_words) VALUES ('delete-all')")
        else:
            cursor.execute("UPDATE handovers_searchentry SET words = NULL")


def newest_with(
    terms: Sequence[Term], limit: int, *, any_of: Sequence[Term] = (), marks: Sequence[str] = (), title: bool = False
) -> list[Entry]:
    """Return the newest entries that hold every one of ``terms``, and one of ``any_of`` where it is given.

    ``marks`` are those that they have; ``title`` asks for the terms in the title: name, focus and headings.
    """
    if connection.vendor == "sqlite":
        return _entries(_FROM_SQLITE, [_of_sqlite(terms, any_of, marks, title), limit])
    return _entries(_FROM_POSTGRES, [_of_postgres(terms, any_of, marks, title), limit])


# An entry whose handover was deleted is no more, whatever the list of words still holds of it.
_FROM_SQLITE = (
    "SELECT e.id, e.handover_id, e.content_id FROM handovers_words w "
    "CROSS JOIN handovers_searchentry e ON e.id = w.rowid WHERE handovers_words MATCH %s ORDER BY w.rowid DESC LIMIT %s"
)
_FROM_POSTGRES = (
    "SELECT id, handover_id, content_id FROM handovers_searchentry WHERE words @@ %s::tsquery ORDER BY id DESC LIMIT %s"
)


def _entries(sql: str, values: list[Any]) -> list[Entry]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [Entry(*row) for row in cursor.fetchall()]


def _of_sqlite(terms: Sequence[Term], any_of: Sequence[Term], marks: Sequence[str], title: bool) -> str:
    parts = [_phrase(one) for one in terms]
    if any_of:
        parts.append("(" + " OR ".join(_phrase(one) for one in any_of) + ")")
    told = " AND ".join(parts)
    marked = [f"marks : {one}" for one in marks]
    return " AND ".join([f"title : ({told})" if title else told, *marked])


def _phrase(term: Term) -> str:
    """Stems are letters and digits only, so nothing in them could end the quotation."""
    exact = " ".join(term.stems)
    if not term.begins:
        return f'"{exact}"'
    told = f"{exact} {term.begins}".strip()
    return f'"{told}"*'


def _of_postgres(terms: Sequence[Term], any_of: Sequence[Term], marks: Sequence[str], title: bool) -> str:
    weight = "A" if title else ""
    parts = [_followed(one, weight) for one in terms]
    if any_of:
        parts.append("(" + " | ".join(_followed(one, weight) for one in any_of) + ")")
    return " & ".join([*parts, *(f"'{one}'" for one in marks)])


def _followed(term: Term, weight: str) -> str:
    exact = [f"'{one}':{weight}" if weight else f"'{one}'" for one in term.stems]
    if term.begins:
        exact.append(f"'{term.begins}':*{weight}")
    return "(" + " <-> ".join(exact) + ")"
