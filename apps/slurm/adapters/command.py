"""Runs one of Slurm's clients and turns what went wrong into Transient or Permanent."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

from apps.core.errors import Permanent, SweepboardError, Transient

# Said by the clients when nothing is known about the job; every other complaint is an answer.
_NO_ANSWER = re.compile(
    r"unable to contact slurm controller|unable to establish controller|connection (refused|reset|timed out)"
    r"|socket timed out|zero bytes were transmitted|connect failure|communication connection failure"
    r"|problem talking to the database|unable to connect to database|failed to open persistent connection"
    r"|slurmdbd.*(not responding|unable)|in standby mode|unexpected message received|no route to host"
    r"|resource temporarily unavailable|name or service not known|temporary failure in name resolution"
    r"|could not resolve|munge|authentication|transport endpoint|broken pipe|connection closed"
    r"|temporarily unable to accept job|try again|network is unreachable|cannot allocate memory"
    r"|can't be reached now|cluster information from database",
    re.IGNORECASE,
)
# Said together with "can't be reached now": this one is an answer.
_NO_SUCH_CLUSTER = re.compile(r"no cluster '[^']*' known by database", re.IGNORECASE)
_NOISE = re.compile(r"^[a-z]+: (error|fatal): ", re.MULTILINE)


def run_command(
    command: Sequence[str],
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> str:
    """Run ``command`` (a list, no shell) for at most ``seconds`` and return its standard output.

    ``environment`` replaces the inherited one, ``folder`` is the working directory. Raises ``Transient``
    when the time is over or Slurm did not answer, ``Permanent`` with Slurm's sentence when it said no.
    """
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=None if environment is None else dict(environment),
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        raise Transient(f"{command[0]} did not answer within {seconds:g} seconds.") from None
    except OSError as error:
        raise _not_started(command[0], folder, error) from None
    except ValueError as error:
        raise Permanent(f"{command[0]} cannot be given this: {error}.") from None
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        raise classify(command[0], done.stderr.decode(errors="replace") or output, done.returncode)
    return output


def reading_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for commands that only read: English, UTC, epoch seconds, full array lists.

    Not for sbatch: a job inherits what its submitter has.
    """
    inherited = os.environ if environment is None else environment
    # A person's SQUEUE_FORMAT, SACCT_FORMAT and the like would bend what we ask for.
    kept = {k: v for k, v in inherited.items() if not k.startswith(("SQUEUE_", "SACCT_", "SLURM_TIME"))}
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
    return {**kept, **fixed}


def classify(program: str, complaint: str, status: int) -> SweepboardError:
    """Return the error that a failed client stands for: ``Transient`` where Slurm gave no answer."""
    said = " ".join(_NOISE.sub("", complaint).split())[:400]
    if _NO_ANSWER.search(complaint) and not _NO_SUCH_CLUSTER.search(complaint):
        return Transient(f"Slurm does not answer: {said}.")
    if not said:
        return Permanent(f"{program} failed with status {status} and said nothing.")
    return Permanent(f"{program} refused: {said.rstrip('.')}.")


def _not_started(program: str, folder: str | None, error: OSError) -> SweepboardError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if folder is not None and error.filename == folder:
            return Permanent(f"The working directory {folder} does not exist.")
        return Permanent(f"{program} is not on this machine's PATH: install Slurm's client tools.")
    if isinstance(error, PermissionError):
        return Permanent(f"{program} may not be run here: {error.strerror}.")
    return Transient(f"{program} could not be started: {error.strerror}.")
