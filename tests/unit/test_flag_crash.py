"""Why a run died, and whether it can be resumed: without evidence the answer is 'look first'."""

import pytest

from apps.flags.domain import Evidence, Resumable
from apps.flags.rules.crash import RESUMABLE, failure_of
from apps.joblogs.parsers import CAUSES
from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN
from tests.factories.facts import run_facts
from tests.factories.moments import NOW


def said(*classes: str) -> tuple[Evidence, ...]:
    return tuple(Evidence(one, "logs/a.err", line, f"{one}!") for line, one in enumerate(classes, 1))


@pytest.mark.parametrize(
    ("state", "crash_class"),
    [
        ("PREEMPTED", "preemption"),
        ("TIMEOUT", "time-limit"),
        ("DEADLINE", "time-limit"),
        ("NODE_FAIL", "node-failure"),
        ("BOOT_FAIL", "node-failure"),
        ("OUT_OF_MEMORY", "host-oom"),
    ],
)
def test_slurms_word_comes_first_where_it_says_the_cause(state: str, crash_class: str) -> None:
    failure = failure_of(run_facts(wandb_state="crashed", slurm_state=state, evidence=said("python-error")))
    assert (failure.crash_class, failure.proof) == (crash_class, None)


def test_slurms_word_is_proven_by_the_line_of_the_same_cause() -> None:
    evidence = said("python-error", "time-limit")
    assert failure_of(run_facts(wandb_state="crashed", slurm_state="TIMEOUT", evidence=evidence)).proof is evidence[1]


@pytest.mark.parametrize("crash_class", sorted(set(RESUMABLE) - {"unknown", "none"}))
def test_otherwise_the_logs_first_cause_decides(crash_class: str) -> None:
    failure = failure_of(
        run_facts(
            wandb_state="failed", slurm_state="FAILED", evidence=said(crash_class, "data-error"), checkpoint_at=NOW
        )
    )
    assert (failure.crash_class, failure.resumable) == (crash_class, RESUMABLE[crash_class])
    assert failure.proof is not None
    assert failure.proof.line == 1


@pytest.mark.parametrize("crash_class", ["preemption", "time-limit", "node-failure", "nccl-timeout"])
def test_nothing_is_resumable_without_a_checkpoint(crash_class: str) -> None:
    failure = failure_of(
        run_facts(wandb_state="crashed", slurm_state="FAILED", evidence=said(crash_class), checkpoint_at=None)
    )
    assert failure.resumable is Resumable.LOOK_FIRST


def test_a_checkpoint_does_not_mend_a_config_error() -> None:
    failure = failure_of(
        run_facts(wandb_state="failed", slurm_state="FAILED", evidence=said("config-error"), checkpoint_at=NOW)
    )
    assert failure.resumable is Resumable.NO


@pytest.mark.parametrize("slurm", ["FAILED", "CANCELLED", "GONE", "COMPLETED", NO_JOB, UNKNOWN, MOVED_ON])
def test_without_evidence_the_class_is_unknown_and_somebody_looks_first(slurm: str) -> None:
    failure = failure_of(run_facts(wandb_state="crashed", slurm_state=slurm, checkpoint_at=NOW))
    assert (failure.crash_class, failure.resumable) == ("unknown", Resumable.LOOK_FIRST)


@pytest.mark.parametrize("state", ["preempting", "preempted"])
def test_a_run_that_marked_itself_preempted_was(state: str) -> None:
    failure = failure_of(run_facts(wandb_state=state, slurm_state=UNKNOWN, checkpoint_at=NOW))
    # `preempting` is no end yet.
    assert failure.crash_class == ("preemption" if state == "preempted" else "")


@pytest.mark.parametrize("wandb", ["running", "finished"])
@pytest.mark.parametrize("slurm", ["RUNNING", "COMPLETED", "PENDING", UNKNOWN])
def test_a_run_that_did_not_end_badly_has_no_cause_of_death(wandb: str, slurm: str) -> None:
    evidence = said("python-error") if (wandb, slurm) != ("running", "COMPLETED") else ()
    failure = failure_of(run_facts(wandb_state=wandb, slurm_state=slurm, evidence=evidence))
    assert (failure.crash_class, failure.resumable) == ("", None)


def test_a_zombie_whose_script_hid_its_exit_code_is_judged_by_its_log() -> None:
    failure = failure_of(run_facts(wandb_state="running", slurm_state="COMPLETED", evidence=said("cuda-oom")))
    assert (failure.crash_class, failure.resumable) == ("cuda-oom", Resumable.AFTER_CHANGE)


def test_a_run_that_both_sides_call_done_has_diverged_when_its_loss_is_no_number() -> None:
    failure = failure_of(run_facts(wandb_state="finished", slurm_state="COMPLETED", evidence=said("diverged")))
    assert (failure.crash_class, failure.resumable) == ("diverged", Resumable.LOOK_FIRST)


def test_an_error_that_nothing_explains_takes_the_yes_from_slurms_word() -> None:
    facts = {"wandb_state": "crashed", "slurm_state": "TIMEOUT", "checkpoint_at": NOW}
    assert failure_of(run_facts(**facts)).resumable is Resumable.YES
    assert failure_of(run_facts(**facts, evidence=said("python-error"))).resumable is Resumable.LOOK_FIRST


@pytest.mark.parametrize(("one", "slug"), [(Resumable.AFTER_CHANGE, "after-change"), (Resumable.YES, "yes")])
def test_machines_read_slugs(one: Resumable, slug: str) -> None:
    assert one.slug == slug


def test_every_cause_that_a_log_can_name_is_a_known_crash_class() -> None:
    assert {slug for slug, _ in CAUSES} <= RESUMABLE.keys()
