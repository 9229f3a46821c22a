"""A zombie as the passes left it, and the W&B and the Slurm in memory that are asked about it anew."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from apps.closing.fresh import Tools
from apps.closing.models import CloseRequest
from apps.closing.services import ask_for_closing, drive_closing
from apps.core.errors import SweepboardError
from apps.slurm.adapters.memory import MemoryScheduler
from apps.slurm.ports import Submission
from apps.sweeps.adapters.memory import MemoryProject, MemorySource
from apps.sweeps.adapters.memory_closer import MemoryCloser
from apps.sweeps.models import Run
from apps.sweeps.services.project import sync_project
from tests.factories.moments import NOW, before
from tests.factories.records import run_record, sweep_record
from tests.factories.rows import (
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
    SyncPassFactory,
    both_sources_answered,
)


class Lab:
    """One zombie, run aaa of sweep swp1, whose job 4711 failed; ``now`` is the clock, which only the test moves."""

    def __init__(self, folder: Path, *, in_sweep: bool = True) -> None:
        self.script = folder / "go_on.sbatch"
        self.script.write_text("#!/bin/bash\ntrue\n")
        self.project = MemoryProject([sweep_record()])
        self.scheduler = MemoryScheduler(now=NOW)
        self.closer = MemoryCloser({"team/glue": self.project}, clock=lambda: self.now)
        self.failure: SweepboardError | None = None
        self.now = NOW
        both_sources_answered()
        sweep = SweepFactory(sweep_id="swp1") if in_sweep else None
        self.run = RunFactory(run_id="aaa", sweep=sweep, heartbeat_at=before(hours=1))
        self.job = JobFactory(state="FAILED", end_at=before(minutes=58), job_id="4711", raw_id=4711)
        RunLinkFactory(run=self.run, job=self.job)
        chain = ["W&B says running, last heartbeat 1 h ago.", "Slurm says FAILED of job 4711."]
        RunStatusFactory(run=self.run, job=self.job, pair="zombie", agree=False, chain=chain, verdict="mark crashed")
        self.project.runs.append(run_record("aaa", heartbeat_at=before(hours=1), sweep_id="swp1" if in_sweep else ""))

    def ask(self) -> CloseRequest:
        return ask_for_closing(run=Run.objects.get(pk=self.run.pk), actor="mia", now=self.now)

    def drive(self, request: CloseRequest, closer: Any = None) -> str:
        def source() -> MemorySource:
            made = MemorySource({"team/glue": self.project})
            if self.failure:
                made.fail(self.failure)
            return made

        tools = Tools(source=source, schedulers=lambda: {"": self.scheduler}, closer=lambda: closer or self.closer)
        return drive_closing(request_pk=request.pk, tools=tools, clock=lambda: self.now)

    def submit(self, comment: str = "") -> str:
        return self.scheduler.submit(Submission(str(self.script), comment=comment))

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def fresh_passes(self) -> None:
        """Both sources answered a moment ago."""
        both_sources_answered(at=self.now)

    def sync(self) -> None:
        """A pass over W&B that began now."""
        sync_project(project="team/glue", source=MemorySource({"team/glue": self.project}), now=self.now)
        SyncPassFactory(source="wandb", scope="team/glue", started_at=self.now, finished_at=self.now)

    def wandb(self, **values: Any) -> None:
        self.project.runs[0] = replace(self.project.runs[0], **values)
