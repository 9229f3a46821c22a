"""Looks at the gate, wishes to resume runs, and what became of them."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from apps.resume.domain import GateLine, LineState
from apps.resume.plan import Plan


class GateCheck(models.Model):
    """One look at a run's gate: asked of all sources, the checkpoint read. It serves for one press at most.

    ``state``: queued, done, or used by the press whose key it is. ``found`` holds what a submission needs beside the
    lines: the checkpoint, the config's path and where it would run. ``said`` is why a look failed.
    """

    run = models.ForeignKey("sweeps.Run", on_delete=models.CASCADE, related_name="gate_checks")
    key = models.CharField(max_length=40)
    state = models.CharField(max_length=10, default="queued")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    lines = models.JSONField(default=list)
    found = models.JSONField(default=dict)
    said = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="gate_check_key_is_unique"),
            models.UniqueConstraint(fields=["run"], condition=Q(state="queued"), name="one_queued_gate_check_a_run"),
        ]

    @property
    def gate(self) -> list[GateLine]:
        return lines_from(self.lines)


class ResumeRequest(models.Model):
    """Somebody's wish that a run be continued; it is driven until it is confirmed, failed or cancelled.

    ``state``: asked, submitting (a worker is about to submit, or died while it did), submitted (its job waits),
    running, confirmed, failed, cancelled. ``claimed_at`` is when a worker took it, None while nobody has it;
    ``attempts`` counts that, and what a worker writes counts only while the number is its own.
    ``key`` stands in the job's comment and name. ``tried_at`` is when a submission was last begun: from then on a job
    may exist whose id nobody knows. ``plan`` is what is submitted, to the letter; ``evidence`` the gate's lines at the
    last look before it. ``before`` is how far the run's log was.
    """

    OPEN = ("asked", "submitting", "submitted", "running")

    run = models.ForeignKey("sweeps.Run", on_delete=models.CASCADE, related_name="resumes")
    key = models.CharField(max_length=40)
    state = models.CharField(max_length=12, default="asked")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    override = models.CharField(max_length=30, blank=True)
    reason = models.TextField(blank=True)
    choices = models.JSONField(default=dict)
    evidence = models.JSONField(default=list)
    plan = models.JSONField(default=dict)
    checkpoint = models.CharField(max_length=1000, blank=True)
    checkpoint_step = models.BigIntegerField(null=True)
    checkpoint_epoch = models.FloatField(null=True)
    before = models.JSONField(default=dict)
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    cluster = models.CharField(max_length=100, blank=True)
    job_id = models.CharField(max_length=60, blank=True)
    submitted_at = models.DateTimeField(null=True)
    running_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    cancel_by = models.CharField(max_length=150, blank=True)
    finished_at = models.DateTimeField(null=True)
    said = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="resume_key_is_unique"),
            models.UniqueConstraint(
                fields=["run"],
                condition=Q(state__in=("asked", "submitting", "submitted", "running")),
                name="one_open_resume_a_run",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state"],
                condition=Q(state__in=("asked", "submitting", "submitted", "running")),
                name="resume_open",
            )
        ]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def gate(self) -> list[GateLine]:
        return lines_from(self.evidence)

    @property
    def planned(self) -> Plan:
        return Plan.from_json(self.plan)

    @property
    def can_be_cancelled(self) -> bool:
        return self.state in ("asked", "submitting", "submitted") and not self.cancel_by

    @property
    def steps(self) -> list[dict[str, str]]:
        """The way of a resume, each step done, now, or yet to come; where it ended without being confirmed, none is."""
        names = ["asked", "submitted", "running", "confirmed"]
        at = {"submitting": 0, **{name: place for place, name in enumerate(names)}}.get(self.state)
        if at is None:
            reached = [True, self.submitted_at is not None, self.running_at is not None, False]
            return [
                {"name": name, "mark": "done" if done else "never"} for name, done in zip(names, reached, strict=True)
            ]
        marks = ["done"] * at + ["done" if self.state == "confirmed" else "now"] + ["to-come"] * (len(names) - at - 1)
        return [{"name": name, "mark": mark} for name, mark in zip(names, marks, strict=True)]

    @property
    def since(self) -> datetime:
        """When it came to where it is now."""
        return self.finished_at or self.running_at or self.submitted_at or self.asked_at


class AutoResume(models.Model):
    """Whether runs are resumed without a person: a switch for a run or for a sweep, and what the machine says of a run.

    ``switch`` is on, off, or empty where the sweep's switch, and then the policy, decides; ``by`` and ``at`` say who
    set it and when. ``stopped_at`` is when it stopped itself for a run, ``stopped_why`` the reason; a switch set later
    begins anew. ``said`` is what it waits for.
    """

    run = models.OneToOneField("sweeps.Run", null=True, on_delete=models.CASCADE, related_name="auto_resume")
    sweep = models.OneToOneField("sweeps.Sweep", null=True, on_delete=models.CASCADE, related_name="auto_resume")
    switch = models.CharField(max_length=3, blank=True)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    stopped_why = models.TextField(blank=True)
    said = models.TextField(blank=True)


def lines_from(told: list[dict[str, Any]]) -> list[GateLine]:
    """Return the lines of a gate as they were kept."""
    return [GateLine(**{**line, "state": LineState(line["state"])}) for line in told]
