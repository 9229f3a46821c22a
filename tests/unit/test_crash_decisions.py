"""What is decided of an end; the recorded situations say the rest."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.joblogs.crashes import decide
from apps.joblogs.domain import LogState, follow
from apps.joblogs.endings import RESUMABLE, Clue, Ending, Resume, clue_from
from apps.joblogs.parsers import SIGNS

OOM = Clue("cuda-oom", "a.err", 9, "torch.OutOfMemoryError: x", went_on=False)
PREEMPTED = Clue("preemption", "a.err", 12, "CANCELLED AT x DUE TO PREEMPTION")


def clues_of(text: str) -> list[Clue]:
    state = LogState()
    follow(state, text.encode(), last=True)
    trace = state.traces[""]
    return [clue_from(item, "a.err", trains=trace.epoch is not None) for item in trace.evidence]


CLUES = st.builds(
    Clue,
    st.sampled_from([*RESUMABLE, *sorted(SIGNS)]).filter(lambda slug: slug not in ("unknown", "none")),
    st.sampled_from(["a.err", "a.out"]),
    st.integers(0, 30),
    st.just("x"),
    st.sampled_from([True, False, None]),
    st.booleans(),
    st.just(False),
)
ENDINGS = st.builds(
    Ending,
    st.lists(CLUES, max_size=6).map(tuple),
    st.sampled_from(
        ["", "FAILED", "COMPLETED", "TIMEOUT", "PREEMPTED", "OUT_OF_MEMORY", "CANCELLED", "RUNNING", "new"]
    ),
    st.sampled_from([None, 0, 1, 9, 137]),
    st.sampled_from([None, 0, 9, 15]),
    st.sampled_from(["", "running", "finished", "crashed", "failed", "preempted", "new"]),
    st.sampled_from([None, 3.0, 10.0]),
    st.sampled_from([None, 10.0]),
    st.sampled_from([None, True, False]),
)


@given(ENDINGS)
def test_yes_is_never_said_without_ground(ending: Ending) -> None:
    decision = decide(ending)
    assert decision.crash_class in RESUMABLE
    if decision.resumable is Resume.YES:
        assert RESUMABLE[decision.crash_class] is Resume.YES
        assert ending.has_checkpoint is not False
        assert not any(clue.crash_class == "diverged" and clue.went_on is not True for clue in ending.clues)


@given(ENDINGS)
def test_a_checkpoint_that_is_missing_never_makes_an_answer_bolder(ending: Ending) -> None:
    without = decide(replace(ending, has_checkpoint=False))
    assert without.crash_class == decide(replace(ending, has_checkpoint=True)).crash_class
    assert without.resumable is not Resume.YES


@given(ENDINGS)
def test_what_slurm_or_wandb_calls_bad_is_never_called_none(ending: Ending) -> None:
    if ending.went_badly:
        assert decide(ending).failed


def test_the_jobs_stderr_is_read_first() -> None:
    other = Clue("python-error", "a.out", 1, "ValueError: x")
    assert decide(Ending((other, OOM))).proof[0] is OOM


def test_an_error_before_slurms_word_is_the_cause_where_nothing_went_on() -> None:
    assert decide(Ending((OOM, PREEMPTED))).crash_class == "cuda-oom"
    caught = replace(OOM, went_on=True)
    assert decide(Ending((caught, PREEMPTED))).resumable is Resume.YES
    unsure = decide(Ending((replace(OOM, went_on=None), PREEMPTED)))
    assert (unsure.crash_class, unsure.resumable) == ("preemption", Resume.LOOK_FIRST)


@pytest.mark.parametrize("state", ["", "FAILED", "OUT_OF_MEMORY"])
def test_killed_is_the_hosts_memory_only_by_accounting(state: str) -> None:
    killed = Clue("killed", "a.err", 3, "Killed")
    decision = decide(Ending((killed,), job_state=state, exit_code=137))
    assert decision.crash_class == ("host-oom" if state == "OUT_OF_MEMORY" else "unknown")


def test_the_last_frame_of_a_bar_whose_process_died_is_no_progress() -> None:
    frame = "\rTraining:  {}%|#| {}/1000 [00:12<00:15, 40.00it/s]"
    text = frame.format(10, 100) + "\nValueError: x\n" + frame.format(11, 110) + "\n"
    assert [clue.went_on for clue in clues_of("Epoch 1\n" + text)] == [False]
    assert [clue.went_on for clue in clues_of("Epoch 1\n" + text + frame.format(90, 9000) + "\r")] == [True]


def test_other_ranks_progress_does_not_clear_an_error_that_nobody_caught() -> None:
    went_on = [clue.went_on for clue in clues_of("Epoch 1\n[rank1]: ValueError: x\nEpoch 2\n")]
    assert (went_on, clues_of("Epoch 1\nValueError: x\nEpoch 2\n")[0].went_on) == ([False], True)


def test_what_comes_later_finds_room_among_what_was_overcome() -> None:
    text = (
        "".join(f"ValueError: {n}\nEpoch {n}\n" for n in range(1, 20)) + "torch.OutOfMemoryError: CUDA out of memory.\n"
    )
    last = clues_of(text)[-1]
    assert (last.crash_class, last.went_on) == ("cuda-oom", False)


def test_slurms_word_finds_room_among_many_errors() -> None:
    text = "ValueError: x\n" * 50 + "slurmstepd: error: *** JOB 1 ON n CANCELLED AT x DUE TO TIME LIMIT ***\n"
    assert clues_of(text)[-1].crash_class == "time-limit"
