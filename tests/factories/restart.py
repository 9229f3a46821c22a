"""A sweep whose two runs died, one with a checkpoint, and the W&B, the Slurm and the files that are asked about it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from apps.checkpoints.adapters.filesystem import FilesystemCheckpointStore
from apps.checkpoints.models import Checkpoint, Verification
from apps.core.errors import SweepboardError
from apps.restart.domain import Opening, Way
from apps.restart.fresh import Tools
from apps.restart.models import RestartRequest
from apps.restart.selectors import Subject
from apps.restart.services import ask_for_restart, drive_restart
from apps.slurm.adapters.memory import MemoryScheduler
from apps.sweeps.adapters.memory import MemoryProject, MemorySource
from apps.sweeps.adapters.memory_control import MemoryControl
from apps.sweeps.models import Run, Sweep
from tests.factories.moments import NOW
from tests.factories.records import run_record, sweep_record
from tests.factories.rows import (
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
    WorkspaceFactory,
    both_sources_answered,
)

AGENT = {"script": "experiments/agent.sbatch", "args": ["{sweep}"]}
PROOF = "logs/x.err:7: Key 'lr' is not in struct"


class Lab:
    """Runs aaa (epoch 5) and bbb (config error) of sweep swp1; ``now`` is the clock, which only the test moves."""

    def __init__(self, root: Path, now: Any = NOW, **config: Any) -> None:
        self.root, self.now = root, now
        self.scheduler = MemoryScheduler(now=now)
        self.project = MemoryProject([sweep_record()])
        self.control = MemoryControl({"team/glue": self.project})
        self.failure: SweepboardError | None = None
        self.source: Callable[[], Any] = self._memory
        (root / "experiments").mkdir(exist_ok=True)
        (root / "experiments" / "agent.sbatch").write_text("#!/bin/bash\ntrue\n")
        held = {"projects": ["team/glue"], "checkpoints": ["outputs/{run_id}/*.pt"], "agent": AGENT, **config}
        self.workspace = WorkspaceFactory(name="glue", root=str(root), config=held)
        self.sweep = SweepFactory(sweep_id="swp1", config=dict(sweep_record().config))
        both_sources_answered(at=now)
        self.runs = {name: self._run(name, epoch) for name, epoch in (("aaa", 5.0), ("bbb", None))}

    def _run(self, name: str, epoch: float | None) -> Run:
        run: Run = RunFactory(
            run_id=name, sweep=self.sweep, state="crashed", heartbeat_at=self.now - timedelta(hours=1)
        )
        job = JobFactory(state="FAILED", end_at=self.now - timedelta(hours=1), gpus=2)
        RunLinkFactory(run=run, job=job)
        wrong = {"crash_class": "config-error", "proof": PROOF} if epoch is None else {"crash_class": "preemption"}
        RunStatusFactory(run=run, job=job, epoch=epoch, step=None if epoch is None else 500, **wrong)
        self.project.runs.append(run_record(name, state="crashed"))
        return run

    def checkpoint(self, name: str = "aaa", *, sound: str = "pass") -> None:
        """Give a run a checkpoint on disk, listed by the last pass, and proven unless ``sound`` is empty."""
        path = self.root / "outputs" / name / "step_500.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
        (found,) = FilesystemCheckpointStore().find(self.root, [f"outputs/{name}/*.pt"])
        listed = {"run": self.runs[name], "step": 500, "bytes": found.bytes, "modified_at": found.modified_at}
        Checkpoint.objects.create(path=str(found.path), kind="pt", **listed)
        if sound:
            proof = {"asked_by": "mia", "asked_at": self.now, "state": "done", "sound": sound}
            Verification.objects.create(path=str(found.path), **listed, **proof)

    def _memory(self) -> MemorySource:
        made = MemorySource({"team/glue": self.project})
        if self.failure:
            made.fail(self.failure)
        return made

    @property
    def tools(self) -> Tools:
        return Tools(self.source, lambda: self.control, lambda: {"": self.scheduler}, FilesystemCheckpointStore)

    def ask(
        self, wish: Way = Way.RELAUNCH, agents: int = 1, opening: Opening | None = None, of: Subject | None = None
    ) -> RestartRequest:
        subject = of or Sweep.objects.get(pk=self.sweep.pk)
        return ask_for_restart(
            subject=subject, wish=wish, agents=agents, opening=opening or Opening(), actor="mia", now=self.now
        )

    def drive(self, request: RestartRequest, scheduler: Any = None) -> str:
        tools = self.tools
        if scheduler is not None:
            tools = replace(tools, schedulers=lambda: {"": scheduler})
        return drive_restart(request_pk=request.pk, tools=tools, clock=lambda: self.now)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.scheduler.now = self.now

    @property
    def agents(self) -> list[str]:
        """The arguments of each agent that was submitted."""
        return [one.args[0] for one in self.scheduler.submissions.values()]
