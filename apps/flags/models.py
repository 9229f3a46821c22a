"""What all sources together say of a run, and the red flags that were raised."""

from datetime import datetime

from django.db import models
from django.db.models import Case, Q, When

from apps.links.domain import JobTime

SEVERITY_ORDER = {"critical": 0, "warning": 1, "note": 2}


def is_worse(severity: str, than: str) -> bool:
    return SEVERITY_ORDER.get(severity, 9) < SEVERITY_ORDER.get(than, 9)


class RunStatus(models.Model):
    """The joined view of one run, made anew whenever one of its sources changed. Durations in seconds.

    ``runtime_seconds`` and ``gpu_seconds`` are those that are over; while the run trains, time since
    ``ticking_since`` on ``ticking_gpus`` GPUs comes on top, so that the row stays the same while nothing happens.

    ``wandb_state`` is the one that was judged; a run that has another one by now was never judged anew.
    ``verdict`` is the one next action, with its reason and what to change first; ``chain`` the evidence in order, a
    sentence each; ``agreement`` whether the sources tell one story: agree, disagree or unknown.
    ``done_at`` is when a live run reaches its target at its pace; ``disagreement`` says which source contradicts.
    ``job_how`` and ``job_evidence`` say how we know that ``job`` carries the run.
    ``slurm_state`` may be NO JOB, UNKNOWN or NEXT RUN; ``agree`` is None where one side is unknown.
    """

    run = models.OneToOneField("sweeps.Run", on_delete=models.CASCADE, related_name="status")
    job = models.ForeignKey("slurm.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    wandb_state = models.CharField(max_length=30, blank=True)
    job_how = models.CharField(max_length=20, blank=True)
    job_evidence = models.CharField(max_length=300, blank=True)
    slurm_state = models.CharField(max_length=30)
    pair = models.CharField(max_length=60)
    action = models.CharField(max_length=200)
    agree = models.BooleanField(null=True)
    epoch = models.FloatField(null=True)
    step = models.BigIntegerField(null=True)
    target_epochs = models.FloatField(null=True)
    percent = models.FloatField(null=True)
    progress_source = models.CharField(max_length=20, blank=True)
    progress_at = models.DateTimeField(null=True)
    epochs_per_hour = models.FloatField(null=True)
    steps_per_second = models.FloatField(null=True)
    done_at = models.DateTimeField(null=True)
    disagreement = models.CharField(max_length=300, blank=True)
    runtime_seconds = models.FloatField(null=True)
    gpu_seconds = models.FloatField(default=0)
    ticking_since = models.DateTimeField(null=True)
    ticking_gpus = models.PositiveIntegerField(default=0)
    crash_class = models.CharField(max_length=30, blank=True)
    resumable = models.CharField(max_length=20, blank=True)
    proof = models.CharField(max_length=700, blank=True)
    verdict = models.CharField(max_length=20, blank=True)
    verdict_reason = models.CharField(max_length=300, blank=True)
    verdict_change = models.CharField(max_length=200, blank=True)
    agreement = models.CharField(max_length=10, blank=True)
    chain = models.JSONField(default=list)
    log_path = models.CharField(max_length=1000, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["run"], name="status_ticking", condition=Q(ticking_since__isnull=False)),
            models.Index(fields=["-run"], name="status_disagrees", condition=Q(agree=False)),
        ]

    @property
    def job_time(self) -> JobTime:
        return JobTime(self.runtime_seconds or 0.0, self.gpu_seconds, self.ticking_since, self.ticking_gpus)

    def runtime_at(self, now: datetime) -> float | None:
        """For how many seconds the run has trained; None where nothing tells."""
        return None if self.runtime_seconds is None else self.job_time.seconds_at(now)


