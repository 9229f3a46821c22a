"""The W&B state beside the Slurm state: every row of the practice's table, and what no row names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN, Pair, meaning
from apps.slurm.ports import ENDED_STATES

ENDED_OTHERWISE = sorted((ENDED_STATES - {"PREEMPTED", "OUT_OF_MEMORY"}) | {"GONE"})
ENDED_BADLY = ("crashed", "failed", "killed")


def test_running_on_a_running_job_is_normal() -> None:
    found = meaning("running", "RUNNING")
    assert (found.pair, found.action, found.agree) == (Pair.NORMAL, "monitor", True)


@pytest.mark.parametrize("slurm", [NO_JOB, MOVED_ON, *ENDED_OTHERWISE])
def test_running_without_a_job_or_on_one_that_ended_is_a_zombie(slurm: str) -> None:
    found = meaning("running", slurm)
    assert (found.pair, found.agree) == (Pair.ZOMBIE, False)
    assert "mark the run crashed" in found.action
    assert "resume it if it has progress" in found.action


def test_running_on_a_preempted_job_is_a_stale_heartbeat() -> None:
    found = meaning("running", "PREEMPTED")
    assert (found.pair, found.agree) == (Pair.STALE, False)
    assert "time-out, then resume" in found.action


@pytest.mark.parametrize("slurm", ["PENDING", "REQUEUED"])
def test_running_on_a_requeued_job_waits_to_come_back(slurm: str) -> None:
    found = meaning("running", slurm)
    assert (found.pair, found.agree) == (Pair.WAITING, True)
    assert found.action.startswith("wait")


def test_finished_on_a_completed_job_is_success_perhaps() -> None:
    found = meaning("finished", "COMPLETED")
    assert (found.pair, found.agree) == (Pair.DONE_PERHAPS, True)
    assert "epochs reach the target" in found.action


@pytest.mark.parametrize("slurm", ["PREEMPTED", "TIMEOUT", "CANCELLED"])
def test_finished_on_a_job_that_was_cut_short_is_probably_incomplete(slurm: str) -> None:
    found = meaning("finished", slurm)
    assert (found.pair, found.agree) == (Pair.WRONGLY_FINISHED, False)
    assert found.action == "read the log; resume if below target"


def test_crashed_on_a_completed_job_did_not_end_well() -> None:
    found = meaning("crashed", "COMPLETED")
    assert (found.pair, found.agree) == (Pair.ENDED_BADLY, False)
    assert "real error" in found.action


@pytest.mark.parametrize("wandb", ENDED_BADLY)
def test_dead_in_wandb_on_a_running_job_waits_one_heartbeat(wandb: str) -> None:
    found = meaning(wandb, "RUNNING")
    assert (found.pair, found.agree) == (Pair.DEAD_BUT_ALIVE, False)
    assert found.action == "wait one heartbeat, then investigate"


@pytest.mark.parametrize(
    "wandb", ["running", "finished", *ENDED_BADLY, "preempting", "preempted", "pending", "new one"]
)
def test_out_of_memory_is_the_hosts_whatever_wandb_says(wandb: str) -> None:
    found = meaning(wandb, "OUT_OF_MEMORY")
    assert found.pair is Pair.HOST_MEMORY
    assert found.action == "raise the job's memory, then resume"
    assert found.agree is (wandb not in ("running", "finished"))


@pytest.mark.parametrize("wandb", ["preempting", "preempted"])
@pytest.mark.parametrize("slurm", ["RUNNING", "PENDING", "PREEMPTED", "COMPLETED", NO_JOB, "A NEW ONE"])
def test_a_preempted_run_is_resumed_to_its_own_id_whatever_slurm_says(wandb: str, slurm: str) -> None:
    found = meaning(wandb, slurm)
    assert (found.pair, found.action) == (Pair.PREEMPTED, "resume to the same run id")


@pytest.mark.parametrize("wandb", ENDED_BADLY)
def test_dead_in_wandb_while_the_job_comes_back_waits(wandb: str) -> None:
    assert meaning(wandb, "PENDING").pair is Pair.WAITING


@pytest.mark.parametrize("wandb", ENDED_BADLY)
def test_dead_in_wandb_and_gone_on_to_the_next_run_is_no_contradiction(wandb: str) -> None:
    found = meaning(wandb, MOVED_ON)
    assert (found.pair, found.agree) == (Pair.ENDED, True)


@pytest.mark.parametrize("wandb", ["running", "finished", *ENDED_BADLY, "new one"])
def test_a_slurm_that_does_not_answer_proves_nothing(wandb: str) -> None:
    found = meaning(wandb, UNKNOWN)
    assert (found.pair, found.agree) == (Pair.UNKNOWN, None)


@pytest.mark.parametrize("wandb", ["running", "finished", *ENDED_BADLY])
@pytest.mark.parametrize("slurm", ["REVIVED_BY_LUCK", ""])
def test_a_slurm_state_that_nobody_knows_yet_means_unknown(wandb: str, slurm: str) -> None:
    found = meaning(wandb, slurm)
    assert (found.pair, found.agree) == (Pair.UNKNOWN, None)


@pytest.mark.parametrize("slurm", ["RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"])
def test_a_job_in_one_of_slurms_rare_live_states_is_no_zombie(slurm: str) -> None:
    assert meaning("running", slurm).pair is not Pair.ZOMBIE


@given(st.text(), st.text())
def test_no_pair_of_states_is_without_an_action(wandb: str, slurm: str) -> None:
    assert meaning(wandb, slurm).action
