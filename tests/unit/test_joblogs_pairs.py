"""Which two files are one job's logs."""

import pytest

from apps.joblogs.pairs import LogPair, is_log, pair_logs, partners


@pytest.mark.parametrize(
    ("out", "err"),
    [
        ("logs/train_12_3.out", "logs/train_12_3.err"),
        ("slurm-12.out", "slurm-12.err"),
        ("a/out.log", "a/err.log"),
        ("a/stdout.log", "a/stderr.log"),
        ("a/train.stdout", "a/train.stderr"),
        ("train.log", "train.err"),
        ("train-out.log", "train-err.log"),
        ("train.o12", "train.e12"),
    ],
)
def test_the_two_logs_of_a_job_belong_together(out: str, err: str) -> None:
    assert pair_logs([err, out]) == [LogPair(out, err)]
    assert out in partners(err)


@pytest.mark.parametrize(
    "paths", [["x_1.out", "x_11.err"], ["a/x.out", "b/x.err"], ["train.o12", "train.e13"], ["x.out", "x.log"]]
)
def test_logs_of_different_jobs_stay_apart(paths: list[str]) -> None:
    pairs = pair_logs(paths)
    assert [path for pair in pairs for path in (pair.out, pair.err) if path] == paths
    assert len(pairs) == 2


def test_a_log_alone_is_a_pair_with_one_half() -> None:
    assert pair_logs(["train.err", "notes"]) == [LogPair(None, "train.err"), LogPair("notes", None)]
    assert partners("notes") == []


def test_only_logs_are_taken_from_a_folder() -> None:
    names = ["a.out", "a.err", "out.log", "x.o12", "a.json", "a.py", "a.txt", "outline.md"]
    assert [name for name in names if is_log(name)] == names[:4]
