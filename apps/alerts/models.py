"""Where alerts go, what each channel knows of each cause, and every message with its fate."""

from datetime import timedelta

from django.db import models
from django.db.models import Q

from apps.alerts.domain import Scope


class AlertChannel(models.Model):
    """One target of alerts. ``sealed`` holds its address, encrypted; ``hint`` is all of it that people see again.

    ``workspace`` is a name, empty for all of them. ``digest_minutes`` of 0 sends at once.
    """

    name = models.CharField(max_length=80)
    workspace = models.CharField(max_length=200, blank=True)
    least = models.CharField(max_length=10, default="warning")
    sealed = models.TextField()
    hint = models.CharField(max_length=200)
    quiet_from = models.TimeField(null=True)
    quiet_to = models.TimeField(null=True)
    critical_breaks_quiet = models.BooleanField(default=True)
    digest_minutes = models.PositiveIntegerField(default=0)
    tell_resolved = models.BooleanField(default=True)
    enabled = models.BooleanField(default=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["name"], name="alert_channel_has_its_own_name")]

    @property
    def digest(self) -> timedelta:
        return timedelta(minutes=self.digest_minutes)

    @property
    def scope(self) -> Scope:
        return Scope(self.workspace, self.least, self.tell_resolved)


class AlertDelivery(models.Model):
    """One message to one channel: ``kind`` is alert or test.

    ``state``: waiting (also between two tries), sending, sent, failed (given up), or unsure (may have arrived; only a
    person sends it again). ``claimed_at`` tells a worker's own claim from a later one; a claim that is too old
    belongs to a dead worker. ``error`` is a sentence of ours and never contains the address.
    """

    ENDED = ("sent", "failed", "unsure")

    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=10, default="alert")
    state = models.CharField(max_length=10, default="waiting")
    subject = models.CharField(max_length=300)
    body = models.TextField()
    attempts = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["channel", "-id"], name="delivery_by_channel"),
            models.Index(fields=["next_try_at"], name="delivery_open", condition=Q(state__in=("waiting", "sending"))),
        ]

    @property
    def can_be_sent_again(self) -> bool:
        return self.state in ("failed", "unsure")


class AlertCause(models.Model):
    """What one channel knows of one cause, from when it opened to when it was over.

    ``key`` names rule, crash class and place, without the severity; ``severity`` is the worst that was noted.
    ``query`` is the view of the inbox that shows it; ``runs`` how many it had when it was last told.
    """

    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="causes")
    key = models.CharField(max_length=500)
    severity = models.CharField(max_length=10)
    rule = models.CharField(max_length=60)
    crash_class = models.CharField(max_length=30, blank=True)
    where = models.CharField(max_length=300)
    query = models.TextField()
    runs = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "key"], condition=Q(resolved_at=None), name="one_active_cause_a_channel"
            )
        ]


class AlertChange(models.Model):
    """One change of a cause: opened, worse or resolved.

    It waits until ``due_at`` and for the channel's manners; ``delivery`` is the message that carries it, None until
    then; a ``dropped`` one is not told: it was over before anybody heard of it.
    """

    cause = models.ForeignKey(AlertCause, on_delete=models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=10)
    severity = models.CharField(max_length=10)
    was = models.CharField(max_length=10, blank=True)
    at = models.DateTimeField()
    due_at = models.DateTimeField()
    # Never set back to nothing: a change without a message would be told once more.
    delivery = models.ForeignKey(AlertDelivery, null=True, on_delete=models.RESTRICT, related_name="changes")
    dropped = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["due_at"], name="change_waiting", condition=Q(delivery=None, dropped=False)),
        ]
