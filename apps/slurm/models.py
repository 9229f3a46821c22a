"""Jobs, as the scheduler tells them: one row per attempt."""

from datetime import datetime

from django.db import models

from apps.slurm.domain import elapsed_seconds
from apps.slurm.ports import ENDED_STATES

GONE = "GONE"
OVER = (*sorted(ENDED_STATES), "REQUEUED", GONE)


class JobQuerySet(models.QuerySet["Job"]):
    def live(self) -> "JobQuerySet":
        """Attempts that are still queued or running."""
        return self.filter(is_live=True)


class GpuKind(models.Model):
    """The GPUs of one type that a cluster has, as it last told them; ``name`` is its administrators' word for it."""

    cluster = models.CharField(max_length=100)
    name = models.CharField(max_length=200, blank=True)
    gpus = models.PositiveIntegerField()
    nodes = models.PositiveIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["cluster", "name"]
        constraints = [models.UniqueConstraint(fields=["cluster", "name"], name="gpu_kind_is_unique_in_cluster")]


class Job(models.Model):
    """One attempt of a job or array task. (cluster, job_id) is the job; the submit time tells attempts apart.

    ``state`` is Slurm's own, or ``GONE`` for a job that was live before and that a Slurm which answered
    knows neither in its queue nor in its accounting; ``gone_at`` says when that was concluded.
    ``run_hint`` is the W&B run that the comment names. ``elapsed_seconds`` is 0 until the attempt has ended,
    because a row is written when something happened and not when time passes: ask ``elapsed(now)``.
    ``max_rss_bytes`` is what accounting sampled of its largest step; None while nobody told it.
    """

    cluster = models.CharField(max_length=100)
    job_id = models.CharField(max_length=60)
    submit_at = models.DateTimeField()
    raw_id = models.BigIntegerField(null=True)
    array_job_id = models.BigIntegerField(null=True)
    array_task_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=30)
    reason = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=300, blank=True)
    user = models.CharField(max_length=100, blank=True)
    partition = models.CharField(max_length=100, blank=True)
    start_at = models.DateTimeField(null=True)
    end_at = models.DateTimeField(null=True)
    elapsed_seconds = models.PositiveIntegerField(default=0)
    time_limit_seconds = models.PositiveIntegerField(null=True)
    exit_code = models.IntegerField(null=True)
    exit_signal = models.IntegerField(null=True)
    nodes = models.CharField(max_length=1000, blank=True)
    gpus = models.PositiveIntegerField(default=0)
    comment = models.TextField(blank=True)
    work_dir = models.CharField(max_length=1000, blank=True)
    stdout_path = models.CharField(max_length=1000, blank=True)
    stderr_path = models.CharField(max_length=1000, blank=True)
    command = models.CharField(max_length=2000, blank=True)
    requeue_count = models.PositiveIntegerField(default=0)
    max_rss_bytes = models.BigIntegerField(null=True)
    gone_at = models.DateTimeField(null=True)
    run_hint = models.CharField(max_length=200, blank=True)
    # Of the state, by the database itself: among a million ended attempts the few live ones are an index away.
    is_live = models.GeneratedField(
        expression=models.Case(models.When(state__in=OVER, then=False), default=True),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "job_id", "submit_at"], name="attempt_is_unique")]
        indexes = [
            models.Index(fields=["state"], name="job_by_state"),
            models.Index(fields=["cluster", "raw_id"], name="job_by_raw_id"),
            models.Index(fields=["job_id"], name="job_by_id"),
            models.Index(fields=["end_at"], name="job_by_end"),
            models.Index(fields=["cluster"], name="job_live", condition=models.Q(is_live=True)),
            models.Index(fields=["gone_at"], name="job_gone", condition=models.Q(gone_at__isnull=False)),
            models.Index(fields=["-end_at"], name="job_preempted", condition=models.Q(state="PREEMPTED")),
            models.Index(fields=["run_hint"], name="job_by_run_hint", condition=~models.Q(run_hint="")),
        ]

    @property
    def ended(self) -> bool:
        return self.state in OVER

    @property
    def over_at(self) -> datetime | None:
        """When the attempt ended, or was found to be gone; None while it lives."""
        return self.end_at or self.gone_at

    def elapsed(self, now: datetime) -> int:
        """Return for how many seconds the attempt ran, or has run until ``now``."""
        return elapsed_seconds(self.start_at, self.over_at, self.elapsed_seconds, now)
