"""How far each log was read, and what it says of each run."""

from django.db import models


class LogFile(models.Model):
    """One log. ``offset`` in bytes; ``carry`` is the reader's state at that offset.

    ``cluster`` and ``job_id`` are the job through which it was found; others that write to it are in ``LogSharer``.
    ``behind`` marks a log of which more is known to exist than was read: it is read on even after its job ended.
    ``skipped_bytes`` were never read, because there were too many; ``notes`` says where, newest last.
    ``problem`` is why it could not be read at the last try; empty when it could.
    """

    path = models.CharField(max_length=1000, unique=True)
    cluster = models.CharField(max_length=100)
    job_id = models.CharField(max_length=60)
    inode = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)
    modified_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    behind = models.BooleanField(default=False, db_index=True)
    skipped_bytes = models.BigIntegerField(default=0)
    notes = models.JSONField(default=list)
    problem = models.CharField(max_length=500, blank=True)
    carry = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["cluster", "job_id"], name="log_by_job")]


class LogSharer(models.Model):
    """A further job that writes to a log."""

    log = models.ForeignKey(LogFile, on_delete=models.CASCADE, related_name="sharers")
    cluster = models.CharField(max_length=100)
    job_id = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "cluster", "job_id"], name="sharer_is_unique_in_log")]
        indexes = [models.Index(fields=["job_id"], name="sharer_by_job")]


class LogTrace(models.Model):
    """What one log says of one run; ``run_id`` is empty for lines before any run is named.

    ``epoch`` counts epochs trained, whatever number the log gives the first one (``zero_based``). ``evidence`` is of
    the run's last start in this log, ``earlier_starts`` how far those before it came and what ended them.
    ``progress_at`` is when the file had been written, as progress was last read from it.
    """

    log = models.ForeignKey(LogFile, on_delete=models.CASCADE, related_name="traces")
    run_id = models.CharField(max_length=200, blank=True)
    sweep_id = models.CharField(max_length=200, blank=True)
    epoch = models.FloatField(null=True)
    step = models.BigIntegerField(null=True)
    target_epochs = models.FloatField(null=True)
    total_steps = models.BigIntegerField(null=True)
    loss = models.FloatField(null=True)
    loss_is_finite = models.BooleanField(default=True)
    steps_per_second = models.FloatField(null=True)
    samples_per_second = models.FloatField(null=True)
    zero_based = models.BooleanField(null=True)
    progress_at = models.DateTimeField(null=True)
    starts = models.PositiveIntegerField(default=0)
    evidence = models.JSONField(default=list)
    earlier_starts = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "run_id"], name="trace_is_unique_in_log")]
        indexes = [models.Index(fields=["run_id"], name="trace_by_run")]
