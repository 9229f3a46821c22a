"""The one next action: each branch of the practice's decision, and that thin evidence never says 'resume'."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.units import with_ages
from apps.flags.domain import Evidence, Progress, ProgressSource, Resumable
from apps.flags.rules.crash import Failure, failure_of
from apps.flags.verdict import (
    Action,
    Agreement,
    SweepStory,
    Verdict,
    sweep_action,
    verdict_of,
    verdict_of_sweep,
)
from apps.links.states import NO_JOB, UNKNOWN
from tests.factories.facts import job_facts, run_facts
from tests.factories.moments import NOW, before

LOG = ProgressSource.LOG
OOM = (Evidence("cuda-oom", "t.err", 812, "torch.OutOfMemoryError: CUDA out of memory."),)
CONFIG = (Evidence("config-error", "t.err", 3, "Key 'lrr' is not in struct"),)
PYTHON = (Evidence("python-error", "t.err", 9, "ValueError: x"),)
NO_CHECKPOINT: dict[str, Any] = {"checkpoint_at": None, "checkpoint_step": None, "checkpoint_epoch": None}


def verdict(**values: Any) -> Verdict:
    facts = run_facts(**values)
    return verdict_of(facts, failure_of(facts))


def died(state: str = "FAILED", **values: Any) -> dict[str, Any]:
    return {
        "wandb_state": "crashed",
        "slurm_state": state,
        "job": job_facts(state=state, end_at=before(hours=1)),
        **values,
    }


@pytest.mark.parametrize(
    ("values", "action"),
    [
        ({}, Action.HEALTHY),
        ({"loss_is_finite": False}, Action.INVESTIGATE),
        ({"slurm_state": "PENDING", "job": job_facts(state="PENDING")}, Action.WAIT),
        ({"slurm_state": NO_JOB, "job": None}, Action.MARK_CRASHED),
        ({"slurm_state": UNKNOWN, "job": None}, Action.WAIT),
        ({"known": frozenset({"slurm"})}, Action.WAIT),
        ({"wandb_state": "crashed"}, Action.WAIT),
        (died("PREEMPTED"), Action.RESUME),
        (died("TIMEOUT"), Action.RESUME),
        (died("NODE_FAIL"), Action.RESUME),
        (died("PREEMPTED", **NO_CHECKPOINT), Action.RELAUNCH),
        (died("TIMEOUT", **NO_CHECKPOINT), Action.RELAUNCH),
        (died("OUT_OF_MEMORY"), Action.CHANGE_THEN_RESUME),
        (died(evidence=OOM), Action.CHANGE_THEN_RESUME),
        (died(evidence=OOM, **NO_CHECKPOINT), Action.RELAUNCH),
        (died(evidence=CONFIG), Action.FIX_CONFIG),
        (died(evidence=PYTHON), Action.INVESTIGATE),
        (died(), Action.INVESTIGATE),
        ({"wandb_state": "finished", "slurm_state": "COMPLETED", "progress": Progress(10, 1, 10, LOG)}, Action.DONE),
        (
            {"wandb_state": "finished", "slurm_state": "COMPLETED", "progress": Progress(3, 1, 10, LOG)},
            Action.INVESTIGATE,
        ),
        ({"wandb_state": "finished", "slurm_state": "COMPLETED", "progress": Progress()}, Action.INVESTIGATE),
        (
            {"wandb_state": "finished", "slurm_state": "TIMEOUT", "job": job_facts(state="TIMEOUT", end_at=NOW)},
            Action.RESUME,
        ),
        ({"wandb_state": "deleted", "slurm_state": "COMPLETED"}, Action.DONE),
    ],
    ids=str,
)
def test_each_case_has_its_one_next_action(values: dict[str, Any], action: Action) -> None:
    assert verdict(**values).action is action


def test_the_evidence_is_told_in_order_with_figures() -> None:
    told = verdict(**died(evidence=OOM, progress=Progress(6, 240, 40, LOG)))
    assert [with_ages(sentence, NOW) for sentence in told.chain] == [
        "W&B says crashed, last heartbeat 20 s ago.",
        "Slurm says FAILED of job 12345.",
        "The log says cuda-oom: torch.OutOfMemoryError: CUDA out of memory. (t.err:812).",
        "The log's last is epoch 6 of 40.",
        "The newest checkpoint is step 400, written 10 min ago; nobody has proven it yet.",
    ]
    assert told.change.startswith("lower the GPU memory")


def test_a_bad_checkpoint_is_never_resumed_from_and_the_good_one_is_named() -> None:
    bad = {"checkpoint_sound": "fail", "checkpoint_flaw": "it ends too early"}
    told = verdict(**died(slurm_state="TIMEOUT", job=job_facts(state="TIMEOUT", end_at=NOW)), **bad)
    assert told.action is Action.INVESTIGATE
    assert told.reason.endswith("the newest checkpoint is no good: verify the older ones")
    saved = verdict(
        **died(slurm_state="TIMEOUT", job=job_facts(state="TIMEOUT", end_at=NOW)), **bad, good_checkpoint="e3.pt"
    )
    assert saved.reason.endswith("restore from e3.pt")
    assert saved.chain[-1].endswith("its proof said fail: it ends too early; the newest good one is e3.pt.")
    assert verdict(**died(), checkpoint_sound="pass").chain[-1].endswith("it was proven sound.")


def test_whether_the_sources_tell_one_story_is_part_of_it() -> None:
    assert verdict().agreement is Agreement.AGREE
    assert verdict(slurm_state=NO_JOB, job=None).agreement is Agreement.DISAGREE
    odd = Progress(3, 1, 10, LOG, disagreement="The log says epoch 3, the summary says epoch 9.")
    assert verdict(progress=odd).agreement is Agreement.DISAGREE
    assert verdict(known=frozenset({"wandb"})).agreement is Agreement.UNKNOWN


@given(
    st.sampled_from(["running", "crashed", "failed", "killed", "finished", "preempted", "odd"]),
    st.sampled_from(
        ["RUNNING", "FAILED", "COMPLETED", "PREEMPTED", "TIMEOUT", "CANCELLED", "GONE", NO_JOB, UNKNOWN, "NEW"]
    ),
    st.sampled_from([(), OOM, CONFIG, PYTHON]),
    st.booleans(),
    st.booleans(),
)
def test_a_resume_is_never_said_without_a_checkpoint_or_against_the_evidence(
    wandb: str, slurm: str, evidence: tuple[Evidence, ...], has_checkpoint: bool, answers: bool
) -> None:
    facts = run_facts(
        wandb_state=wandb, slurm_state=slurm, evidence=evidence,
        known=frozenset({"wandb", "slurm"} if answers else {"slurm"}), **({} if has_checkpoint else NO_CHECKPOINT),
    )  # fmt: skip
    failure = failure_of(facts)
    told = verdict_of(facts, failure)
    if told.action is Action.RESUME:
        assert has_checkpoint
        assert answers
        assert failure.resumable is Resumable.YES
    if told.action is Action.CHANGE_THEN_RESUME:
        assert has_checkpoint
        assert failure.resumable is Resumable.AFTER_CHANGE
    assert told.reason


@pytest.mark.parametrize("alarm", ["diverged", "checkpoint-bad", "stuck-running-unpopulated", "idle-gpu"])
def test_no_run_is_healthy_beside_an_alarm(alarm: str) -> None:
    facts = run_facts()
    told = verdict_of(facts, failure_of(facts), [alarm])
    assert (told.action, told.reason) == (Action.INVESTIGATE, f"it runs, but {alarm}")


def test_two_sources_that_do_not_settle_are_waited_for_and_not_for_ever() -> None:
    def at(minutes: float) -> dict[str, Any]:
        return {"heartbeat_at": before(minutes=minutes), "job": job_facts(state="PREEMPTED", end_at=before(hours=9))}

    assert verdict(slurm_state="PREEMPTED", **at(30)).action is Action.WAIT
    over = verdict(slurm_state="PREEMPTED", **at(90))
    assert over.action is Action.MARK_CRASHED
    assert with_ages(over.reason, NOW) == (
        "W&B still says running, and its job was PREEMPTED 1 h 30 min ago; then resume it"
    )
    alive = {"wandb_state": "crashed", "slurm_state": "RUNNING", "job": job_facts(state="RUNNING")}
    assert verdict(**alive, heartbeat_at=before(minutes=30)).action is Action.WAIT
    assert verdict(**alive, heartbeat_at=before(hours=48)).action is Action.INVESTIGATE


@pytest.mark.parametrize(
    ("sweep", "action", "told"),
    [
        ("RUNNING", Action.RELAUNCH, "relaunch agents into the same sweep"),
        ("PAUSED", Action.RELAUNCH, "relaunch agents into the same sweep"),
        ("FINISHED", Action.RESTART, "preemption: there is no checkpoint, and its sweep is finished"),
        ("CANCELED", Action.RESTART, "preemption: there is no checkpoint, and its sweep is canceled"),
        ("", Action.RESTART, "preemption: there is no checkpoint, and it belongs to no sweep"),
    ],
)
def test_agents_are_relaunched_only_into_a_sweep_that_takes_them(sweep: str, action: Action, told: str) -> None:
    said = verdict(**died("PREEMPTED", **NO_CHECKPOINT), sweep_state=sweep)
    assert (said.action, told in said.reason) == (action, True)


def test_a_sweep_has_one_next_action_with_its_evidence() -> None:
    runs = (("resume", "agree", 2), ("healthy", "agree", 3), ("investigate", "disagree", 1))
    told = verdict_of_sweep(SweepStory("RUNNING", True, runs, 3, 4))
    assert (told.action, told.reason, told.agreement) == (Action.RESUME, "2 of its 6 runs", Agreement.DISAGREE)
    assert told.chain == (
        "W&B says running.",
        "Slurm knows 3 of 4 expected agents alive.",
        "Its runs need: 2 resume, 1 investigate, 3 healthy.",
        "Of 1 of them the sources disagree.",
    )


def test_a_calm_sweep_wants_its_agents_and_an_unknown_side_is_no_agreement() -> None:
    few = verdict_of_sweep(SweepStory("RUNNING", True, (("healthy", "agree", 1),), 1, 4))
    assert (few.action, few.reason, few.agreement) == (
        Action.RELAUNCH, "1 of 4 agents are active", Agreement.AGREE,
    )  # fmt: skip
    new = verdict_of_sweep(SweepStory("PENDING", False))
    assert (new.action, new.agreement) == (Action.WAIT, Agreement.UNKNOWN)
    assert new.chain[0] == "W&B does not answer; it last said pending."
    assert verdict_of_sweep(SweepStory("PAUSED", True, (("done", "agree", 1),), 0, 4)).action is Action.DONE
    odd = verdict_of_sweep(SweepStory("RUNNING", True, (("", "", 2),), None, None))
    assert (odd.action, odd.chain[2]) == (Action.WAIT, "Its runs need: 2 not judged.")


def test_a_failure_that_nobody_classed_is_looked_at() -> None:
    facts = run_facts(**died())
    assert verdict_of(facts, Failure()).action is Action.INVESTIGATE


@pytest.mark.parametrize(
    ("actions", "running", "missing", "expected"),
    [
        (["healthy", "healthy"], True, False, Action.HEALTHY),
        (["healthy", "resume", "done"], True, False, Action.RESUME),
        (["resume", "mark crashed"], True, False, Action.MARK_CRASHED),
        (["done", "done"], True, True, Action.RELAUNCH),
        (["done"], False, True, Action.DONE),
        ([], True, True, Action.RELAUNCH),
        ([], True, False, Action.WAIT),
        (["nonsense", "wait"], True, False, Action.WAIT),
    ],
)
def test_a_sweep_needs_what_its_worst_run_needs(
    actions: list[str], running: bool, missing: bool, expected: Action
) -> None:
    assert sweep_action(actions, running=running, agents_missing=missing) is expected
