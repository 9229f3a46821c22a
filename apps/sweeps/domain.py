"""Reading values out of what W&B holds. Pure."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from apps.core.units import whole

EPOCH_KEYS = ("epoch", "train/epoch", "trainer/epoch", "current_epoch")
STEP_KEYS = ("global_step", "train/global_step", "trainer/global_step", "step")
TARGET_KEYS = (
    "epochs",
    "num_epochs",
    "max_epochs",
    "num_train_epochs",
    "n_epochs",
    "total_epochs",
    "training.epochs",
    "training.num_epochs",
    "train.epochs",
    "trainer.max_epochs",
    "trainer.epochs",
)


@dataclass(frozen=True, slots=True)
class Metric:
    """What a sweep optimises; ``goal`` is minimize or maximize."""

    name: str
    goal: str


def metric_of(sweep_config: Mapping[str, Any]) -> Metric:
    """Return the metric of a sweep's config; an empty name where it has none."""
    metric = sweep_config.get("metric")
    if not isinstance(metric, Mapping):
        return Metric("", "minimize")
    goal = "maximize" if metric.get("goal") == "maximize" else "minimize"
    return Metric(str(metric.get("name", "")), goal)


def finite(value: Any) -> float | None:
    """Return a number as a float; None for anything else, for booleans, and for NaN and the infinities."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole_or_text(value: int) -> int | str:
    """Return an integer as it is, or as text where no float holds it: databases compare numbers as floats."""
    if finite(value) is not None:
        return value
    try:
        return str(value)
    except ValueError:  # more digits than Python writes
        return hex(value)


def lookup(values: Mapping[str, Any], dotted: str) -> Any:
    """Return ``values["a.b"]``, else ``values["a"]["b"]``, else None."""
    if dotted in values:
        return values[dotted]
    if "." not in dotted:
        return None
    node: Any = values
    for part in dotted.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def first_number(values: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    for key in keys:
        number = finite(lookup(values, key))
        if number is not None:
            return number
    return None


def target_epochs(config: Mapping[str, Any], sweep_config: Mapping[str, Any] | None = None) -> float | None:
    """Return how many epochs a run is to train: its own config first, then the sweep's fixed value.

    Never assumed: None where nothing says so.
    """
    own = first_number(config, TARGET_KEYS)
    if own is not None:
        return own if own > 0 else None
    parameters = (sweep_config or {}).get("parameters")
    if not isinstance(parameters, Mapping):
        return None
    for key in TARGET_KEYS:
        spec = lookup(parameters, key)
        value = finite(spec.get("value")) if isinstance(spec, Mapping) else None
        if value is not None and value > 0:
            return value
    return None


def summary_epoch(summary: Mapping[str, Any]) -> float | None:
    return first_number(summary, EPOCH_KEYS)


def summary_step(summary: Mapping[str, Any]) -> int | None:
    """Return the training step that was logged as a value; W&B's own ``_step`` counts log calls and is no step."""
    return whole(first_number(summary, STEP_KEYS))


def parameters_hash(config: Mapping[str, Any], sweep_config: Mapping[str, Any]) -> str:
    """Return a hash of the values that the sweep chose for a run; empty where it chose none, or one is missing."""
    parameters = sweep_config.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        return ""
    chosen = {str(name): lookup(config, str(name)) for name in parameters}
    if any(value is None for value in chosen.values()):
        return ""
    return hashlib.sha256(json.dumps(chosen, sort_keys=True, default=str).encode()).hexdigest()[:16]


LOSS_KEYS = ("loss", "train/loss", "train_loss", "training_loss", "train.loss")


def loss_key(summary: Mapping[str, Any]) -> str:
    """Return under which key a run logs its training loss; empty where it logs none that we know."""
    return next((key for key in LOSS_KEYS if lookup(summary, key) is not None), "")


@dataclass(frozen=True, slots=True)
class Written:
    """What a sweep's YAML file says: its parsed content, and the comments at its head with its description."""

    config: Mapping[str, Any]
    purpose: str


MOST_ALIASES = 100  # more make a small text into a huge tree


def written_purpose(text: str) -> Written | None:
    """Read the text of a YAML file; None for one that is no sweep: it has no parameters, or is no YAML."""
    try:
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))
        config = yaml.safe_load(text) if aliases <= MOST_ALIASES else None
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    if not isinstance(config, Mapping) or not isinstance(config.get("parameters"), Mapping):
        return None
    description = str(config.get("description") or "").strip()
    return Written(config, "\n".join(filter(None, [_head_comments(text), description])))


def _head_comments(text: str) -> str:
    """Return the comments before the first line of content, without their marks."""
    lines: list[str] = []
    for line in text.lstrip("\ufeff").splitlines():
        if line.strip() and not line.lstrip().startswith("#") and line.strip() != "---":
            break
        if line.lstrip().startswith("#"):
            lines.append(line.strip().lstrip("#").strip())
    return "\n".join(lines).strip()


def describes(written: Written, name: str, config: Mapping[str, Any]) -> int:
    """Return how well a file fits a sweep: 3 by name and content, 2 by name, 1 by content, 0 not at all."""
    named = bool(name) and written.config.get("name") == name
    same = all(written.config.get(key) == config.get(key) for key in ("method", "parameters"))
    return 2 * named + same
