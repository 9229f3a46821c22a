"""Bars of one epoch, as Lightning draws them, and what Lightning says in words."""

import re
from typing import Any

from apps.core.units import whole
from apps.joblogs.parsers.bars import LOSS, Bar, bars_in
from apps.joblogs.parsers.base import LineProgress, Place, finite, number, parser, progress_at, rate

_LABEL = re.compile(
    r"(?<![A-Za-z])epoch:?[ ]{0,4}\[?(?P<number>\d{1,9})(?:[ ]?/[ ]?(?P<target>\d{1,9}))?\]?:?$", re.IGNORECASE
)
_NO_TRAINING = re.compile(r"val|eval|test|predict|sanity", re.IGNORECASE)
# `Epoch 5/5 ━━━━━━ 64/64 0:00:00 • 0:00:00 123.45it/s v_num: 0`
_RICH = re.compile(
    r"Epoch (?P<number>\d{1,9})/(?P<last>\d{1,9})[ ]{1,4}[━╸╺ ]{1,200}[ ](?P<n>\d{1,12})/(?P<total>\d{1,12})[ ]"
    r"[\d:\-]{1,12} • [\d:\-]{1,12}[ ]{0,4}(?:(?P<rate>\d{1,9}(?:\.\d{1,4})?)it/s)?(?P<said>.{0,400})"
)
_ENDED = re.compile(r"`Trainer\.fit` stopped: `max_(?P<what>epochs|steps)=(?P<number>\d{1,15})` reached")
_SAVED = re.compile(r"(?<![A-Za-z])Epoch (?P<number>\d{1,9}), global step (?P<step>\d{1,15}): ")


@parser
def lightning_words(line: str) -> LineProgress | None:
    """What Lightning says when it stops, and when it saves: ``Epoch 3, global step 4000: 'val_loss' reached …``."""
    if ended := _ENDED.search(line):
        number_ = int(ended["number"])
        if ended["what"] == "epochs":
            return LineProgress(epoch=float(number_), target_epochs=float(number_))
        return LineProgress(step=whole(number_), total_steps=whole(number_))
    if saved := _SAVED.search(line):
        return LineProgress(epoch=int(saved["number"]) + 1.0, step=whole(int(saved["step"])))
    return None


@parser
def lightning_bar(line: str) -> LineProgress | None:
    """``Epoch 3:  45%|####    | 450/1000 [00:12<00:15, 36.2it/s, v_num=0]``: three epochs and 0.45 of the fourth.

    Lightning counts from 0 and says ``v_num`` when it has a logger. A label with a target (``Epoch 3/10:``) is
    other people's and counts from 1. ``step`` counts the batches of all epochs.
    """
    if "poch" not in line and "POCH" not in line:
        return None
    for bar in reversed(bars_in(line)):
        found = _LABEL.search(bar.label)
        if found and not _NO_TRAINING.search(bar.label):
            return _reading(bar, int(found["number"]), finite(found["target"]))
    return None


def _reading(bar: Bar, printed: int, target: float | None) -> LineProgress | None:
    first, batches = (1 if target is not None else 0), whole(bar.total) or 0
    rest: dict[str, Any] = {"target_epochs": target, "loss": bar.loss, "steps_per_second": bar.per_second}
    if not batches:
        return LineProgress(**rest)
    place = Place(printed, first, sure="v_num=" in bar.said, n=int(bar.n), batches=batches)
    return progress_at(place, **rest)


@parser
def lightning_rich(line: str) -> LineProgress | None:
    """``Epoch 5/5 ━━━━━ 64/64 …`` is the sixth of six; off a terminal only the last line is left."""
    found = _RICH.search(line) if "━" in line else None
    if found is None:
        return None
    loss = LOSS.search(found["said"])
    return progress_at(
        Place(int(found["number"]), first=0, sure=True, n=int(found["n"]), batches=int(found["total"]) or 1),
        target_epochs=int(found["last"]) + 1.0,
        loss=number(loss[1]) if loss else None,
        steps_per_second=rate(found["rate"]),
    )
