"""Keys, how old a handover is, and what may go to the archive."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.handovers.domain.age import ArchiveFacts, Dated, dated, may_archive
from apps.handovers.domain.keys import key_in, key_of_name, keys_in, new_key

AT = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
OLD = AT - timedelta(days=30)


def none_taken(key: str) -> bool:
    return False


@given(st.text(), st.datetimes(timezones=st.just(UTC), allow_imaginary=False).filter(lambda at: at.year > 999))
def test_a_new_key_has_the_practices_shape_and_its_own_time(content: str, now: datetime) -> None:
    key = key_in(new_key(content, now, none_taken))
    assert key is not None
    assert key.is_exact
    assert key.at == now.replace(second=0, microsecond=0)


def test_a_key_that_is_taken_grows_longer_and_then_is_another() -> None:
    first = new_key("text", AT, none_taken)
    second = new_key("text", AT, lambda key: key == first)
    assert second.startswith(first)
    assert len(second) == len(first) + 1
    taken = {first, second}
    for _ in range(30):
        taken.add(new_key("text", AT, taken.__contains__))
    assert len(taken) == 32
    assert all(key_in(key).is_exact for key in taken)  # type: ignore[union-attr]


def test_another_time_or_another_content_is_another_key() -> None:
    keys = {new_key(text, AT + timedelta(seconds=late), none_taken) for text in "ab" for late in (0, 1)}
    assert len(keys) == 4


def test_a_time_of_another_zone_is_told_in_utc() -> None:
    elsewhere = datetime.fromisoformat("2026-11-03T23:30:00-05:00")
    assert new_key("text", elsewhere, none_taken).startswith("HO-20261104-0430-")


@pytest.mark.parametrize(
    ("text", "at", "exact"),
    [
        ("HO-20261103-1405-a1b2", datetime(2026, 11, 3, 14, 5, tzinfo=UTC), True),
        ("HO-20261103-EOD-a1b2c3", datetime(2026, 11, 3, 23, 59, tzinfo=UTC), True),
        ("HO-20261103-1405", datetime(2026, 11, 3, 14, 5, tzinfo=UTC), False),
        ("HO-20261103-abcdef", datetime(2026, 11, 3, tzinfo=UTC), False),
        ("HO-20261399-1405-a1b2", None, False),
    ],
)
def test_older_shapes_are_keys_too(text: str, at: datetime | None, exact: bool) -> None:
    key = key_in(f"see `{text}`.")
    assert key is not None
    assert (key.text, key.at) == (text, at)
    assert key.is_exact == exact or at is None


def test_what_only_looks_like_a_key_is_none() -> None:
    assert keys_in("XHO-20261103-1405-a1b2 HO-2026 HO-20261103x WHO-20261103-1405-a1b2") == []
    assert key_of_name("notes-HO-20261103-1405-a1b2.md") is None


def test_what_people_add_to_a_file_name_is_no_part_of_the_key() -> None:
    key = key_of_name("CLAUDE/HO-20261103-1405-a1b2c3-cosine.md")
    assert key is not None
    assert key.text == "HO-20261103-1405-a1b2c3"


def test_age_is_the_keys_then_the_headers_then_the_files() -> None:
    assert dated("HO-20261103-1405-a1b2", OLD, AT) == Dated(AT, "key")
    assert dated("HO-notes", OLD, AT) == Dated(OLD, "header")
    assert dated("HO-notes", None, AT) == Dated(AT, "file")
    assert dated("HO-notes", None, None) == Dated(None, "unknown")


def test_older_than_the_policy_is_archived_and_says_by_what() -> None:
    told = may_archive(ArchiveFacts(Dated(OLD, "key")), AT, 7)
    assert told.archive
    assert told.reason == "it is 30.0 days old by its key, more than 7"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (ArchiveFacts(Dated(AT - timedelta(days=7), "key")), "stays for 7"),
        (ArchiveFacts(Dated(OLD, "key"), named_by=("/w/CLAUDE.md",)), "current one in /w/CLAUDE.md"),
        (ArchiveFacts(Dated(OLD, "key"), held_by=("Mia goes on with it",)), "Mia goes on with it"),
        (ArchiveFacts(Dated(OLD, "key"), archived=True), "in the archive already"),
        (ArchiveFacts(Dated(None, "unknown")), "nothing tells how old it is"),
    ],
)
def test_what_is_young_named_held_or_of_no_age_stays(facts: ArchiveFacts, reason: str) -> None:
    told = may_archive(facts, AT, 7)
    assert not told.archive
    assert reason in told.reason
