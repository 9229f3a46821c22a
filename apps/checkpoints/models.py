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
