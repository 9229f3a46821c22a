"""Chooses the scheduler's adapter, and says why in a sentence for the person who reads the status page."""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import Permanent, SweepboardError
from apps.slurm.adapters.command import reading_environment, run_command
from apps.slurm.adapters.pyslurm import ask_child
from apps.slurm.adapters.slurm_cli import of_cluster

KINDS = ("pyslurm", "slurm_cli", "local", "memory")
_CONFS = ("/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf", "/etc/slurm-llnl/slurm.conf")


@dataclass(frozen=True, slots=True)
class Detection:
    """``kind`` is one of ``KINDS``; ``reason`` says why it was taken and why a better one was not."""

    kind: str
    reason: str


def detect(
    setting: str,
    *,
    environment: Mapping[str, str] | None = None,
    conf: str = "",
    python: str = sys.executable,
    seconds: float = 10,
) -> Detection:
    """Return the adapter for ``setting``: "auto", or a name of ``KINDS`` that is then checked.

    ``environment`` replaces the inherited one for the checks, each of which may take ``seconds``; ``conf``
    is the slurm.conf of one of several clusters.
    Raises ``Permanent`` for an unknown name, and for a named adapter that cannot work here.
    """
    place = of_cluster(environment, conf)
    checks: dict[str, Callable[[], str]] = {
        "pyslurm": lambda: _why_not_pyslurm(place, python, seconds),
        "slurm_cli": lambda: _why_not_clients(place, seconds),
    }
    if setting == "auto":
        return _best(checks)
    if setting not in KINDS:
        raise Permanent(f"[slurm] adapter is {setting!r}: set it to auto, {', '.join(KINDS)}.")
    problem = checks.get(setting, lambda: "")()
    if problem:
        raise Permanent(f"[slurm] adapter = '{setting}' cannot work here: {problem} Or set it to 'auto'.")
    return Detection(setting, f"[slurm] adapter = '{setting}' is set.")


def _best(checks: Mapping[str, Callable[[], str]]) -> Detection:
    against_clients = checks["slurm_cli"]()
    if against_clients:
        # pyslurm leans on the clients for accounting, so without them it is no choice either.
        return Detection("local", f"Jobs run on this machine, since Slurm is not at hand: {against_clients}")
    against_pyslurm = checks["pyslurm"]()
    if against_pyslurm:
        return Detection("slurm_cli", f"Slurm's clients are used; pyslurm was not taken: {against_pyslurm}")
    return Detection("pyslurm", "pyslurm is installed and matches this Slurm.")


def _why_not_clients(environment: Mapping[str, str], seconds: float) -> str:
    """Return what keeps Slurm's clients from working, or "". Needs no controller that answers right now."""
    named = environment.get("SLURM_CONF", "")
    # Looked for first: without the file every client retries for a minute.
    if named and not Path(named).is_file():
        return f"SLURM_CONF names {named}, which does not exist; set it to the path of slurm.conf."
    if not named and not any(Path(path).is_file() for path in _CONFS):
        return f"there is no slurm.conf; put it at {_CONFS[0]} or set SLURM_CONF to its path."
    try:
        for client in ("squeue", "sbatch", "sacct", "scontrol", "scancel"):
            run_command([client, "--version"], seconds=seconds, environment=reading_environment(environment))
    except SweepboardError as error:
        return f"{error} Put Slurm's clients on PATH."
    return ""


def _why_not_pyslurm(environment: Mapping[str, str], python: str, seconds: float) -> str:
    """Return what keeps pyslurm from working, or ""; it is imported in a child process only."""
    missing = _why_not_clients(environment, seconds)
    if missing:
        return missing
    request = {"call": "version"}
    try:
        reply = ask_child(request, python=python, environment=environment, seconds=seconds)
    except SweepboardError as error:
        return f"{error} Install the pyslurm of your Slurm's major.minor version."
    if "answer" in reply:
        return _why_not_this_pyslurm(str(reply["answer"]), environment, seconds)
    return f"{reply['sentence']} Install the pyslurm of your Slurm's major.minor version."


def _why_not_this_pyslurm(version: str, environment: Mapping[str, str], seconds: float) -> str:
    """Return why this pyslurm must not talk to this Slurm, or "": it speaks the protocol that it was built with."""
    said = run_command(["squeue", "--version"], seconds=seconds, environment=reading_environment(environment))
    ours, theirs = _release(version), _release(said)
    if ours is None or theirs is None or ours == theirs:
        return ""
    return (
        f"pyslurm {version} is made for another release than this Slurm ({said.strip()}). "
        "Install the pyslurm of your Slurm's major.minor version."
    )


def _release(text: str) -> tuple[int, int] | None:
    """Return (25, 11) of ``slurm 25.11.2``; None where no version is told."""
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None
