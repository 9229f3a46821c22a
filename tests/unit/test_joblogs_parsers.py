"""What a line of a job log says: real lines, and healthy ones that only look bad."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.joblogs.parsers import (
    WANTED,
    LineProgress,
    cause_in,
    clean,
    closes_start,
    context_in,
    follows_a_signal,
    progress_in,
    run_in,
    says_caught,
    sign_in,
    sweep_in,
)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("{'loss': 0.4, 'epoch': 12.0, 'global_step': 5400}", LineProgress(12.0, 5400, None, 0.4)),
        (
            "{'loss': '0.4123', 'grad_norm': '1.2', 'learning_rate': '5e-05', 'epoch': '0.05'}",
            LineProgress(0.05, None, None, 0.4123),
        ),
        ("{'train_runtime': 12.5, 'train_loss': 0.25, 'epoch': 3.0}", LineProgress(3.0, None, None, 0.25)),
        (" 10%|█   | 5/50 [00:01<00:09] {'loss': 1.5, 'epoch': 1.0}", LineProgress(1.0, 5, None, 1.5, 50)),
        ("Epoch 3/10 step 400 loss 0.31", LineProgress(3.0, 400, 10.0, 0.31)),
        ("epoch: 3", LineProgress(3.0)),
        ("[train] Epoch 4 of 20, loss=2.5e-3", LineProgress(4.0, None, 20.0, 0.0025)),
        (
            "Epoch 3:  45%|████▌     | 450/1000 [00:12<00:15, 36.2it/s, loss=0.31]",
            LineProgress(3.45, 3450, None, 0.31, None, 36.2),
        ),
        ("450/1000 [00:12<00:15, 36.2it/s, loss=0.31]", LineProgress(None, 450, None, 0.31, 1000, 36.2)),
        ("train: 450it [00:12, 2.50s/it]", LineProgress(None, 450, None, None, None, 0.4)),
        ("Training: 1.50k/2.00k [00:12<?, ?it/s]", LineProgress(None, 1500, None, None, 2000)),
        ("steps: 10%|# | 9/90 [1 day, 2:03:04<?, 1.2kit/s]", LineProgress(None, 9, None, None, 90, 1200.0)),
        ("Training: 45%|# | 450/1000 [00:12<00:15, 360samples/s]", LineProgress(samples_per_second=360.0)),
        ("Epoch:  60%|######    | 3/5 [00:00<00:00,  3.33it/s]", LineProgress(3.0, None, 5.0)),
        ("Epoch 3/10: 50%|# | 50/100 [00:01<00:01, 50it/s]", LineProgress(2.5, 250, 10.0, None, 1000, 50.0)),
        (
            "Epoch 5/5  ━━━━━━━━━ 16/16 0:00:00 • 0:00:00 604.36it/s v_num: 1.000",
            LineProgress(6.0, 96, 6.0, None, 96, 604.36),
        ),
        ("`Trainer.fit` stopped: `max_epochs=6` reached.", LineProgress(6.0, None, 6.0)),
        ("`Trainer.fit` stopped: `max_steps=40` reached.", LineProgress(None, 40, None, None, 40)),
        ("Epoch 3, global step 4000: 'val_loss' reached 0.31 (best 0.31), saving model", LineProgress(4.0, 4000)),
        ("Epoch [3/10], Step [450/1000], Loss: 0.31", LineProgress(2.45, 2450, 10.0, 0.31, 10000)),
        ("Epoch: [3][ 450/1000]\tTime 0.2 Loss 3.1", LineProgress(3.45, 3450, None, 3.1)),
        ("Epoch 3/10 loss 0.3Epoch 4/10 loss 0.2", LineProgress(4.0, None, 10.0, 0.2)),
        ("{'loss': 0.4, 'epoch': 1.0}{'loss': 0.3, 'epoch': 2.0}", LineProgress(2.0, None, None, 0.3)),
        (
            "{'train_samples_per_second': '721.2', 'train_steps_per_second': '180.3', "
            "'train_loss': '0.69', 'epoch': '3'}",
            LineProgress(3.0, None, None, 0.69, None, 180.3, 721.2),
        ),
        ("{'eval_loss': '0.5', 'eval_samples_per_second': '9', 'epoch': '1'}", LineProgress(1.0)),
        (" 10%|█ | 5/50 [00:01<00:09, 5.0it/s]{'loss': '1.5', 'epoch': '1'}", LineProgress(1.0, 5, None, 1.5, 50, 5.0)),
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
        "Map: 100%|##########| 200/200 [00:00<00:00, 480 examples/s]",
        "model.safetensors: 100%|##########| 5.00M/5.00M [00:00<00:00, 12MB/s]",
        "Validation: 100%|##########| 50/50 [00:00<00:00, 245.21it/s]",
        "Validation Epoch 3: 100%|##########| 50/50 [00:00<00:00, 245.21it/s]",
        "Sanity Checking DataLoader 0:  50%|##### | 1/2 [00:00<00:00, 2it/s]",
        "Tokenizing train dataset (num_proc=4):  50%|##### | 1/2 [00:00<00:00, 2it/s]",
        "Loading checkpoint shards: 100%|##########| 4/4 [00:00<00:00,  9.80it/s]",
        "Generating train split: 100%|#| 10/10 [00:00<00:00, 99 examples/s]",
        "{'epoch': " + "(" * 500 + "}",
        "{'epoch': '" + "9" * 2500 + "'}",
    ],
)
def test_a_line_without_progress_says_none(line: str) -> None:
    assert progress_in(line) is None


def test_an_epoch_that_never_began_counts_as_none() -> None:
    read = progress_in("Epoch 0:   0%|          | 0/16 [00:00<?, ?it/s]")
    assert read is not None
    assert (read.epoch, read.step) == (0.0, 0)


def test_a_colour_a_rank_and_an_inner_bar_are_taken_away() -> None:
    assert clean(b"Training:  50%|\x1b[32m#####     \x1b[0m| 1/2 [00:00<00:00]") == (
        "Training:  50%|#####     | 1/2 [00:00<00:00]"
    )
    assert clean(b"[rank1]: ValueError: no") == "ValueError: no"
    assert clean(b"[default0]:Epoch 3") == "Epoch 3"
    assert clean(b"12: Epoch 3") == "Epoch 3"
    assert clean(b"100%|#| 8/8 [00:00<00:00, 687.25it/s]\x1b[A") == ""
    assert clean(b"\x1b[A{'eval_loss': '0.6', 'epoch': '1'}") == "{'eval_loss': '0.6', 'epoch': '1'}"
    assert clean(b"a\x00b\xff") == "ab\ufffd"


WORDS = """Epoch epoch: EPOCH 3 3/10 450/1000 [00:12<00:15, 36.2it/s] 2s/it] step loss 0.3 Run: Sweep ID: ab12 {
CANCELLED AT x DUE TO PREEMPTION oom_kill event ValueError: Error: CUDA out of memory. Tried to allocate 'epoch': 3 }
Watchdog caught collective operation timeout Key 'a' is not in struct Killed Terminated KeyboardInterrupt not finite.
Traceback (most recent call last): Exception ignored in Root Cause (first observed failure) retrying trying batch size
skipping falling back srun: error: slurmstepd: local_rank: failed (exitcode: -9) AssertionError Could not find override
Node failure on"""
KNOWN = st.sampled_from([f"{word} " for word in WORDS.split()])


@given(st.lists(KNOWN | st.text(max_size=6), max_size=14).map("".join))
def test_what_any_parser_knows_the_search_for_lines_that_matter_finds(line: str) -> None:
    line = line.replace("\n", "").replace("\r", "")
    told = sign_in(line) or context_in(line) or says_caught(line) or closes_start(line) or None
    read = progress_in(line), cause_in(line), run_in(line), sweep_in(line), told
    assert read == (None,) * 5 or WANTED.search(line.encode()) or _is_bar_without_rate(read[0])


def _is_bar_without_rate(read: LineProgress | None) -> bool:
    return read is not None and read.bar and read.steps_per_second is None


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
        '    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")',
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


def test_what_a_process_says_when_it_is_ended_is_known() -> None:
    assert follows_a_signal("torch.distributed.elastic.multiprocessing.api.SignalException: Process 7 got signal: 15")
    assert not follows_a_signal("ValueError: too many values to unpack")
