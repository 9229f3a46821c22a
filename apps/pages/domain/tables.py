"""The view of a sweep's table of runs that an address carries: columns, order, filters, page. Pure."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from apps.flags.reading import leaves
from apps.sweeps.domain import lookup

CONFIG, SUMMARY = "config.", "summary."
BUILT_IN = {
    "state": "W&B",
    "slurm": "Slurm",
    "metric": "Metric",
    "epoch": "Epoch",
    "step": "Step",
    "runtime": "Runtime",
    "gpu_hours": "GPU hours",
    "verdict": "Next",
    "flags": "Red flags",
    "user": "User",
    "created": "Created",
    "heartbeat": "Heartbeat",
}
USUAL = ("state", "slurm", "metric", "epoch", "runtime", "gpu_hours", "verdict", "flags")
NOT_NUMBERS = frozenset({"state", "slurm", "verdict", "flags", "user", "created", "heartbeat"})
NEWEST = "-created"
MOST_COLUMNS = 60
MOST_RANGES = 20
MOST_WORDS = 60
LONGEST_KEY = 300
LONGEST_QUERY = 2000


Query = Mapping[str, Sequence[str]]  # every value of each name, as QueryDict.lists() tells them


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between ``low`` and ``high``, both included; an infinity where that side is open."""

    key: str
    low: float
    high: float

    @property
    def encoded(self) -> str:
        return f"{self.key}~{_side(self.low)}~{_side(self.high)}"

    @property
    def words(self) -> str:
        if math.isinf(self.low):
            return f"{title_of(self.key)} ≤ {self.high:g}"
        if math.isinf(self.high):
            return f"{title_of(self.key)} ≥ {self.low:g}"
        return f"{title_of(self.key)} {self.low:g} … {self.high:g}"


def _side(value: float) -> str:
    return "" if math.isinf(value) else repr(value)


