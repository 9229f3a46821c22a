"""From the gate to the end of a resume: what is asked, what is submitted, and what becomes of it."""

from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.checkpoints.ports import Proof
from apps.core.errors import AlreadyDone, Permanent, Transient
from apps.resume.checking import ask_for_check, drive_check, unfinished_checks
from apps.resume.domain import Refused
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.services import FRESH, PATIENCE, ask_to_cancel
from apps.slurm.ports import Submission
from apps.sweeps.ports import RunJob
from tests.factories.moments import before
from tests.factories.records import run_record, sweep_record
from tests.factories.resume import Lab

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(workspace_root)


def said(request: ResumeRequest) -> str:
    request.refresh_from_db()
    return request.said


def test_the_gate_of_a_preempted_run_with_a_good_checkpoint_is_open(lab: Lab) -> None:
    assert set(lab.states().values()) == {"pass"}


def test_a_bad_newest_checkpoint_shuts_it_and_the_newest_good_one_is_named(lab: Lab) -> None:
    newer = lab.checkpoint.with_name("step_540.pt")
    newer.write_bytes(b"wei")
    lab.prover.proofs[newer] = Proof("fail", "the file ends in the middle of a tensor")
    shut = lab.shut()
    assert set(shut) == {"sound"}
    assert "step_540.pt: the file ends in the middle of a tensor." in shut["sound"]
    assert f"restore from {lab.checkpoint} (step 500)" in shut["sound"]
    with pytest.raises(Refused, match="no check that anybody may override"):
        lab.ask(override="sound", reason="I know better", may_override=True)
    assert lab.jobs == []


def test_each_source_that_says_otherwise_shuts_its_own_line(lab: Lab) -> None:
    (lab.root / "outputs" / "aaa" / "config.yaml").write_text("wandb_run_id: bbb\nepochs: 10\nlr: 0.2\n")
    lab.project.sweeps[0] = sweep_record(state="CANCELED")
    lab.wandb(state="finished")
    job = lab.scheduler.submit(Submission(str(lab.root / "experiments/resume.sbatch"), comment="sweepboard:run=aaa"))
    lab.status.crash_class = lab.status.resumable = ""
    lab.status.save()
    shut = lab.shut()
    assert set(shut) == {"config", "wandb-run", "no-live-job", "crash-class", "not-finished", "sweep"}
    assert "lr: 0.2 on disk, 0.1 on W&B" in shut["config"]
    assert "run bbb" in shut["wandb-run"]
    assert f"Job {job} (PENDING)" in shut["no-live-job"]


def test_silent_sources_are_unknown_and_never_a_pass(lab: Lab) -> None:
    lab.scheduler.down = True
    lab.failure = Transient("W&B does not answer.")
    states = lab.states()
    assert {name for name, state in states.items() if state == "unknown"} >= {
        "no-live-job", "wandb-run", "not-finished", "sweep", "config"
    }  # fmt: skip
    assert states["recipe"] == "fail"
    with pytest.raises(Refused):
        lab.ask()


def test_one_press_submits_exactly_the_recipe_and_is_confirmed_by_both_sides(lab: Lab) -> None:
    request = lab.ask()
    assert lab.drive(request) == "submitted"
    request.refresh_from_db()
    made = lab.scheduler.submissions[request.job_id]
    assert made == request.planned.submission
    assert made.script == "experiments/resume.sbatch"
    assert list(made.args) == ["--from", str(lab.checkpoint), "--step=500"]
    assert made.environment == {
        "SWEEP": "swp1", "WANDB_RUN_ID": "aaa", "WANDB_RESUME": "must", "WANDB_ENTITY": "team",
        "WANDB_PROJECT": "glue", "SWEEPBOARD_CHECKPOINT": str(lab.checkpoint),
    }  # fmt: skip
    assert "WANDB_SWEEP_ID" in made.without
    assert made.comment == f"sweepboard:run=aaa sweepboard:key={request.key}"
    assert made.options == {"time": "08:00:00", "requeue": ""}
    assert lab.drive(request) == "submitted"
    assert said(request) == f"Job {request.job_id} waits in the queue: Priority."
    lab.later(minutes=1)
    lab.scheduler.start(request.job_id)
    assert lab.drive(request) == "running"
    lab.later(minutes=1)
    lab.logs(501)
    assert lab.drive(request) == "confirmed"
    assert said(request) == "W&B says running of the same run, at step 501, the checkpoint's was 500."
    types = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))
    assert types == [f"resume.request.{what}" for what in ("requested", "submitted", "confirmed")]


