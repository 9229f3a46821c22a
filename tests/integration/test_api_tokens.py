"""Tokens: made by people within their own role, by the command, shown once, revoked, used."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.api.domain.tokens import Scope, hash_of
from apps.api.models import Token
from apps.audit.models import AuditEvent
from apps.core.clock import utcnow
from apps.core.permissions import Role
from tests.factories.people import UserFactory
from tests.factories.tokens import Api, token
from tests.integration.conftest import client_of

FORM = {"name": "coder-1", "kind": "agent", "scopes": ["read", "plan"], "days": "30"}


def secret_in(page: str) -> str:
    return page.partition('<pre id="secret" tabindex="0">')[2].partition("<")[0]


def command(*words: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit):
        call_command("token", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_person_makes_a_token_which_is_shown_once(operator: Client, world: Any) -> None:
    secret = secret_in(operator.post("/tokens", FORM).content.decode())
    made = Token.objects.get()
    assert made.sha256 == hash_of(secret)
    assert made.scopes == ["read", "plan"]
    assert secret not in operator.get("/tokens").content.decode()
    assert Api(secret).get("/plans").status_code == 200
    event = AuditEvent.objects.get(type="token.made")
    assert event.detail["scopes"] == ["read", "plan"]
    assert secret not in json.dumps(event.detail)


def test_a_viewer_cannot_make_a_token_that_may_more_than_a_viewer(viewer: Client) -> None:
    assert 'value="resume"' not in viewer.get("/tokens").content.decode()
    refused = viewer.post("/tokens", {**FORM, "scopes": ["read", "resume"]})
    assert refused.status_code == 422
    assert Token.objects.count() == 0
    assert viewer.post("/tokens", {**FORM, "scopes": ["read"]}).status_code == 200


def test_a_form_that_is_filled_in_wrongly_makes_nothing_and_says_why(operator: Client) -> None:
    token("coder-1")
    for wrong in ({"name": "a b"}, {"days": "9999"}, {"scopes": []}, {"scopes": ["plan"]}, {"name": "coder-1"}):
        answer = operator.post("/tokens", {**FORM, **wrong})
        assert answer.status_code == 422, wrong
        assert "No token was made" in answer.content.decode()
    assert Token.objects.count() == 1


def test_a_person_sees_and_revokes_only_their_own_and_an_admin_everybodys(operator: Client) -> None:
    made, secret = token("theirs")
    assert "theirs" not in operator.get("/tokens").content.decode()
    assert operator.post(f"/tokens/{made.pk}/revoke").status_code == 404
    admin = client_of(Role.ADMIN)
    assert "theirs" in admin.get("/tokens").content.decode()
    assert admin.post(f"/tokens/{made.pk}/revoke").status_code == 302
    refused = Api(secret).get("/plans")
    assert refused.status_code == 401
    assert "was revoked" in refused.json()["detail"]
    assert AuditEvent.objects.filter(type="token.revoked").count() == 1


@pytest.mark.django_db
def test_a_wrong_an_expired_and_a_missing_token_open_nothing_and_say_why() -> None:
    _, old = token("old", days=1, now=utcnow() - timedelta(days=2))
    for secret, said in (
        (old, "expired"),
        ("swb_" + "x" * 43, "No token"),
        ("nonsense", "No token"),
        ("", "Send a token"),
    ):
        refused = Api(secret).get("/runs")
        assert refused.status_code == 401, secret
        assert refused["Content-Type"] == "application/problem+json"
        assert said in refused.json()["detail"]
        assert refused["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
def test_a_missing_scope_is_named() -> None:
    refused = Api(token(scopes=frozenset({Scope.READ}))[1]).post("/questions", {"title": "x"})
    assert refused.status_code == 403
    assert refused.json()["scope"] == "plan"


@pytest.mark.django_db
def test_a_token_loses_what_its_owner_loses() -> None:
    owner = UserFactory(role=Role.OPERATOR)
    client = Api(token(owner=owner)[1])
    owner.groups.clear()
    assert "only the role 'viewer'" in client.post("/questions", {"title": "x"}).json()["detail"]
    owner.is_active = False
    owner.save()
    assert client.get("/plans").status_code == 401


@pytest.mark.django_db
def test_a_session_opens_no_door_of_the_api(operator: Client) -> None:
    assert operator.get("/api/v1/plans").status_code == 401


@pytest.mark.django_db
def test_that_a_token_is_used_is_noted_once_a_minute(django_assert_num_queries: Any) -> None:
    made, secret = token()
    client = Api(secret)
    client.get("/plans")
    made.refresh_from_db()
    first = made.last_used_at
    assert first is not None
    client.get("/plans")
    made.refresh_from_db()
    assert made.last_used_at == first
    Token.objects.update(last_used_at=first - timedelta(minutes=2))
    client.get("/plans")
    made.refresh_from_db()
    assert made.last_used_at is not None
    assert made.last_used_at >= first


@pytest.mark.django_db
def test_the_command_makes_lists_and_revokes(world: Any) -> None:
    UserFactory(username="mia", role=Role.OPERATOR)
    secret, said = command("new", "coder-9", "--owner", "mia", "--scope", "read", "--scope", "plan")
    assert "Shown once" in said
    assert Api(secret.strip()).get("/plans").status_code == 200
    listed = json.loads(command("list", "--json")[0])
    assert (listed["name"], listed["owner"], listed["scopes"]) == ("coder-9", "mia", ["read", "plan"])
    assert secret.strip() not in json.dumps(listed)
    assert "is revoked" in command("revoke", "coder-9")[0]
    assert "was revoked" in command("revoke", "coder-9")[0]
    assert Api(secret.strip()).get("/plans").status_code == 401


@pytest.mark.django_db
def test_the_command_refuses_with_a_sentence(world: Any) -> None:
    UserFactory(username="vic")
    new = ["new", "x", "--owner", "vic", "--scope"]
    for words in (["new", "x", "--owner", "nobody"], [*new, "resume"], [*new, "approve"], ["revoke", "nothing"]):
        with pytest.raises(CommandError) as refused:
            call_command("token", *words)
        assert refused.value.returncode == 1
    assert Token.objects.count() == 0
