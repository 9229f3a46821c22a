"""Following a log, cut by run."""

import json
from dataclasses import asdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.joblogs.domain import LogState, dump_state, follow, leave_gap, peek, restore_state, trace_values
from apps.joblogs.parsers import MAX_LINE
from apps.joblogs.trace import Trace

AGENT_LOG = """\
Sweep ID: ab12cd34
wandb: Agent Starting Run: aaa111 with config:
wandb: Run data is saved locally in /shared/glue/wandb/run-20261123_230654-aaa111
Epoch 1/10 step 100 loss 0.9
Epoch 2/10 step 200 loss 0.5
\rTraining:  10%|█   |\rTraining:  20%|██  | epoch 3
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
wandb: Agent Starting Run: bbb222 with config:
{'loss': nan, 'epoch': 0.5, 'global_step': 50}
{'loss': 0.7, 'epoch': 1.0, 'global_step': 100}\r
"""


def whole(text: str) -> LogState:
    state = LogState()
    more(state, text)
    return state


def more(state: LogState, text: str, *, last: bool = False) -> set[str]:
    return follow(state, text.encode(), last=last)


def test_several_runs_in_one_log_are_cut_apart() -> None:
    traces = whole(AGENT_LOG).traces
    first, second = traces["aaa111"], traces["bbb222"]
    assert (first.epoch, first.step, first.target_epochs, first.loss) == (3.0, 200, 10.0, 0.5)
    assert (second.epoch, second.step, second.target_epochs, second.loss) == (1.0, 100, None, 0.7)
    assert [item["class"] for item in first.evidence] == ["cuda-oom"]
    assert second.evidence == []


def test_every_run_belongs_to_the_sweep_that_the_log_named() -> None:
    assert {trace.sweep_id for trace in whole(AGENT_LOG).traces.values() if trace.run_id} == {"ab12cd34"}


def test_evidence_names_its_line() -> None:
    (item,) = whole("one\ntwo\nValueError: three\n").traces[""].evidence
    assert item == {"class": "python-error", "line": 3, "text": "ValueError: three"}


def test_a_requeued_run_keeps_its_progress_and_forgets_what_ended_the_attempt_before() -> None:
    state = whole("Run: aaa111\nepoch 4\nslurmstepd: error: CANCELLED AT now DUE TO PREEMPTION\n")
    assert more(state, "Run: aaa111\n") == {"aaa111"}
    trace = state.traces["aaa111"]
    assert (trace.starts, trace.epoch, trace.evidence) == (2, 4.0, [])


def test_a_loss_that_is_no_number_is_marked_until_it_is_one_again() -> None:
    state = whole("Run: aaa111\nEpoch 1 loss nan\n")
    assert (state.traces["aaa111"].loss, state.traces["aaa111"].loss_is_finite) == (None, False)
    more(state, "Epoch 2 loss 0.5\n")
    assert (state.traces["aaa111"].loss, state.traces["aaa111"].loss_is_finite) == (0.5, True)


def test_only_the_first_lines_of_evidence_are_kept() -> None:
    assert len(whole("ValueError: x\n" * 50).traces[""].evidence) == 8


def test_an_unfinished_line_waits_for_its_end() -> None:
    state = LogState()
    assert more(state, "Epoch 3/1") == set()
    assert more(state, "0 step 5\n") == {""}
    assert state.traces[""].target_epochs == 10.0


def test_the_last_line_may_lack_its_end() -> None:
    state = LogState()
    assert more(state, "Epoch 3", last=True) == {""}
    assert state.rest == b""


def test_what_changed_is_told_and_nothing_else() -> None:
    state = whole(AGENT_LOG)
    assert more(state, "nothing of interest\n") == set()
    assert more(state, "epoch 2\n") == {"bbb222"}


PREEMPTED = "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-23T10:00:00 DUE TO PREEMPTION ***\n"


def test_what_follows_a_preemption_is_the_same_runs_next_start() -> None:
    state = whole(f"Run: aaa111\nEpoch 4 step 40\nValueError: x\n{PREEMPTED}")
    trace = state.traces["aaa111"]
    assert (trace.starts, [item["class"] for item in trace.evidence]) == (1, ["python-error", "preemption"])
    more(state, "Epoch 5 step 50\ntorch.OutOfMemoryError: CUDA out of memory.\n")
    assert (trace.starts, [item["class"] for item in trace.evidence]) == (2, ["cuda-oom"])
    (earlier,) = trace.earlier_starts
    assert (earlier["start"], earlier["epoch"], earlier["step"]) == (1, 4.0, 40)
    assert [(item["class"], item["start"]) for item in earlier["evidence"]] == [("python-error", 1), ("preemption", 1)]
    assert (trace.epoch, trace.step) == (5.0, 50)


