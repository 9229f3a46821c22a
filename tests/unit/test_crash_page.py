"""The page of crash classes is as the code is."""

from pathlib import Path

import pytest

from apps.joblogs.crash_page import example_of, page
from apps.joblogs.endings import RESUMABLE
from apps.joblogs.parsers import sign_in

PAGE = Path(__file__).parents[2] / "docs" / "crash-classes.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "write it anew: manage.py classify_logs --classes > docs/crash-classes.md"


@pytest.mark.parametrize("slug", sorted(set(RESUMABLE) - {"unknown", "none"}))
def test_the_example_of_a_class_shows_it(slug: str) -> None:
    assert sign_in(example_of(slug)) == slug
