"""Tokens of agents and people, answers that are kept for a repeated request, and addresses that wait for an answer."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Token(models.Model):
    """What opens the agents' door. Only ``sha256`` is kept of the secret, which was shown once; ``hint`` is its end.

    ``kind`` is agent or person: an agent's token acts as ``agent:<name>``, a person's as its owner. Whatever it does is
    in the audit trail with its owner. ``last_used_at`` is written once a minute at the most.
    """

    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=6, default="agent")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    scopes = models.JSONField()
    sha256 = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=4)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=150, blank=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            # Two agents of one name would be one in the audit trail.
            models.UniqueConstraint(fields=["name"], condition=Q(revoked_at=None), name="token_name_is_unique")
        ]

    @property
    def actor(self) -> str:
        """What the audit trail calls whoever uses it."""
        return f"agent:{self.name}" if self.kind == "agent" else f"{self.owner.get_username()[:80]} (token {self.name})"


class KeptAnswer(models.Model):
    """A request with an idempotency key, and its answer once there is one.

    ``claim`` names who carries it out; ``first_at`` is when it first came, ``claimed_at`` when it was taken up last.
    While ``status`` is None it is under way, or whoever carried it out died: see ``services.once``.
    """

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="answers")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    claim = models.CharField(max_length=32)
    first_at = models.DateTimeField()
    claimed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    content_type = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="kept_answer_key_is_unique")]
        indexes = [models.Index(fields=["first_at"], name="kept_answer_by_age")]


class Webhook(models.Model):
    """Where the answer to a question is sent. ``state`` is waiting, done or failed; ``said`` is how the last try ended.

    The secret that signs it is made of SECRET_KEY and ``nonce``, and kept nowhere.
    """

    question = models.OneToOneField("approvals.Question", on_delete=models.CASCADE, related_name="webhook")
    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=1000)
    nonce = models.CharField(max_length=32)
    state = models.CharField(max_length=10, default="waiting")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    said = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="webhook_waiting", condition=Q(state="waiting"))]
