"""The pure parts of the agents' door: tokens, cursors, webhooks, refusals, and the redaction of logs."""

import base64
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.domain.cursors import cursor_of, place_of
from apps.api.domain.problems import Kind, Problem, problem_of
from apps.api.domain.tokens import (
    Owner,
    Scope,
    TokenFacts,
    check_days,
    check_name,
    check_scopes,
    hash_of,
    looks_like_a_token,
    new_secret,
    scopes_from,
    why_dead,
    why_not,
)
from apps.api.domain.webhooks import check_url, next_try, secret_from, signature_of
from apps.core.errors import AlreadyDone, Permanent, Transient
from apps.core.redaction import hide_tokens
from tests.factories.moments import NOW

OPERATOR = Owner("operator", frozenset(Scope))
VIEWER = Owner("viewer", frozenset({Scope.READ}))


def facts(**changes: object) -> TokenFacts:
    told = {"scopes": frozenset(Scope), "owner": OPERATOR, "expires_at": NOW + timedelta(days=1), "revoked_at": None}
    return TokenFacts(**{**told, **changes})  # type: ignore[arg-type]


def test_a_secret_has_its_prefix_and_32_random_bytes_and_only_its_hash_is_kept() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    for secret in secrets:
        assert looks_like_a_token(secret)
        assert len(base64.urlsafe_b64decode(secret.removeprefix("swb_") + "=")) == 32
        assert len(hash_of(secret)) == 64
        assert secret[4:] not in hash_of(secret)


def test_a_living_token_opens_what_its_scopes_name_and_a_dead_one_nothing() -> None:
    assert why_dead(facts(), NOW) == ""
    assert "revoked" in why_dead(facts(revoked_at=NOW), NOW)
    assert "expired" in why_dead(facts(expires_at=NOW), NOW)
    assert "log in no more" in why_dead(facts(owner=Owner("", frozenset())), NOW)
    assert why_not(facts(), Scope.RESUME) == ""
    assert "'resume'" in why_not(facts(scopes=frozenset({Scope.READ})), Scope.RESUME)


def test_a_token_may_no_more_than_its_owner_may_at_that_moment() -> None:
    assert "viewer" in why_not(facts(owner=VIEWER), Scope.RESUME)
    assert why_not(facts(owner=VIEWER), Scope.READ) == ""
    with pytest.raises(Permanent, match="no more than its owner"):
        check_scopes(frozenset({Scope.READ, Scope.RESUME}), VIEWER)
    with pytest.raises(Permanent, match="needs the scope 'read'"):
        check_scopes(frozenset({Scope.PLAN}), OPERATOR)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a" * 61, "a\nb", "ä"])
def test_a_name_that_the_audit_trail_could_not_show_is_refused(name: str) -> None:
    with pytest.raises(Permanent):
        check_name(name)


def test_days_and_scopes_that_make_no_sense_are_refused_with_a_sentence() -> None:
    for days in (0, -1, 367):
        with pytest.raises(Permanent, match="366 days"):
            check_days(days)
    with pytest.raises(Permanent, match="'approve'"):
        scopes_from(["read", "approve"])


@given(st.integers(-(2**60), 2**60), st.text(alphabet=st.characters(exclude_characters="\x00"), max_size=40))
def test_a_cursor_gives_back_the_place_that_it_was_made_of(number: int, text: str) -> None:
    assert place_of(cursor_of("runs", (text, number)), "runs", str, int) == (text, number)


@given(st.text(max_size=80))
def test_what_is_no_cursor_of_this_list_is_refused_and_never_a_crash(text: str) -> None:
    kinds = []
    try:
        place_of(text, "runs", int)
    except Problem as problem:
        kinds = [problem.kind]
    assert kinds == ([Kind.INVALID] if text else [])


def test_a_cursor_of_another_list_is_refused() -> None:
    odd = base64.urlsafe_b64encode(json.dumps(["runs", 2**70]).encode()).decode()
    for cursor in (cursor_of("plans", (3,)), cursor_of("runs", ("3",)), odd, cursor_of("runs", (1, 2))):
        with pytest.raises(Problem, match="none of this list"):
            place_of(cursor, "runs", int)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org", "https://", "file:///etc/passwd", "https://u:p@example.org", "https://exa mple.org", "x",
     "http://[::1", "http://example.org:99999", "https://exämple.org/", "https://example.org/\n"],
)  # fmt: skip
def test_an_answer_goes_only_to_http_or_https(url: str) -> None:
    with pytest.raises(Permanent):
        check_url(url)


def test_a_delivery_is_signed_with_a_secret_of_its_own_and_tried_ever_more_rarely() -> None:
    check_url("https://example.org:8443/hook?x=1")
    one, other = secret_from("key", "a"), secret_from("key", "b")
    assert one != other
    assert signature_of(one, b"{}") != signature_of(other, b"{}")
    waits = [(next_try(attempts, NOW) - NOW).total_seconds() for attempts in (1, 2, 3, 40)]
    assert waits == [5, 10, 20, 3600]


def test_each_rooms_refusal_becomes_a_problem_with_its_sentence() -> None:
    assert problem_of(AlreadyDone("twice")).kind is Kind.STATE
    assert problem_of(Permanent("no")).kind is Kind.INVALID
    assert problem_of(Transient("away", retry_after=3)).retry_after == 3
    told = Problem(Kind.GATE, "shut", {"lines": []}).as_json()
    assert (told["status"], told["detail"], told["lines"]) == (409, "shut", [])
    assert len({kind.slug for kind in Kind}) == len(Kind)


def test_no_token_reaches_the_log() -> None:
    secret = new_secret()
    event = hide_tokens(
        None, "info", {"event": f"GET /x?t={secret}", "kwargs": {"a": [secret]}, "error": Exception(secret), "n": 3}
    )
    assert secret not in str(event)
    assert event["n"] == 3
