"""What differs between configs: the disk's and W&B's of one run, and those of several runs. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.flags.reading import USUAL_DIFFERENCES, leaves

ABSENT = object()
LONGEST = 200  # characters of a value that are shown


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One key with the value of each config; ``mark`` is same, changed, usual (may differ), or only-here."""

    key: str
    values: tuple[str | None, ...]
    mark: str

    @property
    def differs(self) -> bool:
        return self.mark in ("changed", "partial")


def drift(disk: Mapping[str, Any], wandb: Mapping[str, Any], may_differ: Collection[str] = ()) -> list[ConfigRow]:
    """Return every key of W&B's config and of the disk's, those that drifted first.

    As the rule ``config-drift`` reads them: only keys that both have can drift, and the disk's may lie below a key.
    """
    told, usual = dict(leaves(wandb)), USUAL_DIFFERENCES | set(may_differ)
    rows, met = [], set()
    for key, value in leaves(disk):
        last = key.rpartition(".")[2]
        name = key if key in told else last
        other = told.get(name, ABSENT)
        if other is ABSENT:
            rows.append(ConfigRow(key, (shown(value), None), "only-disk"))
            continue
        met.add(name)
        excused = bool(usual & {key, key.partition(".")[0], last})
        mark = "same" if same(value, other) else "usual" if excused else "changed"
        rows.append(ConfigRow(key, (shown(value), shown(other)), mark))
    rows += [ConfigRow(key, (None, shown(value)), "only-wandb") for key, value in told.items() if key not in met]
    order = {"changed": 0, "usual": 1, "same": 2, "only-wandb": 3, "only-disk": 4}
    return sorted(rows, key=lambda row: (order[row.mark], row.key))


def compared(configs: Sequence[Mapping[str, Any]]) -> list[ConfigRow]:
    """Return every key of several configs with each one's value, those that differ first.

    ``mark`` is changed, partial (some lack the key), or same.
    """
    flat = [{key: value for key, value in leaves(config) if not key.startswith("_wandb")} for config in configs]
    keys = dict.fromkeys(key for one in flat for key in one)
    rows = [_compared(key, [one.get(key, ABSENT) for one in flat]) for key in keys]
    return sorted(rows, key=lambda row: (not row.differs, row.key))


def _compared(key: str, values: Sequence[Any]) -> ConfigRow:
    told = tuple(None if value is ABSENT else shown(value) for value in values)
    if any(value is ABSENT for value in values):
        return ConfigRow(key, told, "partial")
    alike = all(same(values[0], value) for value in values[1:])
    return ConfigRow(key, told, "same" if alike else "changed")


def same(one: Any, other: Any) -> bool:
    """Compare as YAML and JSON mean it: 1 is 1.0, and ``1e-4`` read as text is 0.0001; true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return type(one) is type(other) and one == other
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-9)
    except (TypeError, ValueError, OverflowError):
        return bool(one == other) or str(one) == str(other)


def shown(value: Any) -> str:
    """Return a value as it is written in a config, cut where it is long."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
