"""Sweeps, their agents and their runs, as W&B tells them."""

from datetime import datetime

from django.db import models

from apps.sweeps.ports import LIVE_RUN_STATES, LIVE_SWEEP_STATES


class SweepQuerySet(models.QuerySet["Sweep"]):
    def live(self) -> "SweepQuerySet":
        """Sweeps that still run in W&B's eyes, and those whose runs still do."""
        has_live_run = Run.objects.live().filter(sweep=models.OuterRef("pk"))
        return self.filter(models.Q(state__in=LIVE_SWEEP_STATES) | models.Exists(has_live_run))


class Sweep(models.Model):
    """One W&B sweep. ``expected_runs`` is None where the search has no end.

    ``purpose`` is what people wrote down of why it runs: the description in W&B, or that of its YAML file
    ``purpose_file`` with the comments at its head.
    """

    entity = models.CharField(max_length=200)
    project = models.CharField(max_length=200)
    sweep_id = models.CharField(max_length=200)
    workspace = models.ForeignKey("workspaces.Workspace", null=True, on_delete=models.SET_NULL, related_name="sweeps")
    name = models.CharField(max_length=500)
    method = models.CharField(max_length=50, blank=True)
    state = models.CharField(max_length=30)
    description = models.TextField(blank=True)
    purpose = models.TextField(blank=True)
    purpose_file = models.CharField(max_length=1000, blank=True)
    config = models.JSONField(default=dict)
    metric_name = models.CharField(max_length=300, blank=True)
    metric_goal = models.CharField(max_length=10, default="minimize")
    expected_runs = models.PositiveIntegerField(null=True)
    url = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)

    objects = SweepQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "project", "sweep_id"], name="sweep_is_unique_in_project")
        ]
        indexes = [models.Index(fields=["state"], name="sweep_by_state")]

    @property
    def project_path(self) -> str:
        return f"{self.entity}/{self.project}"


class SweepAgent(models.Model):
    """One process that pulls runs from a sweep."""

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="agents")
    agent_id = models.CharField(max_length=200)
    name = models.CharField(max_length=300, blank=True)
    host = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=30)
    total_runs = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sweep", "agent_id"], name="agent_is_unique_in_sweep")]


class RunQuerySet(models.QuerySet["Run"]):
    def live(self) -> "RunQuerySet":
        return self.filter(state__in=LIVE_RUN_STATES)

    def of_project(self, path: str) -> "RunQuerySet":
        """Runs of ``entity/project``."""
        entity, project = path.split("/", 1)
        return self.filter(entity=entity, project=project)


