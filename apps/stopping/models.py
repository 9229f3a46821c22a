"""Wishes to cancel jobs and to steer sweeps, and what became of them."""

from django.db import models
from django.db.models import Q

OPEN = ("asked", "sent")


class Wish(models.Model):
    """What every wish has. It is driven until it is done, refused (the evidence spoke against it) or failed.

    ``state``: asked, sent (the other side was told, or a worker died about to tell it; a later look confirms), done,
    refused, failed. ``claimed_at`` is when a worker took it, None while nobody has it; ``attempts`` counts that, and
    what a worker writes counts only while the number is its own. ``tried_at`` is when the other side was last told.
    """

    OPEN = OPEN

    state = models.CharField(max_length=10, default="asked")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    said = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class CancelRequest(Wish):
    """Somebody's wish that one attempt of a job be cancelled: (cluster, job id, submit time), and no other attempt.

    ``loss`` is what the person was told that would go.
    """

    audit_type = "job.cancel"

    attempt = models.ForeignKey("slurm.Job", null=True, on_delete=models.SET_NULL, related_name="cancels")
    cluster = models.CharField(max_length=100)
    job_id = models.CharField(max_length=60)
    submit_at = models.DateTimeField()
    run_id = models.CharField(max_length=200, blank=True)
    sweep_id = models.CharField(max_length=200, blank=True)
    loss = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "job_id", "submit_at"],
                condition=Q(state__in=OPEN),
                name="one_open_cancel_an_attempt",
            )
        ]
        indexes = [models.Index(fields=["state"], condition=Q(state__in=OPEN), name="cancel_open")]

    @property
    def subject(self) -> str:
        return f"job {self.cluster}/{self.job_id}"

    @property
    def detail(self) -> dict[str, str]:
        """What the audit keeps of it."""
        return {
            "submit_at": self.submit_at.isoformat(), "run": self.run_id, "sweep": self.sweep_id, "loss": self.loss,
        }  # fmt: skip


class SweepRequest(Wish):
    """Somebody's wish that a sweep be paused, resumed, stopped or cancelled in W&B."""

    audit_type = "sweep.control"

    sweep = models.ForeignKey("sweeps.Sweep", on_delete=models.CASCADE, related_name="control_requests")
    wish = models.CharField(max_length=10)
    before = models.CharField(max_length=30, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["sweep"], condition=Q(state__in=OPEN), name="one_open_control_a_sweep")
        ]
        indexes = [models.Index(fields=["state"], condition=Q(state__in=OPEN), name="control_open")]

    @property
    def subject(self) -> str:
        return f"sweep {self.sweep.sweep_id}"

    @property
    def detail(self) -> dict[str, str]:
        return {"sweep": self.sweep.sweep_id, "wish": self.wish, "before": self.before}
