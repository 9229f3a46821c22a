"""The header marks the screen that one is on."""

import pytest

from apps.core.templatetags.places import is_at


@pytest.mark.parametrize(
    ("path", "url", "here"),
    [
        ("/", "/", True),
        ("/flags", "/", False),
        ("/flags", "/flags", True),
        ("/flags/12", "/flags", True),
        ("/flagship", "/flags", False),
        ("/handovers/new", "/handovers", True),
    ],
)
def test_a_place_is_its_page_and_those_below(path: str, url: str, here: bool) -> None:
    assert is_at(path, url) is here
