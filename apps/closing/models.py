"""Wishes to close runs in W&B, and what became of them."""

from datetime import datetime

from django.db import models
from django.db.models import Q


class CloseRequest(models.Model):
    """Somebody's wish that a run without a process be closed in W&B; it is driven until it has a truthful end.

    ``state``: queued, running (a worker drives it), closed (W&B's client said done; the next pass must confirm it),
    verified (a pass, or W&B itself before anything was done, shows an ended state), refused (the evidence of that
    moment spoke against it) or failed. ``claimed_at`` is when a worker took it, ``attempts`` how often that happened.
    ``acted_at`` is when the client was last let loose, None when it never was; ``heartbeat_at`` the run's own last
    heartbeat before that. ``shows`` is the state that W&B shows.
    ``evidence`` holds the sentences that the person saw; ``said`` is what became of it, or why it waits.
    """

    OPEN = ("queued", "running", "closed")

    run = models.ForeignKey("sweeps.Run", on_delete=models.CASCADE, related_name="closings")
    state = models.CharField(max_length=10, default="queued")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    evidence = models.JSONField(default=list)
    heartbeat_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    acted_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    shows = models.CharField(max_length=30, blank=True)
    said = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["run"], condition=Q(state__in=("queued", "running", "closed")), name="one_open_closing_a_run"
            )
        ]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=("queued", "running", "closed")), name="closing_open")
        ]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def since(self) -> datetime:
        """When it came to where it is now."""
        return self.finished_at or self.closed_at or self.claimed_at or self.asked_at
