"""Following a log, cut by run."""

import json
from dataclasses import asdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.joblogs.domain import LogState, Trace, dump_state, follow, restore_state, trace_values
from apps.joblogs.parsers import MAX_LINE

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
    follow(state, text)
    return state


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
    assert follow(state, "Run: aaa111\n") == {"aaa111"}
    trace = state.traces["aaa111"]
    assert (trace.starts, trace.epoch, trace.evidence) == (2, 4.0, [])


def test_a_loss_that_is_no_number_is_marked_until_it_is_one_again() -> None:
    state = whole("Run: aaa111\nEpoch 1 loss nan\n")
    assert (state.traces["aaa111"].loss, state.traces["aaa111"].loss_is_finite) == (None, False)
    follow(state, "Epoch 2 loss 0.5\n")
    assert (state.traces["aaa111"].loss, state.traces["aaa111"].loss_is_finite) == (0.5, True)


def test_only_the_first_lines_of_evidence_are_kept() -> None:
    assert len(whole("ValueError: x\n" * 50).traces[""].evidence) == 8


def test_an_unfinished_line_waits_for_its_end() -> None:
    state = LogState()
    assert follow(state, "Epoch 3/1") == set()
    assert follow(state, "0 step 5\n") == {""}
    assert state.traces[""].target_epochs == 10.0


def test_the_last_line_may_lack_its_end() -> None:
    state = LogState()
    assert follow(state, "Epoch 3", last=True) == {""}
    assert state.rest == ""


def test_what_changed_is_told_and_nothing_else() -> None:
    state = whole(AGENT_LOG)
    assert follow(state, "nothing of interest\n") == set()
    assert follow(state, "epoch 2\n") == {"bbb222"}


@given(st.lists(st.integers(0, len(AGENT_LOG)), max_size=12))
def test_a_log_in_pieces_reads_as_the_whole(cuts: list[int]) -> None:
    in_pieces(AGENT_LOG, cuts)


LINES = st.sampled_from(
    ["Run: aaa111", "Run: bbb222", "Epoch 3/10 step 4 loss 0.1", "ValueError: x", "x" * (MAX_LINE + 90), "", "ü é",
     "Epoch 5 " + "." * MAX_LINE + " Run: ccc333", "." * MAX_LINE + "Run: ddd444"]
)  # fmt: skip


@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r", "\r\n"])), max_size=6), st.data())
def test_any_log_in_any_pieces_reads_as_the_whole(lines: list[tuple[str, str]], data: st.DataObject) -> None:
    text = "".join(line + end for line, end in lines)
    in_pieces(text, data.draw(st.lists(st.integers(0, len(text)), max_size=6)))


def in_pieces(text: str, cuts: list[int]) -> None:
    state, edges = LogState(), sorted({0, *cuts, len(text)})
    for start, end in pairwise(edges):
        follow(state, text[start:end])
        # Between two passes the state is a row of the database.
        state = restore_state(
            json.loads(json.dumps(dump_state(state))), [Trace(**asdict(t)) for t in state.traces.values()]
        )
    expected = whole(text)
    assert {run: trace_values(trace) for run, trace in state.traces.items()} == {
        run: trace_values(trace) for run, trace in expected.traces.items()
    }
    assert (state.line, state.run_id, state.sweep_id) == (expected.line, expected.run_id, expected.sweep_id)
