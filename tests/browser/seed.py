"""Rows for a board, as the passes would have left them: two workspaces, sweeps and runs in every state."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User

from apps.audit.models import PassScope, SyncPass
from apps.checkpoints.models import Checkpoint
from apps.core.clock import utcnow
from apps.core.permissions import Role
from apps.flags.models import Flag, RunStatus
from apps.links.models import AgentLink, RunLink
from apps.slurm.models import Job
from apps.sweeps.models import Run, RunHistory, Sweep
from apps.workspaces.models import Workspace
from tests.factories.people import PASSWORD, hash_of

HOST = "https://wandb.example.org"
VISION, SPEECH = "lab/vision", "lab/speech"
MARKUP = '<script>alert(1)</script> & "quotes" <b>bold</b>'
LONG = "ablation-of-every-augmentation-" * 9


def people() -> None:
    """One person of each role; the name is the role."""
    for role in Role:
        group, _ = Group.objects.get_or_create(name=role.value)
        if not User.objects.filter(username=role.value).exists():
            User.objects.create(username=role.value, password=hash_of(PASSWORD)).groups.add(group)


def finished_pass(source: str = "wandb", scope: str = VISION, *, seconds_ago: float = 4, error: str = "") -> SyncPass:
    at = utcnow() - timedelta(seconds=seconds_ago)
    PassScope.objects.get_or_create(source=source, scope=scope)
    return SyncPass.objects.create(
        source=source,
        scope=scope,
        started_at=at,
        finished_at=at,
        error=error,
        error_id="3f9c21ab77d0" if error else "",
    )


def fresh_passes() -> None:
    for source, scope in (("wandb", VISION), ("wandb", SPEECH), ("slurm", "cluster")):
        finished_pass(source, scope)


def workspace(name: str, note: str = "") -> Workspace:
    policy = {"policy": {"note": note}} if note else {}
    return Workspace.objects.get_or_create(name=name, defaults={"root": f"/shared/{name}", "config": policy})[0]


def sweep(sweep_id: str, name: str, *, project: str = VISION, **fields: Any) -> Sweep:
    values: dict[str, Any] = {
        "method": "bayes",
        "state": "RUNNING",
        "metric_name": "val/accuracy",
        "metric_goal": "maximize",
        "url": f"{HOST}/{project}/sweeps/{sweep_id}",
        "workspace": workspace(project.split("/")[1]),
    }
    entity, short = project.split("/")
    return Sweep.objects.create(entity=entity, project=short, sweep_id=sweep_id, name=name, **{**values, **fields})


@dataclass(frozen=True)
class Training:
    """What one run looks like: the states on both sides, how far it got, and who started it."""

    wandb: str = "running"
    slurm: str = "RUNNING"
    epoch: float = 42
    target: float | None = 100
    minutes: float = 1  # since the last heartbeat
    hours: float = 20
    metric: float | None = 0.81
    user: str = "mira"
    pair: str = "normal"
    agree: bool | None = True
    crash: str = ""
    checkpoint: bool = True


def run(one: Sweep, run_id: str, how: Training, *, job_id: str = "") -> Run:
    """Add a run with its job, its joined status and its newest checkpoint."""
    now = utcnow()
    made = Run.objects.create(
        entity=one.entity,
        project=one.project,
        run_id=run_id,
        sweep=one,
        name=f"{one.name.split('-')[0][:12]}-{run_id}",
        state=how.wandb,
        user=how.user,
        url=f"{HOST}/{one.project_path}/runs/{run_id}",
        metric_value=how.metric,
        created_at=now - timedelta(hours=how.hours),
        heartbeat_at=now - timedelta(minutes=how.minutes),
    )
    job = job_of(one, job_id, how) if job_id else None
    if job:
        RunLink.objects.create(run=made, job=job, how="metadata", evidence=f"metadata names job {job_id}")
    step = int(how.epoch * 450)
    RunStatus.objects.create(
        run=made,
        job=job,
        slurm_state=how.slurm,
        pair=how.pair,
        action="monitor",
        agree=how.agree,
        epoch=how.epoch,
        step=step,
        target_epochs=how.target,
        percent=100 * how.epoch / how.target if how.target else None,
        progress_source="log",
        runtime_seconds=how.hours * 3600,
        gpu_seconds=how.hours * 3600 * 4,
        crash_class=how.crash,
        resumable="after a change" if how.crash else "",
        proof="train.err line 812: torch.OutOfMemoryError: CUDA out of memory." if how.crash else "",
    )
    if how.checkpoint:
        Checkpoint.objects.create(
            run=made, path=f"outputs/{run_id}/last.pt", kind="torch", step=step, bytes=10**9,
            modified_at=now - timedelta(minutes=how.minutes + 9), total=3,
        )  # fmt: skip
    return made


def judge_runs() -> None:
    """Give each run the next action that its states have; without it they count as never judged."""
    told = {"zombie": "mark crashed", "stale heartbeat": "wait"}
    for status in RunStatus.objects.select_related("run"):
        over = "done" if status.run.state == "finished" else "investigate"
        plain = "healthy" if status.run.state == "running" else over
        status.verdict = "change-then-resume" if status.crash_class else told.get(status.pair, plain)
        status.agreement = "agree" if status.agree else "disagree"
        status.verdict_reason = "as its states are"
        status.save()


def job_of(one: Sweep, job_id: str, how: Training) -> Job:
    began = utcnow() - timedelta(hours=how.hours)
    live = how.slurm in ("RUNNING", "PENDING", "COMPLETING")
    job = Job.objects.create(
        cluster="cluster",
        job_id=job_id,
        state="GONE" if how.slurm == "NO JOB" else how.slurm,
        reason="Priority" if how.slurm == "PENDING" else "",
        submit_at=began,
        start_at=began,
        end_at=None if live else utcnow(),
        nodes="" if how.slurm == "PENDING" else f"gpu{int(job_id.split('_')[-1]) % 8 + 1:02d}",
        gpus=4,
    )
    AgentLink.objects.create(sweep=one, job=job, evidence="the job's script names the sweep")
    return job


def flag(rule: str, severity: str, of: Run | Sweep, evidence: str, action: str, *, uncertain: bool = False) -> Flag:
    return Flag.objects.create(
        rule=rule,
        severity=severity,
        run=of if isinstance(of, Run) else None,
        sweep=of.sweep if isinstance(of, Run) else of,
        evidence=evidence,
        action=action,
        uncertain=uncertain,
        opened_at=utcnow(),
    )


def zombie(run_id: str) -> Training:
    return Training(slurm="NO JOB", pair="zombie", agree=False, minutes=47, epoch=31)


def _training_sweep(sweep_id: str, name: str, epochs: list[float], *, project: str = VISION, **fields: Any) -> Sweep:
    """A sweep whose agents all train."""
    one = sweep(sweep_id, name, project=project, expected_runs=len(epochs) + 2, **fields)
    array = 41000 + one.pk
    for task, epoch in enumerate(epochs):
        how = Training(epoch=epoch, hours=epoch / 2, metric=0.6 + epoch / 400, user="mira" if task % 2 else "jonas")
        run(one, f"{sweep_id[:4]}r{task}", how, job_id=f"{array}_{task}")
    return one


def tidy_board() -> None:
    """What a team sees on an ordinary morning; the README's picture is made of it."""
    fresh_passes()
    workspace("vision", "preempt partition, 24 h limit")
    _training_sweep("k3v9x2ab", "vit-base-augment", [61, 58, 55, 40])
    _training_sweep("m7q1zz0p", "vit-large-lr-schedule", [22.5, 21, 19], method="random")
    _training_sweep("w5t8rr4c", "conformer-specaug", [88, 86], project=SPEECH, metric_name="val/wer")
    waiting = _training_sweep("h2n6yy1d", "conformer-batch-size", [12], project=SPEECH, method="grid")
    back = Training(slurm="PENDING", pair="waiting to come back", epoch=35, minutes=9, user="jonas")
    run(waiting, "h2n6r8", back, job_id="41990_1")
    lost = _training_sweep("c8p4vv7e", "mixup-cutmix-grid", [47, 45, 44], method="grid")
    dead = run(lost, "c8p4r9", zombie("c8p4r9"), job_id="41991_3")
    flag("zombie", "critical", dead, "W&B says running, but Slurm knows no job of it since 47 min; epoch 31 of 100.",
         "mark the run crashed in W&B; then resume it from step 13 950")  # fmt: skip
    memory = _training_sweep("b1d5tt3f", "swin-resolution", [9, 8], method="random")
    dead = run(memory, "b1d5r7", Training(
        wandb="crashed", slurm="FAILED", pair="ended", epoch=6, minutes=95, crash="cuda-oom", metric=0.52,
    ), job_id="41992_2")  # fmt: skip
    still = run(memory, "b1d5r8", Training(epoch=8, minutes=47))
    flag("stale-heartbeat", "warning", still, "The last heartbeat came 47 min ago (limit 30 min); the job is RUNNING.",
         "look at the job's log and GPU use: the training may hang")  # fmt: skip
    quick = _training_sweep("f9s3pp6g", "wav2vec-freeze", [70], project=SPEECH, metric_name="val/wer")
    done = run(quick, "f9s3r5", Training(
        wandb="finished", slurm="COMPLETED", pair="done, perhaps", epoch=2, hours=0.7, minutes=300, metric=0.31,
    ), job_id="41993_0")  # fmt: skip
    flag("fast-completion", "critical", done, "Finished after 42 min, at epoch 2 of 100 (log).",
         "read the end of the log; resume if it is below its target")  # fmt: skip
    short = run(quick, "f9s3r6", Training(
        wandb="finished", slurm="COMPLETED", pair="done, perhaps", epoch=100, hours=1.8, minutes=420, metric=0.29,
    ), job_id="41994_0")  # fmt: skip
    flag("fast-completion", "note", short, "Finished after 1 h 48 min (limit 2 h), and the log shows epoch 100 of 100.",
         "nothing, if a short run was intended")  # fmt: skip


