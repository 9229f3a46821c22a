"""Run folders on a mounted filesystem, read by the client's own command for its transaction log.

The log's format is the client's own business and changes; `wandb leet inspect` reads it without a server. Its
summary names neither the sweep nor the job, so the first records are read as well.
"""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.core.errors import Permanent, Transient
from apps.core.units import whole
from apps.sweeps.adapters import wandb_records as records
from apps.sweeps.ports import FolderStamp, LocalRun, RunRecord

_NAME = re.compile(r"(?P<offline>offline-)?run-\d{8}_\d{6}-(?P<run>[A-Za-z0-9_-]{1,128})")
FIRST_RECORDS = 40
MOST_OUTPUT = 32 << 20
_ENDED = frozenset({"finished", "failed", "crashed", "killed"})


class WandbRunFolders:
    """Lists folders by one look at each; reads one in a child process that has ``seconds`` to end."""

    def __init__(self, *, seconds: float = 30) -> None:
        self.requests = 0
        self._seconds = seconds

    def list(self, root: Path) -> list[FolderStamp]:
        inside = root / "wandb"
        try:
            entries = list(os.scandir(inside))
        except (FileNotFoundError, NotADirectoryError):
            away = inside.readlink() if inside.is_symlink() else root
            if away != root or not root.is_dir():
                raise Transient(f"{away} is not there; is its filesystem mounted?") from None
            return []
        except OSError as error:
            raise Transient(f"{inside} cannot be listed: {error.strerror}.") from error
        found = [stamp for entry in entries if (stamp := _stamp(entry)) is not None]
        return sorted(found, key=lambda stamp: stamp.modified_at, reverse=True)

    def read(self, path: Path) -> LocalRun:
        self.requests += 1
        name = _NAME.fullmatch(path.name)
        summary = records.loaded(self._inspect(path, "--summary", "--json"))
        if name is None or "state" not in summary:
            raise Permanent(f"W&B's client cannot read {path}: it holds no run.")
        # A run that was killed in its first seconds left nothing but its folder's name.
        return _local_run({**summary, "run_id": summary.get("run_id") or name["run"]}, self._first_records(path))

    def _inspect(self, path: Path, *options: str) -> str:
        command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, str(path)]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._seconds,
                check=False,
                env=_quiet_environment(),
            )
        except subprocess.TimeoutExpired:
            raise Transient(f"Reading {path} took more than {self._seconds:g} seconds.") from None
        except OSError as error:
            raise Transient(f"The client that reads {path} could not be started: {error.strerror}.") from error
        if done.returncode or len(done.stdout) > MOST_OUTPUT:
            said = " ".join(done.stderr.decode(errors="replace").split())[-300:]
            raise Permanent(f"W&B's client cannot read {path}: {said or f'status {done.returncode}'}.")
        return done.stdout.decode(errors="replace")

    def _first_records(self, path: Path) -> dict[str, Mapping[str, Any]]:
        """Return the first record of each kind among the log's first lines; the rest is not waited for."""
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
        found: dict[str, Mapping[str, Any]] = {}
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_quiet_environment(),
        ) as child:
            assert child.stdout is not None  # noqa: S101 - it was asked for
            for _ in range(FIRST_RECORDS):
                line = records.loaded(child.stdout.readline(1 << 20))
                kind = str(line.get("type") or "")
                if not kind:
                    break
                inner = line.get(kind)
                found.setdefault(kind, inner if isinstance(inner, Mapping) else {})
                if {"run", "environment"} <= found.keys():
                    break
            child.kill()
        return found


def _stamp(entry: "os.DirEntry[str]") -> FolderStamp | None:
    match = _NAME.fullmatch(entry.name)
    if match is None or not entry.is_dir(follow_symlinks=False):
        return None
    log = Path(entry.path) / f"run-{match['run']}.wandb"
    try:
        found, synced = log.stat(), log.with_name(f"{log.name}.synced").exists()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _shut(entry, match)
    if not stat.S_ISREG(found.st_mode):
        return None
    return FolderStamp(
        path=Path(entry.path),
        run_id=match["run"],
        offline=bool(match["offline"]),
        size=found.st_size,
        modified_at=datetime.fromtimestamp(found.st_mtime, tz=UTC),
        synced=synced,
    )


def _shut(entry: "os.DirEntry[str]", name: "re.Match[str]") -> FolderStamp | None:
    """Return the stamp of a folder that is there and that we may not look into; reading it will say so."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    written = datetime.fromtimestamp(found.st_mtime, tz=UTC)
    return FolderStamp(Path(entry.path), name["run"], bool(name["offline"]), 0, written, synced=False)


def _local_run(summary: Mapping[str, Any], first: Mapping[str, Mapping[str, Any]]) -> LocalRun:
    run, surroundings = first.get("run", {}), first.get("environment", {})
    state = str(summary.get("state") or "").lower()
    job = records.job_from_metadata({**surroundings, "startedAt": surroundings.get("started_at")})
    values = records.plain(records.loaded(summary.get("summary")))
    record = RunRecord(
        run_id=str(summary.get("run_id")),
        name=str(summary.get("name") or ""),
        state=state if state in _ENDED else "running",
        url="",
        sweep_id=str(run.get("sweep_id") or ""),
        group=str(run.get("run_group") or ""),
        tags=tuple(str(tag) for tag in summary.get("tags") or ()),
        notes=str(summary.get("notes") or ""),
        config=records.plain(records.loaded(summary.get("config"))),
        summary=values,
        created_at=records.moment(summary.get("start_time")),
        heartbeat_at=records.moment(summary.get("last_write")),
        jobs=(job,) if job else (),
    )
    step = whole(summary.get("step"))
    return LocalRun(record, str(summary.get("entity") or ""), str(summary.get("project") or ""), step)


def _quiet_environment() -> dict[str, str]:
    """The reader needs no key and no server, and must not share our client's side process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return {**kept, "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
