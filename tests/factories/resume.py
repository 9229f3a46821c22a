"""A run that was preempted with a checkpoint on disk, and the W&B, the Slurm and the files that are asked about it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from apps.checkpoints.adapters.filesystem import FilesystemCheckpointStore
from apps.checkpoints.adapters.memory_prover import MemoryProver
from apps.core.errors import SweepboardError
from apps.resume.checking import ask_for_check, drive_check
from apps.resume.fresh import Tools
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.services import ask_for_resume, drive_resume
from apps.slurm.adapters.memory import MemoryScheduler
from apps.sweeps.adapters.memory import MemoryProject, MemorySource
from apps.sweeps.models import Run
from tests.factories.moments import NOW, before
from tests.factories.records import run_record, sweep_record
from tests.factories.rows import (
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
    WorkspaceFactory,
)

CONFIG = {"epochs": 10, "seed": 7, "lr": 0.1}
SUMMARY = {"global_step": 540, "epoch": 5, "_step": 54, "_timestamp": before(hours=1).timestamp()}
RECIPE = {
    "script": "experiments/resume.sbatch",
    "args": ["--from", "{checkpoint}", "--step={step}"],
    "environment": {"SWEEP": "{sweep_id}"},
    "options": {"time": "08:00:00", "requeue": ""},
}


class Lab:
    """Run aaa of sweep swp1, whose job 4711 was preempted; ``now`` is the clock, which only the test moves."""

    def __init__(self, root: Path, **recipe: Any) -> None:
        self.root, self.now = root, NOW
        self.prover, self.scheduler = MemoryProver(), MemoryScheduler(now=NOW)
        self.project = MemoryProject([sweep_record()])
        self.failure: SweepboardError | None = None
        self._files()
        config = {
            "projects": ["team/glue"],
            "checkpoints": ["outputs/{run_id}/checkpoints/*.pt"],
            "run_config": ["outputs/{run_id}/config.yaml"],
            "recipe": {**RECIPE, **recipe},
        }
        self.workspace = WorkspaceFactory(name="glue", root=str(root), config=config)
        self.run = RunFactory(
            run_id="aaa", sweep=SweepFactory(sweep_id="swp1"), state="crashed", heartbeat_at=before(hours=1)
        )
        self.job = JobFactory(state="PREEMPTED", end_at=before(hours=1), job_id="4711", raw_id=4711, nodes="g07")
        RunLinkFactory(run=self.run, job=self.job)
        self.status = RunStatusFactory(
            run=self.run, job=self.job, crash_class="preemption", resumable="yes", verdict="resume", epoch=5,
            target_epochs=10,
        )  # fmt: skip
        self.project.runs.append(
            run_record("aaa", state="crashed", heartbeat_at=before(hours=1), config=CONFIG, summary=SUMMARY)
        )

    def _files(self) -> None:
        import os

        folder = self.root / "outputs" / "aaa" / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint = folder / "step_500.pt"
        self.checkpoint.write_bytes(b"weights")
        written = before(hours=1, minutes=10).timestamp()
        os.utime(self.checkpoint, (written, written))
        (self.root / "outputs" / "aaa" / "config.yaml").write_text("wandb_run_id: aaa\nepochs: 10\nlr: 0.1\n")
        script = self.root / "experiments" / "resume.sbatch"
        script.parent.mkdir(exist_ok=True)
        script.write_text("#!/bin/bash\ntrue\n")

    @property
    def tools(self) -> Tools:
        def source() -> MemorySource:
            made = MemorySource({"team/glue": self.project})
            if self.failure:
                made.fail(self.failure)
            return made

        return Tools(
            source=source,
            schedulers=lambda: {"": self.scheduler},
            store=FilesystemCheckpointStore,
            prover=lambda: self.prover,
        )

    def check(self) -> GateCheck:
        """Look at the gate and return what was found."""
        asked = ask_for_check(run=Run.objects.get(pk=self.run.pk), actor="mia", now=self.now)
        drive_check(check_pk=asked.pk, tools=self.tools, clock=lambda: self.now)
        asked.refresh_from_db()
        return asked

    def states(self) -> dict[str, str]:
        """The state of each line of a look at the gate."""
        return {line.id: str(line.state) for line in self.check().gate}

    def shut(self) -> dict[str, str]:
        """The evidence of each line that does not pass."""
        return {line.id: f"{line.evidence} → {line.action}" for line in self.check().gate if not line.passes}

    def ask(self, check: GateCheck | None = None, **told: Any) -> ResumeRequest:
        run = Run.objects.get(pk=self.run.pk)
        values = {"actor": "mia", "now": self.now, "choices": {}, **told}
        return ask_for_resume(run=run, check=check or self.check(), **values)

    def drive(self, request: ResumeRequest, scheduler: Any = None) -> str:
        tools = self.tools
        if scheduler is not None:
            tools = replace(tools, schedulers=lambda: {"": scheduler})
        return drive_resume(request_pk=request.pk, tools=tools, clock=lambda: self.now)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.scheduler.now = self.now

    def wandb(self, **values: Any) -> None:
        self.project.runs[0] = replace(self.project.runs[0], **values)

    def logs(self, step: int, calls: int = 55, state: str = "running") -> None:
        """The resumed training logs ``step`` now."""
        summary = {"global_step": step, "epoch": step // 100, "_step": calls, "_timestamp": self.now.timestamp()}
        self.wandb(state=state, heartbeat_at=self.now, summary=summary)
        self.project.histories.setdefault("aaa", {}).setdefault("global_step", []).append((float(calls), float(step)))

    @property
    def jobs(self) -> list[str]:
        """The ids of the jobs that were submitted, and how often requeued ones live."""
        return [one.job_id for one in self.scheduler.attempts]

    def resumes_to_the_end(self, request: ResumeRequest) -> str:
        """Let the job start and log, and drive the request until nothing more happens to it."""
        for _ in range(3):
            state = self.drive(request)
            if state not in ResumeRequest.OPEN:
                return state
            self.later(seconds=15)
            for one in [x for x in self.scheduler.attempts if x.state == "PENDING"]:
                self.scheduler.start(one.job_id)
                self.later(seconds=15)
                self.logs(510)
        return self.drive(request)