def test_the_last_words_of_what_slurm_ends_open_no_start() -> None:
    state = whole(f"Run: aaa111\nEpoch 4\n{PREEMPTED}{PREEMPTED}")
    more(state, "torch.distributed.elastic.multiprocessing.api.SignalException: Process 7 got signal: 15\n")
    trace = state.traces["aaa111"]
    assert (trace.starts, [item["class"] for item in trace.evidence]) == (1, ["preemption", "preemption"])


@pytest.mark.parametrize("why", ["PREEMPTION", "NODE FAILURE", "JOB REQUEUE"])
def test_a_log_that_names_no_run_has_starts_too(why: str) -> None:
    trace = whole(f"Epoch 4\n{PREEMPTED.replace('PREEMPTION', why)}Epoch 5\n").traces[""]
    assert (trace.starts, trace.epoch, trace.evidence) == (2, 5.0, [])
    assert trace.earlier_starts[0]["epoch"] == 4.0


def test_a_time_limit_closes_no_start() -> None:
    trace = whole(f"Epoch 4\n{PREEMPTED.replace('PREEMPTION', 'TIME LIMIT')}Epoch 5\n").traces[""]
    assert [item["class"] for item in trace.evidence] == ["time-limit"]


def test_a_start_that_script_and_client_both_name_is_one() -> None:
    named = "wandb: Agent Starting Run: aaa111 with config:\nRun: aaa111\n"
    assert whole(named).traces["aaa111"].starts == 1
    assert whole(f"{named}Epoch 1\n{named}").traces["aaa111"].starts == 2
    assert whole(f"{named}Run: bbb222\n{named}").traces["aaa111"].starts == 2


def test_no_more_than_ten_earlier_starts_are_kept() -> None:
    trace = whole(f"Run: aaa111\nEpoch 1\n{PREEMPTED}" * 14).traces["aaa111"]
    assert trace.starts == 14
    assert [one["start"] for one in trace.earlier_starts] == list(range(4, 14))


@pytest.mark.parametrize(
    ("lines", "epoch"),
    [
        ("Epoch 0/10\nEpoch 3/10", 4.0),
        ("Epoch 1/10\nEpoch 3/10", 3.0),
        ("Epoch 7/10", 7.0),
        ("Epoch 0/10\nEpoch 9/10\nEpoch 10/10", 10.0),
        ("Epoch 0: 50%|#| 5/10 [0:1<0:1, 5it/s]\nEpoch 3: 50%|#| 5/10 [0:1<0:1, 5it/s]", 3.5),
        ("Epoch 1: 50%|#| 5/10 [0:1<0:1, 5it/s]\nEpoch 3: 50%|#| 5/10 [0:1<0:1, 5it/s]", 2.5),
        ("Epoch 1: 50%|#| 5/10 [0:1<0:1, 5it/s, v_num=0]\nEpoch 3: 50%|#| 5/10 [0:1<0:1, 5it/s, v_num=0]", 3.5),
    ],
)
def test_epochs_count_what_was_trained_whatever_number_the_first_one_has(lines: str, epoch: float) -> None:
    assert whole(lines + "\n").traces[""].epoch == epoch


def bar(n: int, total: int) -> str:
    return f"\r {n * 100 // total}%|#| {n}/{total} [00:12<00:15, 36.2it/s]"


def test_a_bar_that_begins_again_after_its_end_counts_on() -> None:
    trace = whole("".join(bar(n, 100) for n in (0, 50, 100, 0, 50)) + "\r").traces[""]
    assert (trace.step, trace.total_steps, trace.steps_per_second) == (150, None, 36.2)


def test_a_shorter_bar_beside_the_trainings_is_an_evaluation() -> None:
    trace = whole(bar(500, 1000) + bar(25, 25) + bar(510, 1000) + bar(3, 25) + "\r").traces[""]
    assert (trace.step, trace.total_steps) == (510, 1000)


def test_the_last_frame_of_a_bar_is_read_though_no_line_ends_it() -> None:
    state = whole(bar(10, 100) + bar(30, 100))
    assert state.traces[""].step == 10
    assert peek(state) == {""}
    assert state.traces[""].step == 30
    more(state, bar(40, 100) + "\r")
    assert state.traces[""].step == 40


