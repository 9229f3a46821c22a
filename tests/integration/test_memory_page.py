"""The page on which memory is estimated: everything is in its address."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_an_address_is_an_estimate_with_its_checklist(viewer: Client) -> None:
    text = viewer.get("/memory?parameters=7B&precision=bf16&done=estimated&done=headroom").content.decode()
    for said in ("93.9 GiB", "7\u202f000\u202f000\u202f000 parameters", "2 of 4", "✖ too little", "✓ fits"):
        assert said in text, said
    every = "&".join(f"done={name}" for name in ("estimated", "headroom", "one-batch", "logged"))
    assert "ready to launch" in viewer.get(f"/memory?{every}").content.decode()


@pytest.mark.parametrize("query", ["parameters=many", "parameters=nan", "parameters=-1", "parameters=1&trained=2",
                                   "parameters=1&optimizer=magic", "parameters=1&precision=%00"])  # fmt: skip
def test_what_makes_no_sense_is_said_and_nothing_is_estimated(viewer: Client, query: str) -> None:
    answer = viewer.get(f"/memory?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_a_stranger_estimates_nothing(client: Client) -> None:
    assert client.get("/memory").status_code == 302
    assert client.get("/memory?parameters=7B").status_code == 302
