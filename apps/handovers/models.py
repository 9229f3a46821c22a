"""The registry over handover documents: what each says now, every version of it, where it lies, who took it up."""

from django.db import models
from django.db.models import Q


class Content(models.Model):
    """The content of a version, kept once however many documents and versions have it.

    ``sha256`` is that of the file's bytes, ``size`` their number. ``text`` is what they say, line ends as in the file;
    ``raw`` holds the bytes themselves where the text cannot give them back. ``cut`` says that the file went on beyond
    the limit: hash, text and size are then those of its beginning.
    """

    sha256 = models.CharField(max_length=64, unique=True)
    text = models.TextField()
    raw = models.BinaryField(null=True)
    size = models.PositiveBigIntegerField()
    cut = models.BooleanField(default=False)
    first_seen_at = models.DateTimeField()


class HandoverQuerySet(models.QuerySet["Handover"]):
    def present(self) -> "HandoverQuerySet":
        """Those that lie on a disk, wherever."""
        return self.exclude(state="gone")


class Handover(models.Model):
    """One handover of a workspace. ``name`` is its file's without the ending, and tells it from the others.

    ``key`` is the one in the name, else the one in the text, else the name; two files may have one key.

    ``state`` is current, superseded, archived or gone; ``superseded_by`` the newest handover of its branch, where one
    is newer. ``path`` is where it lies, or lay last, absolute; of several copies that of the main checkout.
    ``text_key`` is the key in the text, ``date_source`` what told ``date``: key, header, file or unknown.
    ``branch`` is the document's, or that of the worktree in which it lies; ``sections`` are names in order.
    ``findings`` are ``{id, sentence, line}``: of the text first, then of its files. ``content`` is the newest version's
    and is None while nothing of it could ever be read; ``handed_over`` is what it said when it was first seen, or
    written here.
    """

    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, related_name="handovers")
    name = models.CharField(max_length=300)
    key = models.CharField(max_length=200)
    state = models.CharField(max_length=12, default="current")
    superseded_by = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="supersedes")
    path = models.CharField(max_length=2000)
    text_key = models.CharField(max_length=60, blank=True)
    date = models.DateTimeField(null=True)
    date_source = models.CharField(max_length=10, default="unknown")
    branch = models.CharField(max_length=300, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    author = models.CharField(max_length=200, blank=True)
    focus = models.CharField(max_length=1000, blank=True)
    sections = models.JSONField(default=list)
    pending_open = models.PositiveIntegerField(default=0)
    pending_done = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=list)
    doubled = models.BooleanField(default=False)  # another file has its key
    content = models.ForeignKey(Content, null=True, on_delete=models.PROTECT, related_name="handovers")
    handed_over = models.ForeignKey(Content, null=True, on_delete=models.PROTECT, related_name="+")
    first_seen_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = HandoverQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="handover_name_is_unique")]
        indexes = [
            models.Index(fields=["workspace", "branch", "-date"], name="handover_by_branch"),
            models.Index(fields=["workspace", "state", "-date"], name="handover_by_state"),
            models.Index(fields=["key"], name="handover_by_key"),
            models.Index(fields=["workspace"], name="handover_doubled", condition=Q(doubled=True)),
            models.Index(fields=["-date", "-id"], name="handover_newest"),
            models.Index(fields=["agent"], name="handover_by_agent"),
            models.Index(fields=["author"], name="handover_by_author"),
            models.Index(fields=["text_key"], name="handover_by_text_key", condition=~Q(text_key="")),
        ]

    def __str__(self) -> str:
        return self.key


class DocumentFile(models.Model):
    """One file of a handover, as last listed; with the same ``stamp`` (size, time, inode) it is not read again.

    ``checkout`` is the folder of the main checkout or the worktree. ``problem`` is a finding ``{id, sentence, line}``
    about the file itself, empty where there is none.
    """

    handover = models.ForeignKey(Handover, on_delete=models.CASCADE, related_name="files")
    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=2000)
    checkout = models.CharField(max_length=1000)
    archived = models.BooleanField(default=False)
    stamp = models.CharField(max_length=80, blank=True)
    modified_at = models.DateTimeField(null=True)
    content = models.ForeignKey(Content, null=True, on_delete=models.PROTECT, related_name="+")
    problem = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "path"], name="document_file_is_unique")]


