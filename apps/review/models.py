"""What is kept of a week: the numbers as they were known at its close, and what people wrote down in the meeting."""

from datetime import date

from django.db import models
from django.db.models import Q

WEEK = 8  # characters of 2026-W47
NAME = 100  # as long as the name of a workspace; empty for all of them


class WeekSnapshot(models.Model):
    """The numbers of a week as they were known at its close, or when that was made good; never changed.

    ``numbers`` has the shape of ``schema`` (see ``domain.numbers``). ``late_by`` is how many seconds after the close
    they were counted.
    """

    week = models.CharField(max_length=WEEK)
    workspace = models.CharField(max_length=NAME, blank=True)
    zone = models.CharField(max_length=100)
    schema = models.PositiveSmallIntegerField()
    numbers = models.JSONField()
    taken_at = models.DateTimeField()
    late_by = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-week"]
        constraints = [models.UniqueConstraint(fields=["week", "workspace"], name="one_snapshot_a_week")]


class ActionItemQuerySet(models.QuerySet["ActionItem"]):
    def open(self) -> "ActionItemQuerySet":
        return self.filter(done_at=None)


class ActionItem(models.Model):
    """Something that somebody takes on: it carries over from week to week until it is done.

    ``key`` is that of the form, so that a form which is sent twice adds one. ``due`` is a day on the wall clock of the
    review's zone; it may be done on that day still.
    """

    week = models.CharField(max_length=WEEK)
    workspace = models.CharField(max_length=NAME, blank=True)
    what = models.CharField(max_length=500)
    who = models.CharField(max_length=150)
    due = models.DateField(null=True)
    key = models.CharField(max_length=40)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    done_by = models.CharField(max_length=150, blank=True)

    objects = ActionItemQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["key"], name="action_item_key_is_unique")]
        indexes = [models.Index(fields=["workspace"], name="action_item_open", condition=Q(done_at=None))]

    @property
    def subject(self) -> str:
        return f"action item {self.pk}"

    def overdue(self, today: date) -> bool:
        return self.done_at is None and self.due is not None and self.due < today


class Note(models.Model):
    """One remark on one part of a week's agenda. Remarks are added and never changed: two people lose nothing."""

    week = models.CharField(max_length=WEEK)
    workspace = models.CharField(max_length=NAME, blank=True)
    part = models.CharField(max_length=20)
    text = models.TextField()
    key = models.CharField(max_length=40)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["key"], name="review_note_key_is_unique")]
        indexes = [models.Index(fields=["week", "workspace"], name="review_note_by_week")]


class Attendance(models.Model):
    """Somebody who was there. ``name`` is as it was written; a person without an account may be named too."""

    week = models.CharField(max_length=WEEK)
    workspace = models.CharField(max_length=NAME, blank=True)
    name = models.CharField(max_length=150)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["week", "workspace", "name"], name="attendance_is_unique")]


class Digest(models.Model):
    """That a channel was given the digest of a week: one row, made together with the message, so that it is one.

    ``channel`` is the channel's number, which outlives the channel itself.
    """

    week = models.CharField(max_length=WEEK)
    workspace = models.CharField(max_length=NAME, blank=True)
    channel = models.BigIntegerField()
    made_at = models.DateTimeField()
    delivery = models.ForeignKey("alerts.AlertDelivery", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["week", "channel"], name="one_digest_a_channel_and_week")]