@pytest.mark.parametrize("half", ["Epoch 4/1", "{'epoch': 1", " 10%|#| 10/1"])
def test_a_line_that_may_go_on_is_not_read_early(half: str) -> None:
    state = whole(half)
    assert peek(state) == set()
    assert state.traces == {}


def test_lines_are_numbered_as_an_editor_numbers_them() -> None:
    state = whole("one\r\ntwo\r three\rfour\r\n\n")
    more(state, "ValueError: x\n")
    assert state.traces[""].evidence[0]["line"] == 4


def test_behind_a_gap_nobody_knows_the_run_until_a_line_names_it() -> None:
    state = whole("Run: aaa111\nEpoch 1\nhalf a li")
    leave_gap(state)
    more(state, "ne Epoch 99\nEpoch 7\nValueError: x\n")
    assert (state.traces["aaa111"].epoch, state.traces[""].epoch) == (1.0, 7.0)
    assert state.traces[""].evidence[0]["line"] == 0, "nobody counted the lines of the gap"
    more(state, "Run: aaa111\nEpoch 8\n")
    assert state.traces["aaa111"].epoch == 8.0


def test_a_character_may_be_cut_in_two_by_the_end_of_what_is_read() -> None:
    data = "ä" * 10 + " Epoch 3/10 ü\n"
    for cut in range(len(data.encode())):
        state = LogState()
        follow(state, data.encode()[:cut])
        follow(state, data.encode()[cut:])
        assert state.traces[""].epoch == 3.0


@given(st.lists(st.integers(0, len(AGENT_LOG)), max_size=12))
def test_a_log_in_pieces_reads_as_the_whole(cuts: list[int]) -> None:
    in_pieces(AGENT_LOG, cuts)


LINES = st.sampled_from(
    ["Run: aaa111", "Run: bbb222", "Epoch 3/10 step 4 loss 0.1", "ValueError: x", "x" * (MAX_LINE + 90), "", "ü é",
     "slurmstepd: error: *** JOB 1 ON n CANCELLED AT x DUE TO PREEMPTION ***", " 3%|#| 3/90 [0:1<0:1, 5it/s]",
     "Epoch 0: 50%|█| 5/10 [0:1<0:1, 5it/s]", " 3%|#| 90/90 [0:1<0:1, 5it/s]", " 3%|#| 0/90 [0:1<0:1, 5it/s]",
     "Epoch 5 " + "." * MAX_LINE + " Run: ccc333", "." * MAX_LINE + "Run: ddd444"]
)  # fmt: skip


@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r", "\r\n"])), max_size=6), st.data())
def test_any_log_in_any_pieces_reads_as_the_whole(lines: list[tuple[str, str]], data: st.DataObject) -> None:
    text = "".join(line + end for line, end in lines)
    in_pieces(text, data.draw(st.lists(st.integers(0, len(text.encode())), max_size=6)))


def in_pieces(text: str, cuts: list[int]) -> None:
    """The cuts are of bytes, so that they fall inside characters as well."""
    data = text.encode()
    state, edges = LogState(), sorted({0, *cuts, len(data)})
    for start, end in pairwise(edges):
        follow(state, data[start:end])
        # Between two passes the state is a row of the database.
        state = restore_state(
            json.loads(json.dumps(dump_state(state))), [Trace(**asdict(t)) for t in state.traces.values()]
        )
    expected = whole(text)
    assert {run: trace_values(trace) for run, trace in state.traces.items()} == {
        run: trace_values(trace) for run, trace in expected.traces.items()
    }
    assert dump_state(state) == dump_state(expected)


def test_evidence_keeps_the_byte_of_its_line_however_the_log_is_cut_into_chunks() -> None:
    content = (
        b"step 1\n" * 40 + b"x" * 500 + b" ValueError: long\n" + b"Traceback (most recent call last):\n" + ERROR + b"\n"
    )
    for size in (1, 7, 64, len(content)):
        state = LogState()
        for start in range(0, len(content), size):
            follow(state, content[start : start + size], max_line=100, offset=start)
        (item,) = state.traces[""].evidence
        assert content[item["byte"] :].startswith(ERROR), size


def test_evidence_behind_a_gap_has_its_byte_though_nobody_knows_its_line() -> None:
    state = LogState()
    follow(state, b"one\n", offset=0)
    leave_gap(state)
    follow(state, b"torn line\nTraceback (most recent call last):\n" + ERROR + b"\n", offset=1000)
    (item,) = state.traces[""].evidence
    assert (item["line"], item["byte"]) == (0, 1000 + 10 + 35)


ERROR = b"ValueError: three"