def test_a_run_that_starts_over_is_stopped_loudly(lab: Lab) -> None:
    request = lab.ask()
    lab.drive(request)
    lab.later(minutes=1)
    lab.scheduler.start(ResumeRequest.objects.get().job_id)
    lab.later(minutes=1)
    lab.logs(12)
    lab.logs(600, calls=60)  # it has passed the checkpoint by now
    assert lab.drive(request) == "failed"
    assert said(request).startswith("STARTED OVER: job 1 logs step 12, the checkpoint's was 500.")
    assert said(request).endswith("The job was stopped.")
    assert lab.scheduler.attempts[-1].state == "CANCELLED"


def test_a_job_that_opens_another_run_is_stopped_loudly(lab: Lab) -> None:
    request = lab.ask()
    lab.drive(request)
    lab.later(minutes=1)
    lab.scheduler.start("1")
    lab.later(minutes=1)
    jobs = (RunJob(1, started_at=lab.now),)
    lab.project.runs.append(run_record("zzz", heartbeat_at=lab.now, created_at=lab.now, jobs=jobs))
    assert lab.drive(request) == "failed"
    assert said(request).startswith("WRONG RUN: job 1 logs to W&B run zzz")
    assert lab.scheduler.attempts[-1].state == "CANCELLED"


def test_the_policy_may_leave_a_wrong_job_alone(lab: Lab) -> None:
    lab.workspace.config["policy"] = {"stop_wrong_resume": False}
    lab.workspace.save()
    request = lab.ask()
    lab.drive(request)
    lab.later(minutes=1)
    lab.scheduler.start("1")
    lab.later(minutes=1)
    lab.logs(12)
    assert lab.drive(request) == "failed"
    assert lab.scheduler.attempts[-1].state == "RUNNING"


def test_a_job_that_dies_before_w_and_b_hears_of_it_fails_with_its_log(lab: Lab) -> None:
    request = lab.ask()
    lab.drive(request)
    lab.scheduler.start("1")
    lab.later(seconds=10)
    lab.scheduler.finish("1", "FAILED", 1)
    assert lab.drive(request) == "running"  # W&B may hear of it a little later
    lab.later(minutes=4)
    assert lab.drive(request) == "failed"
    assert "ended FAILED with exit code 1:0 before W&B heard of the run. Next: read" in said(request)


def test_a_job_that_runs_without_a_word_to_w_and_b_fails_at_the_deadline_and_is_left_alone(lab: Lab) -> None:
    request = lab.ask()
    lab.drive(request)
    lab.scheduler.start("1")
    lab.later(minutes=31)
    assert lab.drive(request) == "failed"
    assert "was not stopped" in said(request)
    assert lab.scheduler.attempts[-1].state == "RUNNING"


def test_an_old_look_at_the_gate_serves_nobody(lab: Lab) -> None:
    check = lab.check()
    lab.later(seconds=FRESH.total_seconds() + 1)
    with pytest.raises(Refused, match="too long ago"):
        lab.ask(check)


def test_what_changed_since_the_press_submits_nothing(lab: Lab) -> None:
    request = lab.ask()
    lab.wandb(state="running")
    assert lab.drive(request) == "failed"
    assert "Nothing was submitted." in said(request)
    assert lab.jobs == []


def test_a_newer_checkpoint_than_at_the_press_submits_nothing(lab: Lab) -> None:
    request = lab.ask()
    lab.checkpoint.with_name("step_540.pt").write_bytes(b"weights")
    assert lab.drive(request) == "failed"
    assert "another one than at the press" in said(request)
    assert lab.jobs == []


def test_an_override_needs_an_admin_and_a_reason_and_opens_one_line_only(lab: Lab) -> None:
    lab.project.sweeps[0] = sweep_record(state="CANCELED")
    with pytest.raises(Refused, match="Only an admin"):
        lab.ask(override="sweep", reason="we go on")
    with pytest.raises(Refused, match="written reason"):
        lab.ask(override="sweep", may_override=True)
    request = lab.ask(override="sweep", reason="we go on", may_override=True)
    assert lab.drive(request) == "submitted"
    assert AuditEvent.objects.filter(type="resume.request.requested").get().detail["reason"] == "we go on"


def test_a_silent_source_is_waited_for_and_then_the_request_fails(lab: Lab) -> None:
    request = lab.ask()
    lab.failure = Transient("W&B does not answer.")
    assert lab.drive(request) == "asked"
    lab.failure = None
    lab.scheduler.down = True
    assert lab.drive(request) == "asked"
    lab.later(seconds=PATIENCE.total_seconds() + 1)
    assert lab.drive(request) == "failed"
    assert said(request).endswith("Nothing was submitted.")