@dataclass(frozen=True)
class TableView:
    """``columns`` is empty for the usual ones; ``sort`` names a column, with ``-`` before it for the other way.

    ``words`` are (key, text): a run has one of the texts of each key that is named there.
    """

    columns: tuple[str, ...] = ()
    sort: str = NEWEST
    state: str = ""
    verdict: str = ""
    q: str = ""
    ranges: tuple[Range, ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    page: int = 1

    @classmethod
    def from_query(cls, query: Query) -> "TableView":
        """Read a query; what makes no sense in it is left out rather than refused."""

        def one(name: str) -> str:
            return (list(query.get(name, ())) or [""])[-1].replace("\x00", "")

        chosen = [*query.get("c", ()), one("also")]
        columns = dict.fromkeys(key for key in map(_key, chosen) if is_column(key))
        sort, page = one("sort"), one("page")
        asked = [*query.get("range", ()), f"{_key(one('of'))}~{one('low')}~{one('high')}"]
        ranges = dict.fromkeys(found for text in asked if (found := _range(text)))
        words = dict.fromkeys(told for text in query.get("word", ()) if (told := _word(text)))
        return cls(
            columns=tuple(columns)[:MOST_COLUMNS],
            sort=sort if can_sort(sort.removeprefix("-")) else NEWEST,
            state=one("state")[:30],
            verdict=one("verdict")[:30],
            q=one("q").strip()[:200],
            ranges=tuple(ranges)[:MOST_RANGES],
            words=tuple(words)[:MOST_WORDS],
            page=int(page) if page.isdecimal() and len(page) < 7 and int(page) else 1,
        )

    def shown(self, parameters: Sequence[str]) -> tuple[str, ...]:
        """Return the columns on the screen: those chosen, else the usual ones with the sweep's first parameters."""
        return self.columns or (*USUAL[:3], *(f"{CONFIG}{name}" for name in parameters[:4]), *USUAL[3:])

    def tidied(self, parameters: Sequence[str]) -> "TableView":
        """Return the same view without its columns where they are the usual ones: a form sends every one."""
        usual = replace(self, columns=()).shown(parameters)
        return replace(self, columns=()) if set(usual) == set(self.columns) else self

    @property
    def filtered(self) -> bool:
        return bool(self.state or self.verdict or self.q or self.ranges or self.words)

    def query(self) -> str:
        """Return the query string of this view, without what is at its default."""
        pairs = [("c", one) for one in self.columns]
        pairs += [("sort", self.sort)] if self.sort != NEWEST else []
        pairs += [(name, getattr(self, name)) for name in ("state", "verdict", "q") if getattr(self, name)]
        pairs += [("range", one.encoded) for one in self.ranges]
        pairs += [("word", f"{key}~{text}") for key, text in self.words]
        pairs += [("page", str(self.page))] if self.page > 1 else []
        return urlencode(pairs)

    def sorted_by(self, column: str) -> "TableView":
        """Sort by ``column``, or the other way round where it is already."""
        return replace(self, sort=f"-{column}" if self.sort == column else column, page=1)

    def at_page(self, number: int) -> "TableView":
        return replace(self, page=number)

    def words_of(self) -> dict[str, list[str]]:
        """Return the texts that are asked for, by key."""
        found: dict[str, list[str]] = {}
        for key, text in self.words:
            found.setdefault(key, []).append(text)
        return found

    def without_words(self, key: str) -> "TableView":
        return replace(self, words=tuple(one for one in self.words if one[0] != key), page=1)

    def without(self, one: Range) -> "TableView":
        return replace(self, ranges=tuple(other for other in self.ranges if other != one), page=1)


def _key(text: Any) -> str:
    return str(text).replace("\x00", "").strip()[:LONGEST_KEY]


def is_column(key: str) -> bool:
    return key in BUILT_IN or (key.startswith((CONFIG, SUMMARY)) and not key.endswith("."))


def can_sort(key: str) -> bool:
    """Tell whether a column can be sorted by: databases cannot name every key of a JSON value."""
    return is_column(key) and key != "flags" and not set(key) & {'"', "\\"} and key.isprintable()


def _range(text: str) -> Range | None:
    parts = text.rsplit("~", 2)
    if len(parts) != 3 or not can_sort(parts[0]) or parts[0] in NOT_NUMBERS:
        return None
    key, low, high = parts[0], _number(parts[1], -math.inf), _number(parts[2], math.inf)
    if low is None or high is None or (math.isinf(low) and math.isinf(high)):
        return None
    return Range(key, min(low, high), max(low, high))


def _word(text: str) -> tuple[str, str] | None:
    key, _, word = text.replace("\x00", "").partition("~")
    wanted = key.startswith((CONFIG, SUMMARY)) and can_sort(key)
    return (key, word[:LONGEST_KEY]) if wanted and word else None


def word_of(value: Any) -> str:
    """Return the word by which a table is narrowed to a value: a text itself, of anything else its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def meant_by(word: str) -> Any:
    """Return the number, list or object whose word this is too; None where it is that of a text or a truth only."""
    try:
        value = json.loads(word)
        written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    # PostgreSQL's JSON holds no NUL: nothing that is stored is meant.
    return None if isinstance(value, str | bool) or b"\\u0000" in written else value


def _number(text: str, open_side: float) -> float | None:
    if not text.strip():
        return open_side
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def paths_of(key: str) -> list[list[str]]:
    """Return where a column's value may stand in its JSON: under the whole key, else nested, as ``lookup`` reads it."""
    dotted = key.partition(".")[2]
    return [[dotted], dotted.split(".")] if "." in dotted else [[dotted]]


def title_of(key: str) -> str:
    """Return a column's heading: the key itself, of config and summary without that word."""
    return BUILT_IN.get(key) or key.partition(".")[2]


def value_of(key: str, config: Mapping[str, Any], summary: Mapping[str, Any]) -> Any:
    """Return a run's value in a column of its config or summary; None where it has none."""
    return lookup(config if key.startswith(CONFIG) else summary, key.partition(".")[2])


def columns_in(rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> tuple[list[str], list[str]]:
    """Return the keys of all configs and of all summaries, each sorted, as names of columns."""
    config: set[str] = set()
    summary: set[str] = set()
    for one, other in rows:
        config.update(key for key, _ in leaves(one))
        summary.update(key for key, _ in leaves(other))
    ours = sorted(key for key in config if not key.startswith("_wandb"))
    return [f"{CONFIG}{key}" for key in ours], [f"{SUMMARY}{key}" for key in sorted(summary)]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a sweep's search: ``says`` is its values or range in words; ``log`` a scale of magnitudes."""

    name: str
    says: str
    log: bool = False
    fixed: bool = False


def parameter_space(config: Mapping[str, Any]) -> list[Parameter]:
    """Return the parameters of a sweep's config, nested ones by dotted names, those that vary first."""
    specs = config.get("parameters")
    found = list(_parameters(specs)) if isinstance(specs, Mapping) else []
    return sorted(found, key=lambda one: one.fixed)


def chosen_parameters(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the parameters that a sweep chooses anew for each run."""
    return [one.name for one in parameter_space(config) if not one.fixed]


def _parameters(specs: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[Parameter]:
    for key, spec in specs.items():
        name, inner = f"{prefix}{key}", spec.get("parameters") if isinstance(spec, Mapping) else None
        if isinstance(inner, Mapping) and depth < 6:
            yield from _parameters(inner, f"{name}.", depth + 1)
        elif isinstance(spec, Mapping):
            yield _parameter(name, spec)
        else:
            yield Parameter(name, str(spec), fixed=True)


def _parameter(name: str, spec: Mapping[str, Any]) -> Parameter:
    kind = str(spec.get("distribution") or "")
    if "value" in spec:
        return Parameter(name, f"always {spec['value']}", fixed=True)
    if isinstance(values := spec.get("values"), list):
        told = ", ".join(str(one) for one in values[:12]) + (f" … ({len(values)})" if len(values) > 12 else "")
        return Parameter(name, f"one of {told}")
    if "min" in spec or "max" in spec:
        words = f"{spec.get('min', '?')} … {spec.get('max', '?')}" + (f", {kind}" if kind else "")
        return Parameter(name, words, log="log" in kind)
    if "mu" in spec or "sigma" in spec:
        return Parameter(
            name, f"around {spec.get('mu', 0)} ± {spec.get('sigma', 1)}, {kind or 'normal'}", "log" in kind
        )
    return Parameter(name, ", ".join(f"{key} {value}" for key, value in spec.items()) or "nothing is said of it")
