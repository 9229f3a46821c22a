"""What the passes found of each worktree, and what people did with them."""

from django.db import models
from django.db.models import Q

from apps.worktrees.domain.facts import MERGED, Facts, facts_from

KEPT = ("begun", "done")


class Worktree(models.Model):
    """One checkout of a workspace's repository as last looked at: the main one, a worktree, or a clone beside them.

    ``facts`` and ``findings`` are as the domain writes them. ``stamp`` tells index, head and the table's names apart
    by size, time and inode: while it stands and ``looked_at`` is not too old, git is asked nothing. ``folder`` is
    git's own of this checkout.
    """

    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, related_name="worktrees")
    path = models.CharField(max_length=1000)
    kind = models.CharField(max_length=10, default="worktree")
    branch = models.CharField(max_length=300, blank=True)
    how = models.CharField(max_length=15, default="unknown")
    facts = models.JSONField(default=dict)
    findings = models.JSONField(default=list)
    folder = models.CharField(max_length=1000, blank=True)
    stamp = models.CharField(max_length=64, blank=True)
    looked_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["workspace__name", "kind", "path"]
        constraints = [models.UniqueConstraint(fields=["workspace", "path"], name="worktree_is_unique")]

    def told(self) -> Facts:
        return facts_from(self.facts)

    @property
    def is_merged(self) -> bool:
        return self.how in MERGED


class WorktreeAct(models.Model):
    """Somebody made a worktree or cleaned one up. The row comes first, then the act, then how it ended.

    ``kind`` is new or clean; ``state`` begun, done or failed. ``digest`` is that of the steps that were shown, with the
    form's own number in it: one press, one act, however often it is sent.
    """

    workspace = models.ForeignKey(
        "workspaces.Workspace", null=True, on_delete=models.SET_NULL, related_name="worktree_acts"
    )
    kind = models.CharField(max_length=10)
    path = models.CharField(max_length=1000)
    branch = models.CharField(max_length=300, blank=True)
    digest = models.CharField(max_length=64)
    commands = models.JSONField(default=list)
    state = models.CharField(max_length=10, default="begun")
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    said = models.TextField(blank=True)
    error_id = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["digest"], condition=Q(state__in=KEPT), name="one_act_a_press"),
        ]
        indexes = [models.Index(fields=["state"], name="act_begun", condition=Q(state="begun"))]