class Run(models.Model):
    """One W&B run, keyed by entity, project and id: the id alone is unique only in its project.

    ``metric_value`` is the sweep's metric in the run's summary, kept so that the best one is a query.
    ``parameters_hash`` is the same for runs of a sweep with the same chosen values; empty where nobody chose.
    ``slurm_jobs`` lists the Slurm jobs of the run's processes as W&B was told, oldest first (``RunJob`` as JSON);
    ``slurm_raw_id`` is the last one's number. ``metadata_tries`` counts how often a run of an old client was asked
    for its metadata file, because runs killed in their first seconds never have one.
    ``trained_until`` is set for a run that was uploaded after it had trained: its heartbeat is that of the upload.
    So it is for one that was closed in W&B from outside: heartbeats up to ``closed_until`` are then the closer's.
    ``offline`` is a run that so far is only in a folder of its workspace: state and heartbeat are that folder's.
    GPU figures are the latest measured, in percent.
    """

    entity = models.CharField(max_length=200)
    project = models.CharField(max_length=200)
    run_id = models.CharField(max_length=200)
    sweep = models.ForeignKey(Sweep, null=True, on_delete=models.SET_NULL, related_name="runs")
    name = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=30)
    user = models.CharField(max_length=200, blank=True)
    group = models.CharField(max_length=500, blank=True)
    tags = models.JSONField(default=list)
    notes = models.TextField(blank=True)
    url = models.CharField(max_length=1000, blank=True)
    config = models.JSONField(default=dict)
    summary = models.JSONField(default=dict)
    metric_value = models.FloatField(null=True)
    parameters_hash = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    slurm_raw_id = models.BigIntegerField(null=True)
    slurm_jobs = models.JSONField(default=list)
    host = models.CharField(max_length=300, blank=True)
    metadata_tries = models.PositiveSmallIntegerField(default=0)
    trained_until = models.DateTimeField(null=True)
    closed_until = models.DateTimeField(null=True)
    offline = models.BooleanField(default=False)
    gpu_percent = models.FloatField(null=True)
    gpu_memory_percent = models.FloatField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity", "project", "run_id"], name="run_is_unique_in_project")]
        indexes = [
            models.Index(fields=["sweep", "state"], name="run_by_sweep_state"),
            models.Index(fields=["state"], name="run_by_state"),
            models.Index(fields=["run_id"], name="run_by_id"),
            models.Index(
                fields=["sweep", "parameters_hash"], name="run_by_parameters", condition=~models.Q(parameters_hash="")
            ),
            models.Index(fields=["slurm_raw_id"], name="run_by_slurm_job"),
            models.Index(fields=["sweep"], name="run_offline", condition=models.Q(offline=True)),
        ]

    @property
    def project_path(self) -> str:
        return f"{self.entity}/{self.project}"

    @property
    def key(self) -> str:
        return str(self.pk)

    @property
    def ended_at(self) -> datetime | None:
        """The last sign of training; None while the run lives."""
        return None if self.state in LIVE_RUN_STATES else self.trained_until or self.heartbeat_at

    @property
    def raw_job_ids(self) -> frozenset[int]:
        """The numbers of all Slurm jobs that W&B was told of; a resumed run has several."""
        told = {int(job["raw_id"]) for job in self.slurm_jobs}
        return frozenset(told if self.slurm_raw_id is None else told | {self.slurm_raw_id})


class RunStateChange(models.Model):
    """A state of a run in W&B that a pass saw for the first time after another one; W&B itself keeps only the last.

    ``seen_at`` is the pass's time: the state began between it and the pass before. A run that had ended before
    Sweepboard knew it has no row.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="state_changes", db_index=False)
    state = models.CharField(max_length=30)
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["run", "seen_at"], name="state_change_by_run")]


class RunHistory(models.Model):
    """A thin sample of what a run logged, for sparklines: lists of [step, value].

    ``beat_at`` is the run's heartbeat when the sample was taken: a run without a newer one is not asked again.
    """

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="history")
    metric = models.JSONField(default=list)
    loss = models.JSONField(default=list)
    beat_at = models.DateTimeField(null=True)


class RunFolder(models.Model):
    """One run folder below a workspace's ``wandb/``, as read without a server.

    ``run_name`` is W&B's id of the run. ``offline`` is a folder that was written without a connection.
    ``step`` is W&B's own count of log calls.
    ``synced`` means that the client's own mark for 'uploaded' stands beside the file, or that W&B knows as much.
    ``size`` and ``modified_at`` are the transaction log's; a folder whose log did not change is not read again.
    """

    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, related_name="run_folders")
    path = models.CharField(max_length=1000, unique=True)
    run_name = models.CharField(max_length=200)
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="folders")
    offline = models.BooleanField(default=True)
    synced = models.BooleanField(default=False)
    state = models.CharField(max_length=30, blank=True)
    step = models.BigIntegerField(null=True)
    size = models.BigIntegerField(default=0)
    modified_at = models.DateTimeField()
    problem = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["run_name"], name="folder_by_run"),
            models.Index(fields=["modified_at"], name="folder_unsynced", condition=models.Q(synced=False)),
        ]


class UploadRequest(models.Model):
    """Somebody's wish that a run folder be uploaded to W&B; it is driven until it is done or failed.

    ``state`` is queued, running, done or failed; ``claimed_at`` is renewed while a worker uploads, so that a dead
    worker's request is taken up again. ``said`` is the last line of the client's own output.
    """

    OPEN = ("queued", "running")

    folder = models.ForeignKey(RunFolder, on_delete=models.CASCADE, related_name="uploads")
    state = models.CharField(max_length=10, default="queued")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    said = models.CharField(max_length=500, blank=True)
    error = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["folder"], condition=models.Q(state__in=("queued", "running")), name="one_open_upload_a_folder"
            )
        ]
