"""Whether a run may be marked as failed in W&B: only a zombie beyond doubt."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.closing.domain import ClosingFacts, NotKnown, Refused, check_facts
from apps.core.errors import AlreadyDone, SweepboardError
from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN, Pair, meaning
from apps.slurm.ports import ENDED_STATES
from apps.sweeps.ports import ENDED_RUN_STATES, LIVE_RUN_STATES
from tests.factories.moments import NOW, before

LIVE_JOB = ("RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING", "PENDING", "REQUEUED")
OVER = (*sorted(ENDED_STATES), "GONE")
STRANGE = ("RESIZING", "SIGNALING", "STAGE_OUT", "SOMETHING_NEW")
RUN_STATES = (*sorted(LIVE_RUN_STATES | ENDED_RUN_STATES), "deleted", "moved", "")
SLURM_STATES = (*LIVE_JOB, *OVER, *STRANGE, NO_JOB, UNKNOWN, MOVED_ON)


def facts(**values: Any) -> ClosingFacts:
    """A zombie beyond doubt: its job failed hours ago, Slurm was read seconds ago, W&B heard nothing for an hour."""
    slurm = values.get("slurm_state", "FAILED")
    job = {"job_id": "12345", "job_ended": slurm in OVER} if slurm not in (NO_JOB, UNKNOWN) else {}
    told: dict[str, Any] = {
        "run_id": "8x2kq0",
        "wandb_state": "running",
        "judged_state": values.get("wandb_state", "running"),
        "slurm_state": "FAILED",
        "slurm_read_at": before(seconds=20),
        "slurm_patience": timedelta(minutes=3),
        "stale_after": timedelta(minutes=30),
        "heartbeat_at": before(hours=1),
        "created_at": before(hours=9),
        **job,
    }
    return ClosingFacts(**{**told, **values})


def refusal(error: type[SweepboardError], **values: Any) -> str:
    with pytest.raises(error) as raised:
        check_facts(facts(**values), NOW)
    return str(raised.value)


def may(one: ClosingFacts) -> bool:
    try:
        check_facts(one, NOW)
    except SweepboardError:
        return False
    return True


def test_a_zombie_beyond_doubt_may_be_closed() -> None:
    assert may(facts())
    assert may(facts(slurm_state=NO_JOB))
    assert may(facts(slurm_state="GONE"))


@pytest.mark.parametrize("slurm", SLURM_STATES)
@pytest.mark.parametrize("wandb", RUN_STATES)
def test_of_every_pair_of_states_only_the_zombies_may_be_closed(wandb: str, slurm: str) -> None:
    zombie = meaning(wandb, slurm).pair is Pair.ZOMBIE and slurm != MOVED_ON
    assert may(facts(wandb_state=wandb, slurm_state=slurm)) is zombie
    assert not zombie or (wandb == "running" and (slurm in OVER or slurm == NO_JOB))


@pytest.mark.parametrize("slurm", LIVE_JOB)
def test_a_job_that_lives_is_named(slurm: str) -> None:
    assert refusal(Refused, slurm_state=slurm) == f"Job 12345 is {slurm}: the run is not a zombie."


def test_an_agents_job_that_went_on_is_waited_for_while_it_lives() -> None:
    assert "went on to run nextone" in refusal(Refused, slurm_state=MOVED_ON, job_ended=False, next_run="nextone")
    assert may(facts(slurm_state=MOVED_ON, job_ended=True, next_run="nextone"))


def test_a_job_of_the_sweep_that_may_be_the_runs_is_unknown() -> None:
    assert "Job 77 works for the run's sweep" in refusal(NotKnown, slurm_state=NO_JOB, idle_jobs=("77",))


def test_a_slurm_that_was_not_read_lately_is_unknown_since_then() -> None:
    old = before(minutes=12)
    assert refusal(NotKnown, slurm_read_at=old).startswith(
        "Unknown whether a job is alive: Slurm was not read well since 2026-11-23 11:48 UTC"
    )
    assert "slurmctld is down" in refusal(NotKnown, slurm_problem="slurmctld is down")
    assert "never read" in refusal(NotKnown, slurm_read_at=None)
    assert "not known yet" in refusal(NotKnown, slurm_state=UNKNOWN)


def test_a_heart_that_beats_means_that_something_still_logs() -> None:
    assert "W&B heard of the run 4 min ago" in refusal(Refused, heartbeat_at=before(minutes=4))
    assert "something still logs" in refusal(Refused, heartbeat_at=NOW + timedelta(minutes=5))
    assert "heard nothing" in refusal(NotKnown, heartbeat_at=None, created_at=None)
    assert not may(facts(heartbeat_at=None, created_at=before(minutes=1)))


def test_the_heartbeat_of_an_earlier_attempt_of_ours_is_not_the_runs() -> None:
    ours = facts(heartbeat_at=before(minutes=4), closing_until=before(minutes=3))
    assert may(ours)
    assert not may(facts(heartbeat_at=before(minutes=2), closing_until=before(minutes=3)))


@pytest.mark.parametrize("wandb", sorted(ENDED_RUN_STATES))
def test_a_run_that_has_ended_needs_no_closing(wandb: str) -> None:
    assert refusal(AlreadyDone, wandb_state=wandb).startswith(f"W&B says {wandb} of run 8x2kq0")


def test_a_run_that_is_only_in_its_folder_is_not_on_w_and_b() -> None:
    assert "only in its folder" in refusal(Refused, offline=True)


def test_a_run_that_was_not_compared_since_the_last_word_waits() -> None:
    assert "was not compared" in refusal(NotKnown, judged_state="pending")


@given(
    wandb=st.sampled_from(RUN_STATES),
    slurm=st.sampled_from(SLURM_STATES),
    ended=st.sampled_from([True, False, None]),
    read=st.one_of(st.none(), st.integers(-60, 100_000)),
    beat=st.one_of(st.none(), st.integers(-600, 100_000)),
    closing=st.one_of(st.none(), st.integers(0, 100_000)),
    idle=st.sampled_from([(), ("77",)]),
    offline=st.booleans(),
    problem=st.sampled_from(["", "slurmctld is down"]),
)
def test_nothing_is_ever_closed_while_a_job_is_alive_or_unknown(
    wandb: str, slurm: str, ended: bool | None, read: int | None, beat: int | None, closing: int | None,
    idle: tuple[str, ...], offline: bool, problem: str,
) -> None:  # fmt: skip
    one = facts(
        wandb_state=wandb, judged_state=wandb, slurm_state=slurm, job_ended=ended, idle_jobs=idle, offline=offline,
        slurm_read_at=None if read is None else before(seconds=read), slurm_problem=problem,
        heartbeat_at=None if beat is None else before(seconds=beat),
        closing_until=None if closing is None else before(seconds=closing),
    )  # fmt: skip
    if not may(one):
        return
    assert ended is not False
    assert slurm not in (*LIVE_JOB, *STRANGE, UNKNOWN)
    assert wandb == "running"
    assert not offline
    assert read is not None
    assert read <= 180
    assert not problem
    assert ended is True or (slurm == NO_JOB and not idle)