def odd_board() -> None:
    """The tidy board and what strains a layout: markup, long names, many runs, nothing known, an uncertain flag."""
    tidy_board()
    markup = sweep("markup01", MARKUP, state="PAUSED", metric_name="<i>loss</i>")
    wild = run(markup, "wildrun1", Training(target=None, metric=None, checkpoint=False, user="<b>zoe</b>"))
    flag("stale-heartbeat", "warning", wild, "<img src=x onerror=alert(1)> no heartbeat since 35 min.",
         "wait & see <b>now</b>", uncertain=True)  # fmt: skip
    odd = "the clean-up ran, training did not end well"
    run(markup, "wildrun2", Training(wandb="failed", slurm="COMPLETED", pair=odd, agree=False, epoch=1234.5,
        target=20000, crash="missing-dependency"), job_id="51999_11")  # fmt: skip
    paced = run(markup, "wildrun3", Training(epoch=3210.5, target=20000), job_id="51999_12")
    RunStatus.objects.filter(run=paced).update(epochs_per_hour=2310.5, done_at=utcnow() + timedelta(hours=50))
    RunHistory.objects.create(run=paced, loss=[[1, 3.0], [2, 1.5], [3, 1.0]])
    sweep("longname", LONG, project=SPEECH, state="PENDING", url="", metric_name="", method="")
    crowd = sweep("sixtyrun", "sixty-runs", method="grid", expected_runs=60)
    states = ("running", "finished", "crashed", "failed", "killed", "preempted")
    for number in range(60):
        state = states[number % len(states)]
        slurm = {"running": "RUNNING", "finished": "COMPLETED", "preempted": "PREEMPTED"}.get(state, "FAILED")
        run(crowd, f"crowd{number:02d}", Training(wandb=state, slurm=slurm, hours=number + 1, epoch=number))
