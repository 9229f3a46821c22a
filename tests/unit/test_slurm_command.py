"""What a client's failure means: no answer, or an answer that is no."""

import sys
import time

import pytest

from apps.core.errors import Permanent, Transient
from apps.slurm.adapters.command import classify, reading_environment, run_command


@pytest.mark.parametrize(
    "said",
    [
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sacct: error: Problem talking to the database: Connection refused",
        "Unexpected message received for job 3",
        "squeue: error: 'south' can't be reached now, or it is an invalid entry for --cluster.",
    ],
)
def test_silence_is_transient(said: str) -> None:
    assert isinstance(classify("squeue", said, 1), Transient)


def test_a_no_is_permanent_and_says_why() -> None:
    error = classify("sbatch", "sbatch: error: invalid partition specified: nope\n", 1)
    assert isinstance(error, Permanent)
    assert str(error) == "sbatch refused: invalid partition specified: nope."


def test_a_cluster_that_nobody_knows_is_a_no() -> None:
    said = "scontrol: error: No cluster 'west' known by database.\nscontrol: error: 'west' can't be reached now, or …"
    assert isinstance(classify("scontrol", said, 1), Permanent)


def test_a_command_that_takes_too_long_is_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(Transient, match=r"within 0\.2 seconds"):
        run_command(["sleep", "20"], seconds=0.2)
    assert time.monotonic() - began < 5


def test_a_missing_client_is_named() -> None:
    with pytest.raises(Permanent, match="no-such-client"):
        run_command(["no-such-client"], seconds=1)
    with pytest.raises(Permanent, match="/no/such/folder"):
        run_command([sys.executable], seconds=1, folder="/no/such/folder")


def test_a_persons_own_formats_do_not_bend_our_reading() -> None:
    environment = reading_environment({"SQUEUE_FORMAT": "%i", "SACCT_FORMAT": "x", "PATH": "/bin"})
    assert environment["PATH"] == "/bin"
    assert "SQUEUE_FORMAT" not in environment
    assert "SACCT_FORMAT" not in environment
