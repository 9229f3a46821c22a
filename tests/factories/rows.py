"""Rows by name: what a test does not say is filled in plausibly. Times count from ``NOW``."""

from datetime import datetime

import factory
from factory.django import DjangoModelFactory

from apps.audit.models import PassScope, SyncPass
from apps.checkpoints.models import Checkpoint
from apps.flags.models import Flag, RunStatus
from apps.links.models import AgentLink, RunLink
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep, SweepAgent
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW, before

REPEATABLE = {"seed": 7, "versions": {"torch": "2.9.1"}}  # what a careful run logs


class WorkspaceFactory(DjangoModelFactory[Workspace]):
    class Meta:
        model = Workspace

    name = factory.Sequence(lambda n: f"glue{n}")
    root = factory.LazyAttribute(lambda o: f"/shared/{o.name}")
    config = factory.LazyFunction(lambda: {"projects": ["team/glue"]})


class SweepFactory(DjangoModelFactory[Sweep]):
    class Meta:
        model = Sweep

    entity = "team"
    project = "glue"
    sweep_id = factory.Sequence(lambda n: f"swp{n:05d}")
    name = factory.LazyAttribute(lambda o: f"search {o.sweep_id}")
    method = "bayes"
    state = "RUNNING"
    metric_name = "loss"
    url = factory.LazyAttribute(lambda o: f"https://wandb.ai/{o.entity}/{o.project}/sweeps/{o.sweep_id}")
    created_at = before(days=1)


class SweepAgentFactory(DjangoModelFactory[SweepAgent]):
    class Meta:
        model = SweepAgent

    sweep = factory.SubFactory(SweepFactory)
    agent_id = factory.Sequence(lambda n: f"agent{n}")
    host = "g01"
    state = "RUNNING"
    heartbeat_at = before(seconds=20)


class RunFactory(DjangoModelFactory[Run]):
    class Meta:
        model = Run

    entity = "team"
    project = "glue"
    run_id = factory.Sequence(lambda n: f"run{n:05d}")
    sweep = factory.SubFactory(SweepFactory)
    name = factory.LazyAttribute(lambda o: f"calm-{o.run_id}")
    state = "running"
    user = "mia"
    url = factory.LazyAttribute(lambda o: f"https://wandb.ai/{o.entity}/{o.project}/runs/{o.run_id}")
    config = factory.LazyFunction(lambda: dict(REPEATABLE))
    summary = factory.LazyFunction(lambda: {"loss": 0.5})
    gpu_memory_percent = 40.0
    created_at = before(hours=5)
    heartbeat_at = before(seconds=20)


class JobFactory(DjangoModelFactory[Job]):
    class Meta:
        model = Job

    cluster = "memory"
    raw_id = factory.Sequence(lambda n: 1000 + n)
    job_id = factory.LazyAttribute(lambda o: str(o.raw_id))
    submit_at = before(hours=6)
    start_at = before(hours=5, minutes=5)
    state = "RUNNING"
    gpus = 1


class RunLinkFactory(DjangoModelFactory[RunLink]):
    class Meta:
        model = RunLink

    run = factory.SubFactory(RunFactory)
    job = factory.SubFactory(JobFactory)
    how = "metadata"
    evidence = "the run's metadata names it"


class AgentLinkFactory(DjangoModelFactory[AgentLink]):
    class Meta:
        model = AgentLink

    sweep = factory.SubFactory(SweepFactory)
    job = factory.SubFactory(JobFactory)
    evidence = "a log names the sweep"


class CheckpointFactory(DjangoModelFactory[Checkpoint]):
    class Meta:
        model = Checkpoint

    run = factory.SubFactory(RunFactory)
    path = factory.LazyAttribute(lambda o: f"/shared/glue/outputs/{o.run.run_id}/checkpoints/step_500.pt")
    kind = "pt"
    step = 500
    bytes = 2048
    modified_at = before(minutes=10)


class SyncPassFactory(DjangoModelFactory[SyncPass]):
    class Meta:
        model = SyncPass
        skip_postgeneration_save = True

    @factory.post_generation
    def known(self, create: bool, extracted: object, **kwargs: object) -> None:
        PassScope.objects.get_or_create(source=self.source, scope=self.scope)

    source = "wandb"
    scope = "team/glue"
    started_at = before(seconds=10)
    finished_at = before(seconds=8)


class FlagFactory(DjangoModelFactory[Flag]):
    class Meta:
        model = Flag

    rule = "zombie"
    severity = "critical"
    run = factory.SubFactory(RunFactory)
    sweep = factory.LazyAttribute(lambda o: o.run.sweep if o.run else None)
    evidence = "W&B says running, but Slurm knows no job of this run."
    action = "mark the run crashed in W&B"
    wandb_state = "running"
    slurm_state = "NO JOB"
    opened_at = before(hours=1)


def both_sources_answered(*, scope: str = "team/glue", at: datetime = NOW) -> None:
    """Note a good pass over W&B and over Slurm."""
    SyncPassFactory(source="wandb", scope=scope, started_at=at, finished_at=at)
    SyncPassFactory(source="slurm", scope="memory", started_at=at, finished_at=at)


class RunStatusFactory(DjangoModelFactory[RunStatus]):
    class Meta:
        model = RunStatus

    run = factory.SubFactory(RunFactory)
    wandb_state = factory.LazyAttribute(lambda o: o.run.state)
    slurm_state = factory.LazyAttribute(lambda o: o.job.state if o.job else "NO JOB")
    job = None
    pair = "normal"
    action = "nothing"
