"""What a line of a job log says. Pure; each parser knows one kind of line and is registered once."""

import ast
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.core.units import whole

MAX_LINE = 4000  # a longer line is no progress line; it is cut before any pattern sees it


@dataclass(frozen=True, slots=True)
class LineProgress:
    """Progress in one line; None where the line does not say. ``epoch`` counts what has been trained."""

    epoch: float | None = None
    step: int | None = None
    target_epochs: float | None = None
    loss: float | None = None


Parser = Callable[[str], LineProgress | None]
PARSERS: list[Parser] = []


def parser(function: Parser) -> Parser:
    PARSERS.append(function)
    return function


def _number(value: Any) -> float | None:
    """A number, or a string that is one: transformers 5 prints its figures as strings."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _finite(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and math.isfinite(number) else None


_NOT_FINITE = re.compile(r"(?<![\w'-])(nan|-?inf)\b(?!')")


@parser
def python_dict(line: str) -> LineProgress | None:
    """``{'loss': 0.4, 'epoch': 12.0, 'global_step': 5400}``, as the Hugging Face Trainer prints it."""
    start, end = line.find("{"), line.rfind("}")
    if start < 0 or end < start or "'epoch'" not in line:
        return None
    try:
        values = ast.literal_eval(_NOT_FINITE.sub(r"'\1'", line[start : end + 1]))
    except Exception:
        return None
    if not isinstance(values, dict):
        return None
    return LineProgress(
        epoch=_finite(values.get("epoch")),
        step=whole(_finite(values.get("global_step", values.get("step")))),
        target_epochs=_finite(values.get("num_epochs", values.get("epochs"))),
        loss=_number(values.get("loss", values.get("train_loss"))),
    )


_PLAIN = re.compile(
    r"(?:^|[\s\[(,])epoch\s*[:=]?\s*(?P<epoch>\d+(?:\.\d+)?)(?:\s*(?:/|of)\s*(?P<target>\d+))?", re.IGNORECASE
)
_STEP = re.compile(r"\b(?:global_?)?step\s*[:=]?\s*(\d+)", re.IGNORECASE)
_LOSS = re.compile(r"\b(?:train_)?loss\s*[:=]?\s*(-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|nan|inf))", re.IGNORECASE)


@parser
def plain(line: str) -> LineProgress | None:
    """``epoch: 3``, ``Epoch 3/10 step 400 loss 0.31``."""
    found = _PLAIN.search(line)
    if not found:
        return None
    step, loss = _STEP.search(line), _LOSS.search(line)
    return LineProgress(
        epoch=_finite(found["epoch"]),
        step=whole(step[1]) if step else None,
        target_epochs=_finite(found["target"]),
        loss=_number(loss[1]) if loss else None,
    )


def progress_in(line: str) -> LineProgress | None:
    """Return what the first parser that knows the line reads in it.

    The client's own summary at the end of a run (``wandb:  epoch 3``) repeats what the training said.
    """
    if line.startswith("wandb:") or ("epoch" not in line and "Epoch" not in line and "EPOCH" not in line):
        return None
    return next((found for one in PARSERS if (found := one(line)) is not None), None)


_RUN = re.compile(
    r"^\s*(?:wandb: )?(?:Run:\s+|Agent Starting Run:\s+|Run data is saved locally in \S*/(?:offline-)?run-\d+_\d+-)"
    r"([a-zA-Z0-9_-]{3,64})\s*$"
)
_SWEEP = re.compile(r"^\s*(?:wandb: )?(?:Sweep ID|Creating sweep with ID):\s+([a-zA-Z0-9_-]{3,64})\b")


def run_in(line: str) -> str | None:
    """Return the run id of a line with which that run's part of the log begins.

    Such as ``Run: 8x2kq0``, or what the W&B client itself prints when a run starts.
    """
    found = _RUN.match(line.replace(" with config:", ""))
    return found[1] if found else None


def sweep_in(line: str) -> str | None:
    found = _SWEEP.match(line)
    return found[1] if found else None


# In the order in which one cause hides another; the class names are those of the crash classes.
_CAUSES: list[tuple[str, re.Pattern[str]]] = [
    ("preemption", re.compile(r"CANCELLED AT .* DUE TO PREEMPTION")),
    ("time-limit", re.compile(r"CANCELLED AT .* DUE TO TIME LIMIT")),
    ("node-failure", re.compile(r"CANCELLED AT .* DUE TO NODE FAILURE")),
    (
        "cuda-oom",
        re.compile(r"^\S*(?:torch\.)?(?:cuda\.)?OutOfMemoryError: |CUDA out of memory\. Tried to allocate"),
    ),
    (
        "host-oom",
        re.compile(
            r"oom_kill event|exceeded memory limit .* being killed|^(?:slurmstepd|srun): error: .*Out Of Memory"
        ),
    ),
    ("config-error", re.compile(r"Key '.*' is not in struct|MissingMandatoryValue|ConfigAttributeError")),
    ("missing-dependency", re.compile(r"^(?:ModuleNotFoundError|ImportError): ")),
    ("data-error", re.compile(r"^FileNotFoundError: |DataLoader worker \(pid\(?s?\)? .* (?:killed|exited)")),
    ("nccl-timeout", re.compile(r"Watchdog caught collective operation timeout")),
    # The client's own complaints at exit are not why training ended.
    ("python-error", re.compile(r"^(?!wandb\.)(?:[a-zA-Z_][\w.]*)?(?:Error|Exception): ")),
]


def cause_in(line: str) -> str | None:
    """Return the crash class that a line is evidence of.

    Only lines of the shapes in which these errors are raised count: the bare words occur in healthy
    logs, in help texts and in errors that were caught.
    """
    return next((slug for slug, pattern in _CAUSES if pattern.search(line)), None)
