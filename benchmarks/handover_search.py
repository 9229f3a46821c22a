"""Finding handovers among a hundred thousand, against reading the same files with ripgrep."""

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20261124
SECTIONS = ("Spec Digest", "What Changed", "Commits", "Validation", "Pending", "Key Decisions", "Next Session")
_TOLD = """
checkpoint resume preempted sweep agent loss learning rate warm restarts cosine schedule batch accumulation
gradient precision node gpu memory queue training epoch step config seed dataset tokenizer eval accuracy
baseline metric log worker time out nccl slurm wandb handover plan question approval branch commit test passed
failed rerun keep drop
"""
TOLD = tuple(_TOLD.split())
SYLLABLES = ("ba", "ko", "ri", "tan", "mel", "os", "qui", "ver", "lu", "zen", "pa", "do", "fri", "gen", "hy", "ix")


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    documents = 2_000 if smoke else 100_000
    folder = Path(tempfile.mkdtemp(prefix="swb-handovers-"))
    try:
        yield from _measured(documents, folder, queries=40 if smoke else 300)
    finally:
        shutil.rmtree(folder)


def _measured(documents: int, folder: Path, queries: int) -> Iterator[tuple[str, str]]:
    vocabulary = _vocabulary()
    began = time.perf_counter()
    size = _fill(documents, folder, vocabulary)
    yield "documents, each in a file and in the registry", f"{documents}, {size / 1e6:.0f} MB"
    yield "reading them into the index", f"{_index():.0f} s of {time.perf_counter() - began:.0f} s with making them"
    asked = list(_queries(vocabulary, queries))
    _served(asked[:20])  # a worker that answers has answered before
    times = sorted(_timed(lambda one=one: _served([one])) for one in asked)
    yield "a page of results, median and 95th percentile", f"{_at(times, 0.5):.1f} ms, {_at(times, 0.95):.1f} ms"
    yield "the slowest", f"{times[-1] * 1000:.0f} ms of {len(times)} queries"
    words = [one["q"] for one in asked if one["q"].isalpha()][:12]
    if shutil.which("rg") is None:
        yield "ripgrep", "is not installed: apt-get install ripgrep"
        return
    ours = sorted(_timed(lambda word=word: _served([{"q": word}])) for word in words)
    theirs = sorted(_timed(lambda word=word: _ripgrep(word, folder)) for word in words)
    yield (
        "ripgrep over the files, as a multiple of our page, for the same single words",
        f"{_at(theirs, 0.5) / _at(ours, 0.5):.0f} ({_at(theirs, 0.5):.0f} ms against {_at(ours, 0.5):.1f} ms)",
    )


def _at(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _ripgrep(word: str, folder: Path) -> None:
    subprocess.run(
        ["rg", "--files-with-matches", "--ignore-case", word, str(folder)], stdout=subprocess.DEVNULL, check=False
    )


def _served(asked: list[dict[str, str]]) -> None:
    """Ask for the page as a browser does, through every layer of the server."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = _served.__dict__.setdefault("client", Client(SERVER_NAME="localhost"))
    if "sessionid" not in client.cookies:
        client.force_login(User.objects.create_user("bench"), "django.contrib.auth.backends.ModelBackend")
    for one in asked:
        answer = client.get("/handovers", one, headers={"hx-request": "true", "hx-target": "handovers"})
        assert answer.status_code == 200, answer.status_code


def _index() -> float:
    from apps.handovers.search.indexing import index_new

    return _timed(index_new)


def _vocabulary() -> list[str]:
    chance = random.Random(SEED)  # noqa: S311
    made = {"".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(40_000)}
    return [*TOLD, *sorted(made)]


def _queries(vocabulary: list[str], count: int) -> Iterator[dict[str, str]]:
    """What people ask: rare words and common ones, several, phrases, half a word, questions, some with a filter."""
    chance = random.Random(SEED + 1)  # noqa: S311
    for number in range(count):
        rare, common = chance.choice(vocabulary[300:8000]), chance.choice(TOLD)
        text = (
            rare, f"{common} {rare}", f'"{common} {chance.choice(TOLD)}"', rare[:4], f"{common} {chance.choice(TOLD)}",
            f"why did we {common} the {rare} {chance.choice(TOLD)}?", common, f"HO-2026{chance.randint(1000, 1231)}",
        )[number % 8]  # fmt: skip
        extra: dict[str, str] = {} if number % 3 else {"branch": f"topic/{chance.randint(0, 400)}"}
        yield {"q": text, **extra}


def _fill(documents: int, folder: Path, vocabulary: list[str]) -> int:
    from django.core.management import call_command

    from apps.workspaces.models import Workspace

    call_command("flush", interactive=False, verbosity=0)
    workspace = Workspace.objects.create(name="bench", root=str(folder), config={})
    chance, total = random.Random(SEED), 0  # noqa: S311
    weights = [1 / (place + 3) for place in range(len(vocabulary))]
    sums = [sum(weights[:1])]
    for weight in weights[1:]:
        sums.append(sums[-1] + weight)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    for first in range(0, documents, 1000):
        rows = []
        for number in range(first, min(documents, first + 1000)):
            date = start + timedelta(minutes=14 * number)
            name = f"HO-{date:%Y%m%d}-{date:%H%M}-{number:06x}"
            text = _document(name, date, number, chance, vocabulary, sums)
            (folder / f"{number // 1000:03}").mkdir(exist_ok=True)
            (folder / f"{number // 1000:03}" / f"{name}.md").write_text(text)
            total += len(text)
            rows.append((name, date, number, text))
        _register(workspace, folder, rows)
    return total


def _document(
    name: str, date: datetime, number: int, chance: random.Random, vocabulary: list[str], sums: list[float]
) -> str:
    """A document of 2 to 12 kB in the practice's shape; its words are as uneven as those of people."""
    focus = " ".join(chance.choices(vocabulary, cum_weights=sums, k=5))
    head = (
        f"# {name}\n\nDate: {date:%Y-%m-%d}\nAgent: agent-{number % 40}\nBranch: topic/{number % 400}\nFocus: {focus}\n"
    )
    parts = [head]
    for section in SECTIONS:
        words = chance.choices(vocabulary, cum_weights=sums, k=chance.randint(30, 240))
        lines = [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]
        parts.append(f"\n## {section}\n\n" + "\n".join(f"- {line}" for line in lines) + "\n")
    return "".join(parts)


def _register(workspace: object, folder: Path, rows: list[tuple[str, datetime, int, str]]) -> None:
    """Put into the registry what a pass over the files would."""
    import hashlib

    from apps.handovers.models import Content, Handover, Version

    contents = Content.objects.bulk_create(
        Content(sha256=hashlib.sha256(text.encode()).hexdigest(), text=text, size=len(text), first_seen_at=date)
        for _, date, _, text in rows
    )
    handovers = Handover.objects.bulk_create(
        Handover(
            workspace=workspace, name=name, key=name, path=str(folder / f"{name}.md"), date=date, date_source="key",
            branch=f"topic/{number % 400}", agent=f"agent-{number % 40}", focus=text.split("Focus: ")[1].split("\n")[0],
            sections=list(SECTIONS), pending_open=number % 3, content=content, handed_over=content,
            state="current" if number % 50 == 0 else "archived", first_seen_at=date, changed_at=date,
        )
        for (name, date, number, text), content in zip(rows, contents, strict=True)
    )  # fmt: skip
    Version.objects.bulk_create(
        Version(handover=handover, content=handover.content, event="appeared", at=handover.date, path=handover.path)
        for handover in handovers
    )
