"""Python dicts, as the Hugging Face Trainer prints them."""

import ast
import math
import re

from apps.core.units import whole
from apps.joblogs.parsers.base import LineProgress, finite, number, parser, rate

MAX_DICT = 2000  # characters; a real one has about 200
MAX_BRACKETS = 20  # Python's own parser is asked only about text that it cannot choke on
_DICT = re.compile(r"\{[^{}]{0,2000}\}")
_EPOCH_KEY = re.compile(r"""["']epoch["']""")
_NOT_FINITE = re.compile(r"(?<![\w'\"-])(nan|-?inf)\b(?!['\"])", re.IGNORECASE)


@parser
def python_dict(line: str) -> LineProgress | None:
    """``{'loss': 0.4, 'epoch': 12.0, 'global_step': 5400}``; transformers 5 prints strings and no step.

    Where the lines of several ranks stand glued together, the last dict counts. The figures of an evaluation
    (``eval_loss``) tell the epoch and nothing else.
    """
    if "epoch" not in line or "{" not in line:
        return None
    texts = (found[0] for found in reversed(list(_DICT.finditer(line))) if _EPOCH_KEY.search(found[0]))
    return next((_reading(values) for text in texts if (values := _values(text)) is not None), None)


def _values(text: str) -> dict[object, object] | None:
    """Return the dict that ``text`` spells; None where it spells anything else."""
    if len(text) > MAX_DICT or sum(text.count(bracket) for bracket in "([") > MAX_BRACKETS:
        return None
    try:
        values = ast.literal_eval(_NOT_FINITE.sub(r"'\1'", text))
    except Exception:  # whatever is wrong with it (RecursionError and MemoryError too), it is no progress line
        return None
    return values if isinstance(values, dict) else None


def _reading(values: dict[object, object]) -> LineProgress:
    return LineProgress(
        epoch=finite(values.get("epoch")),
        step=_step(values.get("global_step", values.get("step"))),
        target_epochs=finite(values.get("num_epochs", values.get("epochs"))),
        loss=_loss(values),
        total_steps=_step(values.get("max_steps")),
        steps_per_second=rate(values.get("train_steps_per_second")),
        samples_per_second=rate(values.get("train_samples_per_second")),
    )


def _loss(values: dict[object, object]) -> float | None:
    """The Trainer prints a loss of 0 for one that is no number (``logging_nan_inf_filter``); the gradient tells."""
    loss, gradient = number(values.get("loss", values.get("train_loss"))), number(values.get("grad_norm"))
    return math.nan if loss == 0 and gradient is not None and not math.isfinite(gradient) else loss


def _step(value: object) -> int | None:
    found = whole(finite(value))
    return found if found is not None and found >= 0 else None
