"""The newest checkpoint of every run, as found; proof of what is in it comes with verification."""

from django.db import models


class Checkpoint(models.Model):
    """The newest checkpoint of one run. ``total`` counts all that the run has."""

    run = models.OneToOneField("sweeps.Run", on_delete=models.CASCADE, related_name="checkpoint")
    path = models.CharField(max_length=1000)
    kind = models.CharField(max_length=20)
    step = models.BigIntegerField(null=True)
    epoch = models.FloatField(null=True)
    bytes = models.BigIntegerField()
    modified_at = models.DateTimeField()
    total = models.PositiveIntegerField(default=1)


class CheckpointTime(models.Model):
    """When checkpoints of a run were written: the last one of each hour, also where its file was rotated away since.

    What an attempt had saved when it ended is known from it long after. ``hour`` is ``at`` cut to the hour.
    """

    run = models.ForeignKey("sweeps.Run", on_delete=models.CASCADE, related_name="checkpoint_times")
    hour = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "hour"], name="one_checkpoint_time_an_hour")]


class RunConfig(models.Model):
    """The config that a run wrote beside its outputs, as last read. ``values`` is its parsed content.

    ``wandb_run_id`` is what it says of itself; empty where it does not. ``problem`` says why it could not be read.
    """

    run = models.OneToOneField("sweeps.Run", on_delete=models.CASCADE, related_name="disk_config")
    path = models.CharField(max_length=1000)
    bytes = models.BigIntegerField()
    modified_at = models.DateTimeField()
    values = models.JSONField(default=dict)
    wandb_run_id = models.CharField(max_length=200, blank=True)
    problem = models.CharField(max_length=300, blank=True)


class Verification(models.Model):
    """What was proven of one checkpoint of a run, or is being proven.

    ``bytes`` and ``modified_at`` are those of the checkpoint as it was listed: a proof holds for a checkpoint that is
    listed with the same ones. ``stamp`` tells every file of it by size, time and inode, so that nothing is read twice.
    ``sound`` is pass, fail, unknown or unsafe; empty while nothing is proven. ``read_bytes`` grows while it is read.
    ``parameters`` counts those of its model; None where nothing tells them from the rest.
    ``judged`` turns true when the run's flags know of it.
    """

    OPEN = ("queued", "running")

    run = models.ForeignKey("sweeps.Run", on_delete=models.CASCADE, related_name="verifications")
    path = models.CharField(max_length=1000, unique=True)
    kind = models.CharField(max_length=20, blank=True)
    step = models.BigIntegerField(null=True)
    epoch = models.FloatField(null=True)
    bytes = models.BigIntegerField()
    modified_at = models.DateTimeField()
    stamp = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, default="queued")
    sound = models.CharField(max_length=10, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    read_bytes = models.BigIntegerField(default=0)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True)
    parameters = models.BigIntegerField(null=True)
    judged = models.BooleanField(default=True)

    class Meta:
        indexes = [
            models.Index(fields=["state"], name="proof_open", condition=models.Q(state__in=["queued", "running"])),
            models.Index(fields=["run"], name="proof_not_judged", condition=models.Q(judged=False)),
        ]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    def holds_for(self, checkpoint: Checkpoint) -> bool:
        """Tell whether this is what was proven of a checkpoint as it is listed now."""
        listed = (checkpoint.path, checkpoint.bytes, checkpoint.modified_at)
        return listed == (self.path, self.bytes, self.modified_at)

    @property
    def percent(self) -> int | None:
        """How much of it is read while it is being proven; None otherwise."""
        return min(99, self.read_bytes * 100 // self.bytes) if self.state == "running" and self.bytes else None
