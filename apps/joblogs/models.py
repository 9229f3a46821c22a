"""How far each log was read, and what it says of each run."""

from django.db import models


class LogFile(models.Model):
    """One log of one job. ``offset`` in bytes; ``carry`` is the reader's state at that offset.

    ``behind`` marks a log of which more is known to exist than was read: it is read on even after its job ended.
    """

    path = models.CharField(max_length=1000, unique=True)
    cluster = models.CharField(max_length=100)
    job_id = models.CharField(max_length=60)
    inode = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)
    modified_at = models.DateTimeField(null=True)
    behind = models.BooleanField(default=False, db_index=True)
    carry = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["cluster", "job_id"], name="log_by_job")]


class LogTrace(models.Model):
    """What one log says of one run; ``run_id`` is empty for lines before any run is named."""

    log = models.ForeignKey(LogFile, on_delete=models.CASCADE, related_name="traces")
    run_id = models.CharField(max_length=200, blank=True)
    sweep_id = models.CharField(max_length=200, blank=True)
    epoch = models.FloatField(null=True)
    step = models.BigIntegerField(null=True)
    target_epochs = models.FloatField(null=True)
    loss = models.FloatField(null=True)
    loss_is_finite = models.BooleanField(default=True)
    starts = models.PositiveIntegerField(default=0)
    evidence = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "run_id"], name="trace_is_unique_in_log")]
        indexes = [models.Index(fields=["run_id"], name="trace_by_run")]
