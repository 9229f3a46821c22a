"""What a job's comment says, and what its times amount to."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.slurm.domain import comment_for_run, elapsed_seconds, gpu_hours, nodes_in, run_named_in
from tests.factories.moments import NOW, before


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_the_comment_that_we_write_is_read_back(run_id: str) -> None:
    assert run_named_in(comment_for_run(run_id)) == run_id


@pytest.mark.parametrize(
    ("comment", "run"),
    [
        ("for mia; sweepboard:run=8x2kq0; urgent", "8x2kq0"),
        ("sweepboard:run=", ""),
        ("run=8x2kq0", ""),
        ("", ""),
    ],
)
def test_other_words_in_the_comment_do_not_matter(comment: str, run: str) -> None:
    assert run_named_in(comment) == run


@pytest.mark.parametrize(
    ("start", "end", "told", "seconds"),
    [
        (before(minutes=10), None, 0, 600),
        (before(minutes=10), before(minutes=4), 0, 360),
        (before(minutes=10), before(minutes=4), 300, 300),  # it was suspended for a minute
        (None, None, 0, 0),
        (before(minutes=-5), None, 0, 0),  # its clock runs ahead of ours
    ],
)
def test_an_attempt_has_run_until_its_end_or_until_now(
    start: datetime | None, end: datetime | None, told: int, seconds: int
) -> None:
    assert elapsed_seconds(start, end, told, NOW) == seconds


def test_gpu_hours_are_cut_to_the_span_and_to_now() -> None:
    assert gpu_hours(4, before(hours=3), before(hours=1), None, NOW) == 8
    assert gpu_hours(4, before(hours=3), None, before(hours=2), NOW) == 8
    assert gpu_hours(4, before(hours=3), before(hours=-1), None, NOW) == 12
    assert gpu_hours(0, before(hours=3), None, None, NOW) == gpu_hours(4, None, None, None, NOW) == 0
    assert gpu_hours(4, before(hours=3), before(hours=2), before(hours=1), NOW) == 0


@pytest.mark.parametrize(
    ("nodes", "hosts"),
    [
        ("g03", {"g03"}),
        ("g[03-05,07],h1", {"g03", "g04", "g05", "g07", "h1"}),
        ("g[09-10]", {"g09", "g10"}),
        ("", set()),
        ("g[1-99999999]", {"g1-99999999"}),
        ("g[x-y],h[", {"gx-y", "h"}),
    ],
)
def test_the_hosts_of_a_list_of_nodes(nodes: str, hosts: set[str]) -> None:
    assert nodes_in(nodes) == hosts


@given(st.text(alphabet="g0123456789[],-x", max_size=60))
def test_no_list_of_nodes_is_too_odd(nodes: str) -> None:
    assert len(nodes_in(nodes)) <= 10_000 * 60
