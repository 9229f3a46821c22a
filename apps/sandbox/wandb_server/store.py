"""The SQLite file in which everything is kept, so that a restart forgets nothing."""

import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TABLES = Path(__file__).with_name("tables.sql")
Row = sqlite3.Row


class Store:
    """One connection behind one lock: any thread may call, and a transaction is never interleaved."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.create_function("REGEXP", 2, _matches, deterministic=True)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(TABLES.read_text())

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return every row of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        with self._lock:
            found: Row | None = self._db.execute(sql, values).fetchone()
            return found

    def number(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row; None when there is no row or it is NULL."""
        found = self.row(sql, values)
        return found[0] if found else None

    def insert(self, table: str, columns: dict[str, Any]) -> int:
        """Insert one row and return its number; names of tables and columns come from code only."""
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        with self._lock:
            done = self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(columns.values()))  # noqa: S608
            return int(done.lastrowid or 0)

    def update(self, table: str, number: int, columns: dict[str, Any]) -> None:
        """Set columns of one row; nothing happens when there are none."""
        if not columns:
            return
        names = ", ".join(f"{name} = ?" for name in columns)
        self.execute(f"UPDATE {table} SET {names} WHERE id = ?", [*columns.values(), number])  # noqa: S608

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it changed."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each sequence of values."""
        with self._lock:
            self._db.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, or nothing of it; may be nested, the outermost block decides."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._depth == 1:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._db.execute("COMMIT")
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the file after the statement in progress."""
        with self._lock:
            self._db.close()


def _matches(pattern: str, value: object) -> bool:
    return value is not None and re.search(pattern, str(value)) is not None