class Version(models.Model):
    """One thing that happened to a handover on disk, and the content that it has since then.

    ``event`` is appeared, edited, moved, renamed, deleted or restored. ``path_before`` is set for a move.
    ``content`` is None where the file could not be read. ``indexed`` says that its words are found.
    """

    handover = models.ForeignKey(Handover, on_delete=models.CASCADE, related_name="versions")
    content = models.ForeignKey(Content, null=True, on_delete=models.PROTECT, related_name="versions")
    event = models.CharField(max_length=10)
    at = models.DateTimeField()
    path = models.CharField(max_length=2000)
    path_before = models.CharField(max_length=2000, blank=True)
    indexed = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["id"], name="version_not_indexed", condition=Q(indexed=False))]


class Mention(models.Model):
    """Something that the newest version of a handover names, and the row it stands for once that is known.

    ``kind`` is sweep, run, job, branch, commit or handover. Of several attempts of a job the newest is meant.
    """

    handover = models.ForeignKey(Handover, on_delete=models.CASCADE, related_name="mentions")
    kind = models.CharField(max_length=10)
    name = models.CharField(max_length=300)
    sweep = models.ForeignKey("sweeps.Sweep", null=True, on_delete=models.SET_NULL, related_name="handover_mentions")
    run = models.ForeignKey("sweeps.Run", null=True, on_delete=models.SET_NULL, related_name="handover_mentions")
    job = models.ForeignKey("slurm.Job", null=True, on_delete=models.SET_NULL, related_name="handover_mentions")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["handover", "kind", "name"], name="mention_is_unique")]
        indexes = [
            models.Index(fields=["kind", "name"], name="mention_by_name"),
            models.Index(
                fields=["kind", "name"],
                name="mention_unresolved",
                condition=Q(kind__in=["sweep", "run", "job"], sweep=None, run=None, job=None),
            ),
        ]


class Pickup(models.Model):
    """Somebody took a handover up. ``kind`` is person or agent. It is live until it is released.

    It is released when a newer handover of the branch appears, when its owner says so, or when it grew too old.
    """

    handover = models.ForeignKey(Handover, on_delete=models.CASCADE, related_name="pickups")
    who = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, default="person")
    at = models.DateTimeField()
    checkout = models.CharField(max_length=1000, blank=True)
    released_at = models.DateTimeField(null=True)
    released_why = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["handover"], name="pickup_live", condition=Q(released_at=None))]


class CheckoutKey(models.Model):
    """What the index of one checkout says is current, as last read.

    ``key`` is empty where `CLAUDE.md` is missing or calls none current; ``mentions`` are the keys that it names
    anywhere, each with its line, and empty where one is current. ``problem`` says why it could not be read.
    """

    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, related_name="checkout_keys")
    path = models.CharField(max_length=1000)
    branch = models.CharField(max_length=300, blank=True)
    is_main = models.BooleanField(default=False)
    key = models.CharField(max_length=200, blank=True)
    has_index = models.BooleanField(default=False)
    mentions = models.JSONField(default=dict)
    problem = models.JSONField(default=dict)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "path"], name="checkout_is_unique")]


class CheckoutWork(models.Model):
    """What git last told of a checkout: how much came since the branch's newest handover; a beat task asks.

    ``commits`` is None where git did not say; ``problem`` is the sentence why. ``switched_from`` is the branch that the
    checkout was on until ``switched_at``, where it was seen to change.
    """

    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=1000)
    branch = models.CharField(max_length=300, blank=True)
    commits = models.PositiveIntegerField(null=True)
    since = models.DateTimeField()
    switched_from = models.CharField(max_length=300, blank=True)
    switched_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True)
    looked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "path"], name="checkout_work_is_unique")]


class Exchange(models.Model):
    """How many messages an agent says that its session on a branch has had; the last report counts."""

    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, related_name="+")
    branch = models.CharField(max_length=300)
    agent = models.CharField(max_length=200)
    count = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "branch", "agent"], name="exchange_is_unique_of_agent")
        ]


class SearchEntry(models.Model):
    """A version of a handover as the index of words holds it; its words are in ``search.index``.

    The number grows with the document's date, so that the newest are the highest. A long text has several ``part`` s.
    An entry never changes: what a version says does not, and its title comes from what it says.
    """

    id = models.BigIntegerField(primary_key=True)
    handover = models.ForeignKey(Handover, on_delete=models.CASCADE, related_name="entries")
    content = models.ForeignKey(Content, on_delete=models.CASCADE, related_name="entries")
    part = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["handover", "content", "part"], name="entry_is_unique_in_handover")
        ]


class SavedSearch(models.Model):
    """A search that somebody kept: its address' query, such as ``q=cosine&branch=main``."""

    owner = models.CharField(max_length=150)
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=2000)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="saved_search_is_unique")]
