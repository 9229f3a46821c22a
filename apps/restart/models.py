"""Wishes to relaunch agents or to make a sweep anew, and what became of them."""

from django.db import models
from django.db.models import Q

from apps.stopping.models import OPEN, Wish


class RestartRequest(Wish):
    """Somebody's wish that agents be relaunched into a sweep, or that a new sweep be made of its config.

    ``wish`` is relaunch or new-sweep, ``agents`` how many jobs are wished. ``run`` is set where one run was restarted.
    ``opened_by`` says what opened the guard: empty, config-error or reason; ``reason`` is the log line or the words.
    ``key`` stands in the comment of each agent's job and in the new sweep's description. ``job_ids`` are those that are
    known by the agent's place. ``loss`` is what the person was told that would be lost.
    """

    audit_type = "restart"

    sweep = models.ForeignKey("sweeps.Sweep", on_delete=models.CASCADE, related_name="restarts")
    run = models.ForeignKey("sweeps.Run", null=True, on_delete=models.SET_NULL, related_name="restarts")
    wish = models.CharField(max_length=12)
    agents = models.PositiveIntegerField(default=0)
    key = models.CharField(max_length=40)
    opened_by = models.CharField(max_length=20, blank=True)
    fatal = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    loss = models.TextField(blank=True)
    cluster = models.CharField(max_length=100, blank=True)
    new_sweep_id = models.CharField(max_length=200, blank=True)
    new_sweep_url = models.CharField(max_length=1000, blank=True)
    job_ids = models.JSONField(default=dict)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="restart_key_is_unique"),
            models.UniqueConstraint(fields=["sweep"], condition=Q(state__in=OPEN), name="one_open_restart_a_sweep"),
        ]
        indexes = [models.Index(fields=["state"], condition=Q(state__in=OPEN), name="restart_open")]

    @property
    def subject(self) -> str:
        return f"run {self.run.run_id}" if self.run else f"sweep {self.sweep.sweep_id}"

    @property
    def detail(self) -> dict[str, str]:
        """What the audit keeps of it."""
        return {
            "sweep": self.sweep.sweep_id, "wish": self.wish, "agents": str(self.agents), "key": self.key,
            "opened_by": self.opened_by, "reason": self.reason, "loss": self.loss,
        }  # fmt: skip
