"""Where the local scheduler keeps its jobs: one SQLite file, shared by every process on the machine."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.core.errors import Transient
from apps.slurm.ports import JobAttempt

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attempt (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    raw_id INTEGER NOT NULL,
    array_id INTEGER,
    task_id INTEGER,
    at_once INTEGER,
    requeue_count INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'PENDING',
    reason TEXT NOT NULL DEFAULT 'None',
    held INTEGER NOT NULL DEFAULT 0,
    want TEXT NOT NULL DEFAULT '',
    submit_at REAL NOT NULL,
    start_at REAL,
    end_at REAL,
    limit_seconds INTEGER,
    exit_code INTEGER,
    exit_signal INTEGER,
    leader TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    gpus INTEGER NOT NULL,
    comment TEXT NOT NULL,
    work_dir TEXT NOT NULL,
    stdout TEXT NOT NULL,
    stderr TEXT NOT NULL,
    append INTEGER NOT NULL,
    command TEXT NOT NULL,
    argv TEXT NOT NULL,
    environment TEXT NOT NULL,
    max_rss INTEGER,
    UNIQUE (job_id, requeue_count)
);
CREATE INDEX IF NOT EXISTS attempt_state ON attempt (state);
CREATE INDEX IF NOT EXISTS attempt_end ON attempt (end_at);
CREATE TABLE IF NOT EXISTS number (next INTEGER NOT NULL);
INSERT INTO number SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM number);
"""
_LIFE = {
    "key": None,
    "state": "PENDING",
    "reason": "None",
    "held": 0,
    "want": "",
    "start_at": None,
    "end_at": None,
    "exit_code": None,
    "exit_signal": None,
    "leader": "",
    "max_rss": None,
}

Row = sqlite3.Row


class LocalStore:
    """The table of attempts. Every method that writes wants the connection of ``transaction()``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("attempts", "scripts"):
            # Environments are stored as they were, keys and all: nobody else may look.
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = folder / "jobs.sqlite3"
        with self._connection() as db:
            db.executescript(_SCHEMA)
            _add_newer_columns(db)
        self._file.chmod(0o600)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that holds the write lock, so that what is read stays true; then commit."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(self._file, timeout=20, isolation_level=None)
        except sqlite3.Error as error:
            raise Transient(f"The local jobs cannot be read: {error}.") from None
        db.row_factory = sqlite3.Row
        try:
            yield db
        except sqlite3.OperationalError as error:
            raise Transient(f"The local jobs cannot be read: {error}.") from None
        finally:
            db.close()

    def select(self, condition: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """Return the attempts that meet ``condition`` (our own SQL, with ? for ``values``), oldest first."""
        with self._connection() as db:
            return select(db, condition, values)

    def attempt_folder(self, key: int) -> Path:
        """Return the folder of one attempt, which its runner is given."""
        return self.folder / "attempts" / str(key)


def _add_newer_columns(db: sqlite3.Connection) -> None:
    """Give a file of an earlier version the column that it lacks; its jobs are kept."""
    if "max_rss" in {row["name"] for row in db.execute("PRAGMA table_info(attempt)")}:
        return
    try:
        db.execute("ALTER TABLE attempt ADD COLUMN max_rss INTEGER")
    except sqlite3.OperationalError as error:
        if "duplicate column" not in str(error):  # another process was quicker
            raise


def select(db: sqlite3.Connection, condition: str, values: tuple[Any, ...] = ()) -> list[Row]:
    """Return the attempts that meet ``condition``, oldest first."""
    sql = f"SELECT * FROM attempt WHERE {condition} ORDER BY submit_at, key"  # noqa: S608 - conditions are ours
    return list(db.execute(sql, values))


def take_numbers(db: sqlite3.Connection, count: int) -> int:
    """Return the first of ``count`` job numbers that nobody else will get."""
    first: int = db.execute("SELECT next FROM number").fetchone()[0]
    db.execute("UPDATE number SET next = ?", (first + count,))
    return first


def insert(db: sqlite3.Connection, values: Mapping[str, Any]) -> int:
    """Add one attempt and return its key."""
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    sql = f"INSERT INTO attempt ({names}) VALUES ({marks})"  # noqa: S608 - the names are our columns
    return int(db.execute(sql, tuple(values.values())).lastrowid or 0)


def update(db: sqlite3.Connection, key: int, **values: Any) -> None:
    """Change some columns of one attempt."""
    names = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE attempt SET {names} WHERE key = ?", (*values.values(), key))  # noqa: S608 - our columns


def insert_next_attempt(db: sqlite3.Connection, row: Row, now: float) -> int:
    """Put the job of ``row`` back into the queue under its own id, as its next attempt."""
    # Submit times tell attempts apart, and who reads them may keep whole seconds only.
    submit_at = max(now, float(int(row["submit_at"]) + 1))
    again = {"submit_at": submit_at, "requeue_count": row["requeue_count"] + 1}
    return insert(db, {**dict(row), **_LIFE, **again})


def to_attempt(row: Row, partition: str) -> JobAttempt:
    """Return a stored attempt as the port's shape; a running one is elapsed until now."""
    end = row["end_at"] or datetime.now(UTC).timestamp()
    started = row["start_at"]
    return JobAttempt(
        cluster="local",
        job_id=row["job_id"],
        submit_at=datetime.fromtimestamp(row["submit_at"], UTC),
        state=row["state"],
        raw_id=row["raw_id"],
        array_job_id=row["array_id"],
        array_task_id=row["task_id"],
        name=row["name"],
        user=row["user"],
        partition=partition,
        reason="" if row["reason"] == "None" else row["reason"],
        start_at=_moment(started),
        end_at=_moment(row["end_at"]),
        elapsed_seconds=max(0, int(end - started)) if started else 0,
        time_limit_seconds=row["limit_seconds"],
        exit_code=row["exit_code"],
        exit_signal=row["exit_signal"],
        nodes="localhost" if started else "",
        gpus=row["gpus"],
        comment=row["comment"],
        work_dir=row["work_dir"],
        stdout_path=row["stdout"],
        stderr_path=row["stderr"],
        command=row["command"],
        requeue_count=row["requeue_count"],
        max_rss_bytes=row["max_rss"],
    )


def _moment(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)