def test_a_change_that_the_crash_needs_is_chosen_and_submitted(lab: Lab) -> None:
    lab.status.crash_class, lab.status.resumable = "host-oom", "after a change"
    lab.status.save()
    with pytest.raises(Refused, match="none is chosen"):
        lab.ask()
    with pytest.raises(Permanent, match="not an amount of memory"):
        lab.ask(choices={"more-memory": "64G; rm -rf ."})
    request = lab.ask(choices={"more-memory": "64G"})
    lab.drive(request)
    assert lab.scheduler.submissions["1"].options["mem"] == "64G"


def test_a_resume_that_waits_can_be_cancelled_before_and_after_its_job_exists(lab: Lab) -> None:
    request = lab.ask()
    ask_to_cancel(request=request, actor="mia", now=lab.now)
    assert lab.drive(request) == "cancelled"
    assert lab.jobs == []
    request = lab.ask()
    lab.drive(request)
    ask_to_cancel(request=request, actor="mia", now=lab.now)
    assert lab.drive(request) == "cancelled"
    assert [one.state for one in lab.scheduler.attempts] == ["CANCELLED"]
    with pytest.raises(AlreadyDone):
        ask_to_cancel(request=request, actor="mia", now=lab.now)


def _requeue_lab(root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    lab = Lab(root, requeue=True)
    job_id = lab.scheduler.submit(Submission(str(lab.root / "experiments/resume.sbatch")))
    lab.scheduler.start(job_id)
    lab.scheduler.finish(job_id, "PREEMPTED")
    lab.job.job_id, lab.job.raw_id, lab.job.submit_at = job_id, int(job_id), lab.scheduler.attempts[0].submit_at
    lab.job.save()
    lab.later(minutes=1)
    return lab


def test_a_job_whose_script_resumes_is_requeued_under_its_id(workspace_root: Path, settings: Any) -> None:
    lab = _requeue_lab(workspace_root, settings)
    request = lab.ask()
    assert request.planned.how == "requeue"
    assert lab.drive(request) == "submitted"
    assert lab.jobs == ["1", "1"]
    assert lab.resumes_to_the_end(request) == "confirmed"
    assert lab.jobs == ["1", "1"]


def test_a_job_that_slurm_has_forgotten_is_submitted_anew(workspace_root: Path, settings: Any) -> None:
    lab = _requeue_lab(workspace_root, settings)
    request = lab.ask()
    lab.scheduler.attempts.clear()
    assert lab.drive(request) == "submitted"
    assert lab.jobs == ["2"]


def test_a_recipe_whose_script_leads_out_or_is_missing_shuts_the_gate(lab: Lab) -> None:
    script = lab.root / "experiments" / "resume.sbatch"
    script.unlink()
    assert "is not in" in lab.shut()["recipe"]
    script.symlink_to("/bin/true")
    assert "leads out of" in lab.shut()["recipe"]
    lab.workspace.config.pop("recipe")
    lab.workspace.save()
    assert "has no recipe" in lab.shut()["recipe"]


def test_the_summary_of_before_the_crash_confirms_nothing(lab: Lab) -> None:
    request = lab.ask()
    lab.drive(request)
    lab.later(minutes=1)
    lab.scheduler.start("1")
    lab.later(minutes=1)
    lab.wandb(state="running", heartbeat_at=lab.now)  # the client says hello; nothing is logged yet
    assert lab.drive(request) == "running"
    assert lab.project.runs[0].summary["_timestamp"] == before(hours=1).timestamp()


def test_a_look_that_reads_for_long_renews_its_claim_and_says_how_far_it_is(lab: Lab) -> None:
    asked = ask_for_check(run=lab.run, actor="mia", now=lab.now)
    told: list[tuple[str, bool]] = []

    class Slowly:
        def prove(self, path: Path, heard: Any) -> Proof:
            lab.later(minutes=30)
            heard(3 << 30)
            said = GateCheck.objects.get(pk=asked.pk).said
            told.append((said, unfinished_checks(lab.now) == []))
            return Proof("pass", "fine")

    lab.prover = Slowly()  # type: ignore[assignment]  # it proves in its own time
    assert drive_check(check_pk=asked.pk, tools=lab.tools, clock=lambda: lab.now) == "done"
    assert told == [("3.0 GiB of the checkpoint are read.", True)]
