"""What a line of a job log says: real lines, and healthy ones that only look bad."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.joblogs.parsers import MAX_LINE, LineProgress, cause_in, progress_in, run_in, sweep_in


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("{'loss': 0.4, 'epoch': 12.0, 'global_step': 5400}", LineProgress(12.0, 5400, None, 0.4)),
        (
            "{'loss': '0.4123', 'grad_norm': '1.2', 'learning_rate': '5e-05', 'epoch': '0.05'}",
            LineProgress(0.05, None, None, 0.4123),
        ),
        ("{'train_runtime': 12.5, 'train_loss': 0.25, 'epoch': 3.0}", LineProgress(3.0, None, None, 0.25)),
        (" 10%|█   | 5/50 [00:01<00:09] {'loss': 1.5, 'epoch': 1.0}", LineProgress(1.0, None, None, 1.5)),
        ("Epoch 3/10 step 400 loss 0.31", LineProgress(3.0, 400, 10.0, 0.31)),
        ("epoch: 3", LineProgress(3.0)),
        ("[train] Epoch 4 of 20, loss=2.5e-3", LineProgress(4.0, None, 20.0, 0.0025)),
        ("Epoch 3:  45%|████▌     | 450/1000 [00:12<00:15, 36.2it/s, loss=0.31]", LineProgress(3.0, None, None, 0.31)),
        ("EPOCH 7", LineProgress(7.0)),
    ],
)
def test_progress_is_read(line: str, read: LineProgress) -> None:
    assert progress_in(line) == read


@pytest.mark.parametrize("loss", ["nan", "inf", "-inf", "'nan'", "'-inf'"])
def test_a_loss_that_is_no_number_is_told_and_the_epoch_kept(loss: str) -> None:
    read = progress_in(f"{{'loss': {loss}, 'epoch': 2.0}}")
    assert read is not None
    assert read.epoch == 2.0
    assert read.loss is not None
    assert not math.isfinite(read.loss)


def test_the_plain_form_tells_a_loss_that_is_no_number_too() -> None:
    read = progress_in("Epoch 3 step 12 loss nan")
    assert read is not None
    assert read.loss is not None
    assert math.isnan(read.loss)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "loss 0.31",
        "the number of epochs is 10",
        "{'lr': 0.1}",
        "{'epoch': [}",
        "{'epoch'",
        "epochs: many",
        "{'epoch', 3}",
    ],
)
def test_a_line_without_progress_says_none(line: str) -> None:
    assert progress_in(line) is None


@given(st.text(max_size=200) | st.from_regex(r"Epoch [0-9]{1,400}/[0-9]{1,400} step [0-9]{1,400} loss [0-9]{1,40}"))
def test_whatever_a_line_holds_its_figures_fit_their_columns(line: str) -> None:
    read = progress_in(line)
    if read is not None:
        assert read.epoch is None or math.isfinite(read.epoch)
        assert read.target_epochs is None or math.isfinite(read.target_epochs)
        assert read.step is None or 0 <= read.step < 2**63


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("Run: 8x2kq0", "8x2kq0"),
        ("wandb: Agent Starting Run: nnlj0n7f with config:", "nnlj0n7f"),
        ("wandb: Run data is saved locally in /shared/glue/wandb/run-20261123_230654-nnlj0n7f", "nnlj0n7f"),
        ("wandb: Run data is saved locally in wandb/offline-run-20261123_230654-ab_c-1", "ab_c-1"),
        ("Run: the tests first", None),
        ("see Run: 8x2kq0", None),
        ("wandb: Find logs at: ./wandb/run-20261123_230654-nnlj0n7f/logs", None),
        ("", None),
    ],
)
def test_the_line_with_which_a_runs_part_begins_is_known(line: str, run: str | None) -> None:
    assert run_in(line) == run


@pytest.mark.parametrize(
    ("line", "sweep"),
    [
        ("Sweep ID: ab12cd34", "ab12cd34"),
        ("wandb: Creating sweep with ID: ab12cd34", "ab12cd34"),
        ("wandb: Sweep page: https://wandb.ai/team/glue/sweeps/ab12cd34", None),
        ("the Sweep ID: ab12cd34", None),
    ],
)
def test_the_line_that_names_the_sweep_is_known(line: str, sweep: str | None) -> None:
    assert sweep_in(line) == sweep


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-23T10:00:00 DUE TO PREEMPTION ***", "preemption"),
        ("slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-23T10:00:00 DUE TO TIME LIMIT ***", "time-limit"),
        (
            "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-23T10:00:00 DUE TO NODE FAILURE ***",
            "node-failure",
        ),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "cuda-oom"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 MiB", "cuda-oom"),
        ("RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0)", "cuda-oom"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch.", "host-oom"),
        ("slurmstepd: error: Step 12.0 exceeded memory limit (1 > 0), being killed", "host-oom"),
        ("srun: error: n1: task 0: Out Of Memory", "host-oom"),
        ("omegaconf.errors.ConfigAttributeError: Key 'lrr' is not in struct", "config-error"),
        ("omegaconf.errors.MissingMandatoryValue: Missing mandatory value: data.path", "config-error"),
        ("ModuleNotFoundError: No module named 'einops'", "missing-dependency"),
        ("ImportError: cannot import name 'x'", "missing-dependency"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/data/train'", "data-error"),
        ("RuntimeError: DataLoader worker (pid 77) is killed by signal: Killed.", "data-error"),
        ("RuntimeError: DataLoader worker (pid(s) 77, 78) exited unexpectedly", "data-error"),
        ("[rank0]: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=4)", "nccl-timeout"),
        ("ValueError: too many values to unpack", "python-error"),
    ],
)
def test_the_lines_in_which_errors_are_raised_are_evidence(line: str, cause: str) -> None:
    assert cause_in(line) == cause


@pytest.mark.parametrize(
    "line",
    [
        "NCCL version 2.21.5+cuda12.4",
        "NCCL_DEBUG=INFO is set",
        "Use a smaller batch if you run out of memory.",
        "if CUDA is out of memory, gradient checkpointing helps",
        "Killed 3 stale workers before start",
        "Killed",
        "the ImportError: of yesterday is mended",
        "wandb.errors.CommError: network error, retrying",
        "loss error: 0.3",
        "Epoch 3/10 step 400 loss 0.31",
    ],
)
def test_a_healthy_line_is_no_evidence(line: str) -> None:
    assert cause_in(line) is None


def test_a_very_long_line_is_read_in_no_time() -> None:
    line = ("Epoch " * MAX_LINE)[:MAX_LINE]
    assert progress_in(line) is None
    assert cause_in(line) is None
