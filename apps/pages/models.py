"""What people and workers add to the pages of runs and sweeps: notes, views of tables, importances of parameters."""

from django.db import models
from django.db.models import Q


class RunNote(models.Model):
    """What a person wrote down about a run. What it said before an edit stands in the audit trail.

    ``key`` is of the form that made it, so that a form that was sent twice adds one.
    """

    run = models.ForeignKey("sweeps.Run", on_delete=models.CASCADE, related_name="page_notes")
    text = models.TextField()
    key = models.CharField(max_length=40, blank=True)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    edited_by = models.CharField(max_length=150, blank=True)
    edited_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="run_note_key_is_unique")]


class SavedView(models.Model):
    """A view of a sweep's table of runs that somebody kept: its address' query, such as ``sort=config.lr``."""

    sweep = models.ForeignKey("sweeps.Sweep", on_delete=models.CASCADE, related_name="saved_views")
    owner = models.CharField(max_length=150)
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=2000)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [models.UniqueConstraint(fields=["sweep", "owner", "name"], name="saved_view_is_unique")]


class Importance(models.Model):
    """How much each parameter of a sweep bears on its metric, as a worker found it, kept until the runs change.

    ``stamp`` tells the runs that were asked about, ``made_of`` those of ``result``: where they differ the result is
    of before. ``state``: queued, running, done, failed. ``result`` holds the method, the sample's size and the
    figures as JSON; empty before the first one. ``said`` is why there is none, a sentence.
    """

    sweep = models.OneToOneField("sweeps.Sweep", on_delete=models.CASCADE, related_name="importance")
    state = models.CharField(max_length=10, default="queued")
    stamp = models.CharField(max_length=64)
    made_of = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    made_at = models.DateTimeField(null=True)
    result = models.JSONField(default=dict)
    said = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["state"], name="importance_open", condition=Q(state__in=["queued", "running"])),
        ]
