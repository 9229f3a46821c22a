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
