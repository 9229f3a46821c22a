"""Epochs in plain words, as training loops print them."""

import re
from typing import Any

from apps.core.units import whole
from apps.joblogs.parsers.bars import BAR
from apps.joblogs.parsers.base import LineProgress, Place, finite, number, parser, progress_at

_GAP = r"\s{0,6}"
_EPOCH = re.compile(
    rf"(?<![A-Za-z_'\"-])epoch{_GAP}[:=]?{_GAP}\[?(?P<epoch>\d{{1,12}}(?:\.\d{{1,12}})?)(?![\d.]?\d)"
    rf"(?:{_GAP}(?:/|of){_GAP}(?P<target>\d{{1,12}}))?(?:\]?{_GAP}\[{_GAP}(?P<n>\d{{1,12}})/(?P<batches>\d{{1,12}})\])?",
    re.IGNORECASE,
)
_STEP = re.compile(
    rf"(?<![A-Za-z])(?:global_?)?step{_GAP}[:=]?{_GAP}\[?(?P<n>\d{{1,18}})(?!\d)(?:/(?P<batches>\d{{1,12}}))?",
    re.IGNORECASE,
)
_LOSS = re.compile(
    rf"(?<![\w/])(?<!val )(?<!validation )(?<!eval )(?<!test )(?:train(?:ing)?[_ ])?loss{_GAP}[:=]?{_GAP}"
    r"(-?(?:\d{1,12}(?:\.\d{1,18})?(?:e[+-]?\d{1,3})?|nan|inf))(?![a-z])",
    re.IGNORECASE,
)


@parser
def plain(line: str) -> LineProgress | None:
    """``epoch: 3``, ``Epoch 3/10 step 400 loss 0.31``, ``Epoch [3/10], Step [450/1000], Loss: 0.31``.

    The number is taken for the count of epochs trained. Where a part of an epoch is told (``[450/1000]``,
    ``Epoch: [3][450/5005]``) it is the number of the epoch under way. Of several ranks' lines glued together
    the last counts.
    """
    if "poch" not in line and "POCH" not in line:
        return None
    found = None
    for found in _EPOCH.finditer(line):  # noqa: B007 - the last one is wanted
        pass
    if found is None or BAR.search(line):
        return None
    rest = line[found.start() :]
    step, loss = _STEP.search(rest) or _STEP.search(line), _LOSS.search(rest) or _LOSS.search(line)
    said: dict[str, Any] = {"target_epochs": finite(found["target"]), "loss": number(loss[1]) if loss else None}
    if "." in found["epoch"]:
        return LineProgress(epoch=finite(found["epoch"]), step=whole(step["n"]) if step else None, **said)
    return _placed(found, step, said)


def _placed(found: re.Match[str], step: re.Match[str] | None, said: dict[str, Any]) -> LineProgress:
    """The epoch as the line numbers it, with the batch under way where one is told."""
    printed = int(found["epoch"])
    if found["batches"] and int(found["batches"]):
        first = 0 if said["target_epochs"] is None else 1
        return progress_at(Place(printed, first, n=int(found["n"]), batches=int(found["batches"])), **said)
    if step and step["batches"] and int(step["batches"]):
        return progress_at(Place(printed, n=int(step["n"]), batches=int(step["batches"])), **said)
    return progress_at(Place(printed), **said, step=whole(step["n"]) if step else None)
