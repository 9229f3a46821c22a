"""Sweeps, their agents and their runs, as W&B tells them."""

from django.db import models

from apps.sweeps.ports import LIVE_RUN_STATES, LIVE_SWEEP_STATES


class SweepQuerySet(models.QuerySet["Sweep"]):
    def live(self) -> "SweepQuerySet":
        """Sweeps that still run in W&B's eyes, and those whose runs still do."""
        has_live_run = Run.objects.live().filter(sweep=models.OuterRef("pk"))
        return self.filter(models.Q(state__in=LIVE_SWEEP_STATES) | models.Exists(has_live_run))


class Sweep(models.Model):
    """One W&B sweep. ``expected_runs`` is None where the search has no end."""

    entity = models.CharField(max_length=200)
    project = models.CharField(max_length=200)
    sweep_id = models.CharField(max_length=200)
    workspace = models.ForeignKey("workspaces.Workspace", null=True, on_delete=models.SET_NULL, related_name="sweeps")
    name = models.CharField(max_length=500)
    method = models.CharField(max_length=50, blank=True)
    state = models.CharField(max_length=30)
    description = models.TextField(blank=True)
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


class Run(models.Model):
    """One W&B run, keyed by entity, project and id: the id alone is unique only in its project.

    ``metric_value`` is the sweep's metric in the run's summary, kept so that the best one is a query.
    ``slurm_*`` is what the run's metadata says of its job; ``metadata_tries`` counts how often it was
    asked for, because runs killed in their first seconds never have any.
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
    created_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    slurm_raw_id = models.BigIntegerField(null=True)
    slurm_array_job_id = models.BigIntegerField(null=True)
    slurm_array_task_id = models.BigIntegerField(null=True)
    host = models.CharField(max_length=300, blank=True)
    metadata_tries = models.PositiveSmallIntegerField(default=0)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity", "project", "run_id"], name="run_is_unique_in_project")]
        indexes = [
            models.Index(fields=["sweep", "state"], name="run_by_sweep_state"),
            models.Index(fields=["state"], name="run_by_state"),
            models.Index(fields=["run_id"], name="run_by_id"),
            models.Index(fields=["slurm_raw_id"], name="run_by_slurm_job"),
        ]

    @property
    def project_path(self) -> str:
        return f"{self.entity}/{self.project}"
