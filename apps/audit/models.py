"""What people, agents and the machine did. Rows are added, never changed or removed."""

from django.db import models


class AuditEvent(models.Model):
    """One act of a person or an agent. Text columns only: it outlives whatever it talks about."""

    at = models.DateTimeField(db_index=True)
    type = models.CharField(max_length=80)
    actor = models.CharField(max_length=150)
    subject = models.CharField(max_length=700)  # a rule, an entity, a project and a run's id, each as long as may be
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["subject", "-at"], name="audit_by_subject")]


class SyncPass(models.Model):
    """One pull of one source: when, what it saw, what it changed, what it cost, what went wrong.

    ``source`` is ``wandb`` or ``slurm``; ``scope`` says which part of it (``entity/project``, a cluster).
    A row is written when the pass ends, so that a pass costs one write; ``error`` is a sentence.
    ``retry_at`` is set when the source asked to be left alone until then.
    ``joined`` turns true when what the pass brought is on the board as well. Two more sources note problems
    only: ``config`` (sweepboard.toml) and ``join`` (what the sources say together).
    """

    source = models.CharField(max_length=20)
    scope = models.CharField(max_length=200)
    full = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    seen = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)
    cursor = models.JSONField(default=dict)
    joined = models.BooleanField(default=True)
    retry_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["source", "scope", "-id"], name="pass_by_source"),
            models.Index(fields=["source", "-id"], name="pass_of_source"),
            models.Index(fields=["source", "scope", "-id"], name="good_pass_by_source", condition=models.Q(error="")),
            models.Index(fields=["joined"], name="pass_not_joined", condition=models.Q(joined=False)),
        ]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


class PassScope(models.Model):
    """One source and scope that was ever passed over: the few among the many passes, so that none must be searched."""

    source = models.CharField(max_length=20)
    scope = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "scope"], name="pass_scope_is_unique")]
