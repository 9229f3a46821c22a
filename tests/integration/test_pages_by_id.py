"""Pages of runs and sweeps by W&B's own id: one leads on, several are listed, none is not found."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.factories.rows import RunFactory, SweepFactory

pytestmark = pytest.mark.django_db


def run(run_id: str, **values: Any) -> Any:
    return RunFactory(run_id=run_id, **values)


def sweep(sweep_id: str, **values: Any) -> Any:
    return SweepFactory(sweep_id=sweep_id, **values)


KINDS = [("/runs", run), ("/sweeps", sweep)]
Make = Callable[..., Any]


@pytest.mark.parametrize(("place", "make"), KINDS)
def test_an_id_that_one_project_has_leads_to_the_page(viewer: Client, place: str, make: Make) -> None:
    one = make("ab12cd34")
    assert viewer.get(f"{place}/ab12cd34")["Location"] == f"{place}/{one.pk}"
    assert viewer.get(f"{place}/ab12cd34?sort=-metric&q=a%20b")["Location"] == f"{place}/{one.pk}?sort=-metric&q=a%20b"
    assert viewer.get(f"{place}/ab12cd34", follow=True).status_code == 200


@pytest.mark.parametrize(("place", "make"), KINDS)
def test_an_id_that_several_projects_have_lists_them(viewer: Client, place: str, make: Make) -> None:
    first, second = make("ab12", entity="lab", project="vision"), make("ab12", entity="lab", project="speech")
    told = viewer.get(f"{place}/ab12")
    text = told.content.decode()
    assert told.status_code == 300
    assert text.index(f'href="{place}/{second.pk}">lab/speech') < text.index(f'href="{place}/{first.pk}">lab/vision')
    assert "2 " in text


@pytest.mark.parametrize(("place", "make"), KINDS)
@pytest.mark.parametrize("wrong", ["nobody", "AB12CD34", "%00", "x" * 3000, "999999", "9" * 40, "a%20b", "<b>"])
def test_an_unknown_id_is_not_found(viewer: Client, place: str, make: Make, wrong: str) -> None:
    make("ab12cd34")
    told = viewer.get(f"{place}/{wrong}")
    assert told.status_code == 404
    assert "There is nothing here." in told.content.decode()


@pytest.mark.parametrize(("place", "make"), KINDS)
def test_digits_alone_are_a_number_first_and_an_id_only_where_there_is_none(
    viewer: Client, place: str, make: Make
) -> None:
    one = make("ab12cd34")
    other = make(str(one.pk))
    assert viewer.get(f"{place}/{one.pk}").status_code == 200
    third = make("00777001")
    assert viewer.get(f"{place}/00777001")["Location"] == f"{place}/{third.pk}"
    assert viewer.get(f"{place}/777001").status_code == 404
    assert other.pk != one.pk


@pytest.mark.parametrize("place", ["/runs/ab12", "/sweeps/ab12"])
def test_who_is_not_logged_in_is_told_nothing_of_an_id(client: Client, place: str) -> None:
    run("ab12"), sweep("ab12")
    assert client.get(place)["Location"] == f"/login/?next={place}"
    assert client.post(place).status_code in (302, 403, 405)
