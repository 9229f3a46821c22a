"""Progress bars of tqdm."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.core.units import whole
from apps.joblogs.parsers.base import LineProgress, finite, number, parser, rate

_COUNT = r"\d{1,15}(?:\.\d{1,6})?[kMGT]?"
# `450/1000 [00:12<00:15, 36.2it/s, loss=0.31]`, `450it [00:12, 36.2it/s]`; every part is bounded, so that no line
# can make the search slow.
BAR = re.compile(
    rf"(?<![\d.])(?P<n>{_COUNT})(?:/(?P<total>{_COUNT}|\?)|[ ]?(?P<unit>[A-Za-z]{{1,12}}))[ ]"
    r"\[[\d:, days]{1,24}(?:<[\d:?, days]{1,24})?"
    r"(?:,[ ]{1,3}(?P<rate>\d{1,12}(?:\.\d{1,6})?|\?)(?P<si>[kMG])?[ ]?(?P<per>[A-Za-z]{1,12}/s|s/[A-Za-z]{1,12}))?"
    r"(?:,[ ](?P<said>[^\[\]]{0,400}))?\]"
)
_SI = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_STEPS = frozenset({"it", "step", "steps", "batch", "batches", "iter", "iters"})
_SAMPLES = frozenset({"sample", "samples", "example", "examples", "ex", "img", "imgs", "images", "seq", "seqs"})
# What stands before a bar: one of these makes it the training's, unless one of those says otherwise.
_TRAINS = re.compile(r"train|epoch|step|iter|fit|optimi|finetun", re.IGNORECASE)
_OTHER = re.compile(
    r"val|eval|test|predict|sanity|download|fetch|map|filter|token|load|generat|dataset|split|pack|shard|"
    r"convert|sav|infer|sampl|warm|resum|skip|extract|preproc|cach",
    re.IGNORECASE,
)
_EPOCHS = re.compile(r"^(?:training )?epochs?$", re.IGNORECASE)
LOSS = re.compile(
    r"(?<![\w/])(?:train[_/]?)?loss(?:_step|_epoch)?[=:]\s{0,3}(-?\d{1,12}(?:\.\d{1,12})?(?:e[+-]?\d{1,3})?|-?nan|-?inf)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One frame of a bar: ``label`` before it, ``n`` of ``total`` in ``unit``, ``said`` after its rate."""

    label: str
    n: float
    total: float | None
    unit: str
    per_second: float | None
    said: str

    @property
    def trains(self) -> bool:
        return not self.label or bool(_TRAINS.search(self.label) and not _OTHER.search(self.label))

    @property
    def loss(self) -> float | None:
        found = LOSS.search(self.said)
        return number(found[1]) if found else None


def bars_in(line: str) -> list[Bar]:
    """Return the bars in a line, in order; those of several ranks may stand glued together."""
    return list(_bars_in(line)) if " [" in line and "/" in line else []


def _bars_in(line: str) -> Iterator[Bar]:
    end = 0
    for found in BAR.finditer(line):
        unit, inverse = _unit_of(found["per"] or "it/s")
        yield Bar(
            label=_label(line[end : found.start()]),
            n=_count(found["n"]) or 0.0,
            total=_count(found["total"]),
            unit=unit,
            per_second=_per_second(found["rate"], found["si"], inverse),
            said=found["said"] or "",
        )
        end = found.end()


def _label(before: str) -> str:
    """``Training:  45%|####    | `` says Training. What is left of an earlier line says nothing."""
    head = before.rpartition("%|")[0] if "%|" in before else before
    return head.rstrip("0123456789. ").strip(" :|\t")[-60:]


def _unit_of(per: str) -> tuple[str, bool]:
    """``it/s`` is (it, False), ``s/it`` is (it, True)."""
    head, _, tail = per.partition("/")
    return (tail, True) if head == "s" and tail != "s" else (head, False)


def _count(text: str | None) -> float | None:
    if not text or text == "?":
        return None
    return finite(text.rstrip("kMGT")) and float(text.rstrip("kMGT")) * _SI.get(text[-1], 1.0)


def _per_second(text: str | None, si: str | None, inverse: bool) -> float | None:
    found = rate(text)
    if found is None:
        return None
    return 1 / found if inverse else found * _SI.get(si or "", 1.0)


@parser
def tqdm(line: str) -> LineProgress | None:
    """A bar without an epoch's number before it: ``Training:  45%|####    | 450/1000 [00:12<00:15, 36.2it/s]``.

    Source of the form: tqdm's ``bar_format``. Downloads, ``Map:``, validation and every other bar whose label
    does not speak of training say nothing; a bar without a label is taken for the training's.
    """
    return next((_reading(bar) for bar in reversed(bars_in(line)) if _counts(bar)), None)


def _counts(bar: Bar) -> bool:
    return bar.trains and bar.unit in _STEPS | _SAMPLES and not re.search(r"\d", bar.label)


def _reading(bar: Bar) -> LineProgress:
    if _EPOCHS.match(bar.label):
        return LineProgress(epoch=bar.n, target_epochs=bar.total, loss=bar.loss)
    if bar.unit in _SAMPLES:
        return LineProgress(samples_per_second=bar.per_second, loss=bar.loss)
    return LineProgress(
        step=whole(bar.n), total_steps=whole(bar.total), loss=bar.loss, steps_per_second=bar.per_second, bar=True
    )
