"""What a job's comment says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.slurm.domain import comment_for_run, run_named_in


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
