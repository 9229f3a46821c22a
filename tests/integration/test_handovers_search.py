"""Finding handovers, the same on SQLite and on PostgreSQL: questions, phrases, keys, filters, versions, odd queries."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.handovers.models import Content, Handover, SearchEntry, Version
from apps.handovers.search.finding import Filters, search
from apps.handovers.search.indexing import WORDS_IN_PART, index_anew, index_new
from tests.factories.moments import NOW
from tests.factories.rows import WorkspaceFactory

pytestmark = pytest.mark.django_db
COSINE = "# HO\n## Key Decisions\n- We removed the cosine schedule: no gain over linear decay, and restarts cost 4 %.\n"
Write = Callable[..., Handover]


@pytest.fixture
def write() -> Write:
    workspace = WorkspaceFactory(name="glue")
    made = iter(range(10_000))

    def writing(text: str, **values: Any) -> Handover:
        number = next(made)
        date = values.pop("date", NOW + timedelta(minutes=number))
        name = values.pop("name", f"HO-{date:%Y%m%d}-{date:%H%M}-{number:06x}")
        handover = Handover.objects.create(
            **{"workspace": workspace, "name": name, "key": name, "path": f"/w/{name}.md", "date": date,
               "first_seen_at": NOW, "changed_at": NOW, **values}
        )  # fmt: skip
        return edit(handover, text)

    return writing


def edit(handover: Handover, text: str) -> Handover:
    content = Content.objects.create(
        sha256=f"{Content.objects.count():064}", text=text, size=len(text), first_seen_at=NOW
    )
    Version.objects.create(handover=handover, content=content, event="edited", at=NOW, path=handover.path)
    handover.content = content
    handover.save()
    index_new()
    return handover


def names(text: str, **options: Any) -> list[str]:
    filters = Filters(**options)
    return [hit.handover.name for hit in search(text, filters).hits]


def test_a_question_in_plain_words_finds_its_document_before_those_that_only_share_words(write: Write) -> None:
    for number in range(30):
        write(f"We dropped seed {number} and the schedule of the queue is full. Why? The node failed.")
    wanted = write(COSINE)
    write("cosine similarity of the embeddings")
    found = search("why did we drop the cosine schedule?")
    assert found.hits[0].handover == wanted
    assert [piece.text for piece in found.hits[0].passage.pieces if piece.marked] == ["cosine", "schedule"]


def test_half_a_word_finds_while_it_is_typed_and_only_then(write: Write) -> None:
    wanted = write(COSINE)
    assert [hit.handover for hit in search("cosine sche", typing=True).hits] == [wanted]
    assert search("sche").hits == []
    assert search("sche").unknown == ("sche",)


def test_a_phrase_is_found_as_it_stands(write: Write) -> None:
    wanted = write("We tried gradient checkpointing on stage 3.")
    write("The gradient exploded; checkpointing was off.")
    assert names('"gradient checkpointing"') == [wanted.name]
    assert len(names("gradient checkpointing")) == 2


def test_a_key_is_found_by_any_piece_of_it(write: Write) -> None:
    wanted = write("nothing else", name="HO-20261001-0915-4fa1c2")
    for piece in ("HO-20261001-0915-4fa1c2", "4fa1c2", "a1c2", "0915-4f", "20261001"):
        assert names(piece)[:1] == [wanted.name], piece


def test_filters_leave_out_before_anything_is_looked_for(write: Write) -> None:
    wanted = write(COSINE, branch="main", agent="claude", pending_open=2, state="superseded")
    write(COSINE + "x", branch="other", agent="codex", date=NOW - timedelta(days=40))
    assert len(names("cosine")) == 2
    for chosen in (
        {"branch": "main"}, {"agent": "claude"}, {"has_pending": True}, {"state": "superseded"},
        {"since": NOW - timedelta(days=1)}, {"branch": "main", "workspace": "glue"},
    ):  # fmt: skip
        assert names("cosine", **chosen) == [wanted.name], chosen
    assert names("cosine", workspace="elsewhere") == []
    assert names("", branch="main") == [wanted.name]
    assert names("cosine", until=datetime(2000, 1, 1, tzinfo=UTC)) == []


def test_an_older_version_is_found_and_said_to_be_one(write: Write) -> None:
    handover = write(COSINE)
    edit(handover, "# HO\nThe decision is gone from here.")
    (hit,) = search("cosine").hits
    assert (hit.handover, hit.older) == (handover, True)
    (hit,) = search("decision").hits
    assert not hit.older


def test_without_a_word_the_newest_come_first_and_what_is_gone_is_left_out(write: Write) -> None:
    first, second = write("a"), write("b")
    gone = write("cosine", state="gone")
    assert names("") == [second.name, first.name]
    assert names("cosine") == [gone.name]
    assert [hit.handover.pk for hit in search("", Filters(state="gone")).hits] == [gone.pk]


def test_where_every_word_is_common_the_newest_are_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.handovers.search.finding.COMMON", 5)
    made = [write(f"training loss {number}", branch=f"b{number % 10}") for number in range(30)]
    titled = write("The training loss.", focus="training loss of the night")
    found = search("training loss", limit=5)
    assert found.at_least
    assert {hit.handover for hit in found.hits} <= {titled, *made[-10:]}
    assert found.hits[0].handover == titled
    assert names("training loss", branch="b3") == [made[23].name, made[13].name, made[3].name]


def test_a_common_word_beside_a_rare_one_still_counts(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.handovers.search.finding.COMMON", 5)
    for number in range(10):
        write(f"training {number}")
    alone, both = write("warmup"), write("warmup of the training")
    write("y" * 10)
    assert names("warmup training") == [both.name, alone.name]


def test_a_long_document_is_found_by_its_last_word_too(write: Write) -> None:
    wanted = write("filler " * (WORDS_IN_PART * 2) + 'the "very end" of it')
    assert SearchEntry.objects.filter(handover=wanted).count() == 3
    assert names('"very end"') == [wanted.name]
    assert search("filler").total == 1


@pytest.mark.parametrize(
    "query",
    ['"', "'", '" OR 1', "title : x", "a AND", "NEAR(a b)", "*", "cosine*", "-cosine", "^cosine", "cosine:*", "a & !b",
     "'x':*",
     "\x00", "cosine\x00", "(" * 50, "%s", "\\", "🙂", "א" * 5000, "and the of", "{a} : b", "a <-> b", "x" * 9000],
)  # fmt: skip
def test_no_query_breaks_anything(write: Write, query: str) -> None:
    written = write(COSINE)
    for typing in (True, False):
        assert {hit.handover for hit in search(query, typing=typing).hits} <= {written}


def test_the_index_can_be_built_anew_from_what_the_registry_keeps(write: Write) -> None:
    wanted = write(COSINE)
    assert index_new() == 0
    assert index_anew() == 1
    assert names("cosine") == [wanted.name]


def test_a_deleted_handover_is_found_no_more(write: Write) -> None:
    write(COSINE).delete()
    assert names("cosine") == []


def test_a_search_costs_few_queries_however_many_are_found(write: Write, django_assert_max_num_queries: Any) -> None:
    for number in range(25):
        write(COSINE + str(number))
    with django_assert_max_num_queries(6):
        assert len(search("cosine schedule").hits) == 20


def pages(text: str, **options: Any) -> list[list[str]]:
    """Every page from the first to the one that says that nothing follows."""
    found: list[list[str]] = []
    while len(found) < 20:
        told = search(text, Filters(**options), offset=20 * len(found))
        found.append([hit.handover.name for hit in told.hits])
        if not told.more:
            break
    return found


@pytest.mark.parametrize(
    ("text", "options"), [("", {}), ("", {"branch": "b"}), ("cosine", {}), ("cosine", {"branch": "b"})]
)
def test_the_pages_together_show_each_handover_once(write: Write, text: str, options: dict[str, str]) -> None:
    for number in range(110):
        row = write(f"cosine {'schedule ' * (number % 5)}{number}", branch="b" if number < 90 else "c")
        if number % 10 == 0:
            edit(row, f"cosine again {number}")
    told = pages(text, **options)
    number = 90 if options else 110
    assert [len(one) for one in told] == [20] * (number // 20) + [10]
    assert len({name for one in told for name in one}) == number


def test_pages_go_on_where_every_word_is_common_and_where_a_piece_of_a_key_is_asked_for(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(55):
        write(f"cosine {number}", branch="b" if number % 2 else "c")
    for asked in ("HO-2026", "ho-202611"):
        told = pages(asked)
        assert ([len(one) for one in told], len({name for one in told for name in one})) == ([20, 20, 15], 55)
    monkeypatch.setattr("apps.handovers.search.finding.COMMON", 10)
    monkeypatch.setattr("apps.handovers.search.finding.STEPS", (10, 30, 100))
    assert [len(one) for one in pages("cosine")] == [20, 20, 15]
    assert [len(one) for one in pages("cosine", branch="b")] == [20, 7]


def test_a_later_page_costs_as_few_queries_as_the_first(write: Write, django_assert_num_queries: Any) -> None:
    for number in range(70):
        write(COSINE + str(number), branch="b")
    for text, filters in (("cosine schedule", Filters()), ("cosine", Filters(branch="b")), ("", Filters(branch="b"))):
        with CaptureQueriesContext(connection) as first:
            assert len(search(text, filters).hits) == 20
        for offset in (20, 40):
            with django_assert_num_queries(len(first)):
                assert len(search(text, filters, offset=offset).hits) == 20


@pytest.mark.parametrize("rare", [True, False], ids=["few-have-the-word", "all-have-it"])
def test_every_hit_is_reached_page_by_page_and_none_comes_twice(
    write: Write, rare: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.handovers.search.finding.LOOKED_AT", 4)
    if not rare:
        monkeypatch.setattr("apps.handovers.search.finding.COMMON", 5)
    wanted = {write(f"# HO\n## Notes\n- {'word ' * number}cosine of {number}\n").pk for number in range(15)}
    first = write("# HO\n- linear\n")
    edit(Handover.objects.get(pk=min(wanted)), "# HO\n- cosine anew\n")
    found: list[int] = []
    for page in range(10):
        told = search("cosine", offset=page * 3, limit=3)
        found += [hit.handover.pk for hit in told.hits]
        assert told.hits
        if not told.more:
            break
    assert sorted(found) == sorted(wanted)
    assert first.pk not in found
    assert search("cosine", offset=10**6, limit=3).hits == []


def test_pieces_of_keys_come_page_by_page_as_well(write: Write) -> None:
    made = [write("x").pk for _ in range(5)]
    pages = [search("HO-2026", offset=offset, limit=2) for offset in (0, 2, 4)]
    assert [hit.handover.pk for page in pages for hit in page.hits] == made[::-1]
    assert [page.more for page in pages] == [True, True, False]
