"""A job that trains run aaa of sweep swp1, and the Slurm and the W&B in memory that are asked about it anew."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from apps.slurm.adapters.memory import MemoryScheduler
from apps.slurm.models import Job
from apps.slurm.ports import Submission
from apps.slurm.services import sync_jobs
from apps.stopping.models import CancelRequest, SweepRequest
from apps.stopping.services import Tools, ask_to_cancel, drive_cancel
from apps.stopping.steering import ask_to_steer, drive_steering
from apps.sweeps.adapters.memory import MemoryProject
from apps.sweeps.adapters.memory_control import MemoryControl
from apps.sweeps.models import Sweep
from tests.factories.moments import NOW
from tests.factories.records import sweep_record
from tests.factories.rows import (
    AgentLinkFactory,
    CheckpointFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
)


class Lab:
    """Job 1 carries run aaa at epoch 5, with a checkpoint of epoch 4; ``now`` moves only by the test."""

    def __init__(self, folder: Path, now: Any = NOW) -> None:
        self.script = folder / "agent.sbatch"
        self.script.write_text("#!/bin/bash\n#SBATCH --job-name=agent\n#SBATCH --gpus=2\ntrue\n")
        self.now = now
        self.project = MemoryProject([sweep_record()])
        self.scheduler = MemoryScheduler(now=now - timedelta(hours=5))
        self.control = MemoryControl({"team/glue": self.project})
        self.sweep = SweepFactory(sweep_id="swp1")
        self.run = RunFactory(run_id="aaa", sweep=self.sweep)
        self.job_id = self.submit()
        self.scheduler.start(self.job_id, "g07")
        self.scheduler.now = now
        self.job = self.job_of(self.job_id)
        RunLinkFactory(run=self.run, job=self.job)
        AgentLinkFactory(sweep=self.sweep, job=self.job)
        RunStatusFactory(run=self.run, job=self.job, epoch=5, step=500, target_epochs=10)
        CheckpointFactory(run=self.run, epoch=4, step=400, modified_at=now - timedelta(hours=1))

    def submit(self, comment: str = "") -> str:
        return self.scheduler.submit(Submission(str(self.script), comment=comment))

    def job_of(self, job_id: str) -> Job:
        """The stored row of a job's last attempt, after a pass over Slurm."""
        sync_jobs(scheduler=self.scheduler, now=self.now, users=[], history_days=14)
        return Job.objects.filter(job_id=job_id).latest("submit_at")

    @property
    def tools(self) -> Tools:
        return Tools(schedulers=lambda: {"": self.scheduler}, control=lambda: self.control)

    def ask(self, *jobs: Job) -> CancelRequest:
        (asked, *_), _ = ask_to_cancel(jobs=jobs or [self.job], actor="mia", now=self.now)
        return asked

    def drive(self, request: CancelRequest | SweepRequest, scheduler: Any = None) -> str:
        tools = self.tools if scheduler is None else Tools(lambda: {"": scheduler}, self.tools.control)
        if isinstance(request, SweepRequest):
            return drive_steering(request_pk=request.pk, tools=tools, clock=lambda: self.now)
        return drive_cancel(request_pk=request.pk, tools=tools, clock=lambda: self.now)

    def steer(self, wish: str) -> SweepRequest:
        return ask_to_steer(sweep=Sweep.objects.get(pk=self.sweep.pk), wish=wish, actor="mia", now=self.now)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.scheduler.now = self.now

    def state_of(self, job_id: str) -> list[str]:
        return [one.state for one in self.scheduler.attempts if one.job_id == job_id]