class FlagQuerySet(models.QuerySet["Flag"]):
    def open(self) -> "FlagQuerySet":
        return self.filter(cleared_at=None)

    def standing(self) -> "FlagQuerySet":
        """The open ones that nobody has cleared by hand."""
        return self.filter(cleared_at=None, dismissed_at=None)

    def over(self) -> "FlagQuerySet":
        """Those that are no longer so, and those that somebody has cleared by hand."""
        return self.exclude(cleared_at=None, dismissed_at=None)

    def calling(self, now: datetime) -> "FlagQuerySet":
        """The standing ones that wait for a person: nobody took note, nobody put them off, and they still hold."""
        awake = Q(snoozed_until=None) | Q(snoozed_until__lte=now)
        return self.standing().filter(awake, acknowledged_at=None, quiet_since=None)

    def worst_first(self, *then: str) -> "FlagQuerySet":
        """Order them by what their severity means, not by its letters, and then by the fields ``then``."""
        worst = Case(*(When(severity=name, then=place) for name, place in SEVERITY_ORDER.items()), default=9)
        return self.order_by(worst, *then)


class Flag(models.Model):
    """One red flag on one run, or on a sweep as a whole. A cleared one stays as history.

    ``uncertain`` marks an open flag whose sources do not answer now: it neither stands nor falls. ``quiet_since``
    is when its condition was last seen to have ended; at ``clears_at`` it is over, unless it came back before.

    ``dismissed_at`` is set where a person cleared it by hand, for the reason given: it stays open underneath, so
    that the same condition does not raise it anew, and is over when its condition is. ``assignee`` and
    ``snoozed_until`` pass on to the next flag of the same rule on the same subject.
    """

    rule = models.CharField(max_length=60)
    severity = models.CharField(max_length=10)
    sweep = models.ForeignKey("sweeps.Sweep", null=True, on_delete=models.CASCADE, related_name="flags")
    run = models.ForeignKey("sweeps.Run", null=True, on_delete=models.CASCADE, related_name="flags")
    evidence = models.TextField()
    action = models.CharField(max_length=300)
    wandb_state = models.CharField(max_length=30, blank=True)
    slurm_state = models.CharField(max_length=30, blank=True)
    uncertain = models.BooleanField(default=False)
    opened_at = models.DateTimeField()
    quiet_since = models.DateTimeField(null=True)
    clears_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    snoozed_until = models.DateTimeField(null=True)
    snoozed_by = models.CharField(max_length=150, blank=True)
    assignee = models.CharField(max_length=150, blank=True)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.CharField(max_length=150, blank=True)
    dismissed_reason = models.CharField(max_length=500, blank=True)

    objects = FlagQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "run"],
                condition=Q(cleared_at=None, run__isnull=False),
                name="one_open_flag_a_run",
            ),
            models.UniqueConstraint(
                fields=["rule", "sweep"],
                condition=Q(cleared_at=None, run__isnull=True),
                name="one_open_flag_a_sweep",
            ),
        ]
        indexes = [
            models.Index(fields=["sweep", "cleared_at"], name="flag_by_sweep"),
            models.Index(fields=["severity", "-opened_at"], name="flag_open", condition=Q(cleared_at=None)),
            models.Index(fields=["-opened_at", "-id"], name="flag_log", condition=Q(run__isnull=False)),
            models.Index(fields=["clears_at"], name="flag_settling", condition=Q(cleared_at=None)),
            models.Index(fields=["assignee"], name="flag_assigned", condition=Q(cleared_at=None) & ~Q(assignee="")),
            models.Index(fields=["run", "rule", "-opened_at"], name="flag_history_of_run"),
        ]

    @property
    def key(self) -> str:
        return str(self.pk)

    @property
    def subject(self) -> str:
        """What the audit trail calls this flag, whichever of its occurrences: rule, project, and run or sweep."""
        if self.run is not None:
            return f"flag {self.rule} {self.run.project_path}/{self.run.run_id}"
        if self.sweep is not None:
            return f"flag {self.rule} {self.sweep.project_path}/sweeps/{self.sweep.sweep_id}"
        return f"flag {self.rule}"

    def seen_at(self, now: datetime) -> str:
        """Say in a few words why this open flag needs nobody now; empty where it does."""
        if self.quiet_since is not None:
            return "its condition is gone: over soon"
        if self.dismissed_at is not None:
            return f"cleared by hand by {self.dismissed_by}"
        if self.snoozed_until is not None and self.snoozed_until > now:
            return f"put off until {self.snoozed_until:%Y-%m-%d %H:%M} UTC by {self.snoozed_by}"
        return f"acknowledged by {self.acknowledged_by}" if self.acknowledged_at is not None else ""

    @property
    def count(self) -> int:
        """A flag shows as a badge of one."""
        return 1
