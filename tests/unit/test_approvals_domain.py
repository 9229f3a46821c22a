"""Plans, states, reports and answers as pure values."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.approvals.actors import Agent, AtShell, Person, check_person
from apps.approvals.domain.comments import sounds_like_approval
from apps.approvals.domain.errors import NotAPerson, Refused
from apps.approvals.domain.gates import tells_of
from apps.approvals.domain.plans import Draft, Kind, Step, check_draft
from apps.approvals.domain.questions import Option, check_choice, check_question
from apps.approvals.domain.reports import Result, check_final, check_step, missing_commands
from apps.approvals.domain.states import (
    OPEN,
    PLANNING,
    PlanState,
    Standing,
    check_can_approve,
    check_can_report,
    check_can_revise,
)
from apps.approvals.domain.text import MOST_OUTPUT, bounded, difference, sha_of, text_of
from apps.approvals.services.deciding import approve_plan, reject_plan, request_change
from apps.approvals.services.questions import answer_question
from apps.core.errors import AlreadyDone
from apps.core.permissions import Permission
from tests.factories.approvals import draft, question_draft
from tests.factories.moments import NOW

LATER = NOW + timedelta(hours=72)
lines = st.text(st.characters(blacklist_categories=("C", "Zl", "Zp")), min_size=1, max_size=30).filter(str.strip)
texts = st.lists(lines, min_size=1, max_size=3).map("\n".join)
drafts = st.builds(
    Draft,
    title=lines,
    kind=st.sampled_from(Kind),
    steps=st.lists(st.builds(Step, texts, lines), min_size=1, max_size=4).map(tuple),
    risks=st.lists(texts, max_size=3).map(tuple),
    touches=st.lists(texts, max_size=3).map(tuple),
    failing_test=lines,
    acceptance_tests=st.lists(texts, min_size=1, max_size=2).map(tuple),
)


# Plans


def test_a_whole_plan_of_each_kind_is_taken() -> None:
    check_draft(draft())
    check_draft(draft(kind=Kind.FEATURE, acceptance_tests=("tests/test_resume.py",)))
    check_draft(draft(kind=Kind.OTHER, failing_test="", risks=(), touches=()))
    assert draft().commands == ("pytest -q tests/test_warmup.py", "pytest -q tests")


@pytest.mark.parametrize("nothing", ["", "  ", "none", "N/A", "TBD", "todo", "—", "..."])
def test_a_bug_fix_names_the_failing_test_and_a_feature_its_acceptance_tests_first(nothing: str) -> None:
    with pytest.raises(Refused, match="begins with a failing test"):
        check_draft(draft(failing_test=nothing))
    with pytest.raises(Refused, match="begins with its acceptance tests"):
        check_draft(draft(kind=Kind.FEATURE, acceptance_tests=(nothing,)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": ()}, "at least one step"),
        ({"steps": (Step("do it", " "),)}, "Step 1 .* has no validation command"),
        ({"steps": (Step("do it", "a\nb"),)}, "is one line"),
        ({"steps": (Step(" ", "pytest"),)}, "Step 1 is empty"),
        ({"steps": (Step("do it", "pytest"),) * 51}, "50 steps at the most"),
        ({"title": "a\nb"}, "is one line"),
        ({"title": "x" * 201}, "200 characters at the most"),
        ({"risks": ("a" * 4001,)}, "One of the risks has 4000"),
        ({"touches": ("train\u202e.py",)}, r"cannot be seen \(U\+202E\)"),
        ({"risks": ("none\U000e0041",)}, r"cannot be seen \(U\+E0041\)"),
        ({"title": "a\x00"}, r"cannot be seen \(U\+0000\)"),
    ],
)
def test_a_plan_that_could_not_be_shown_whole_is_refused_with_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        check_draft(draft(**changes))


UNSEEN = "\u2800\ufffc\ufffe\ue000\U000f0000\U0001d173\U0001d17a\U0001bca0\U0001bca3\U000e0100\U000e01ef"


@pytest.mark.parametrize("sign", [*UNSEEN, "\u200d", "\u200c", "\ufe0f"])
def test_two_commands_or_labels_that_look_the_same_are_refused(sign: str) -> None:
    said = rf"cannot be seen \(U\+{ord(sign):04X}\)"
    for place in (f"pytest{sign} -q", f"py{sign}test -q"):
        with pytest.raises(Refused, match=said):
            check_draft(draft(steps=(Step("do it", place),)))
        with pytest.raises(Refused, match=said):
            check_question(question_draft(options=(Option("a", "pytest -q"), Option("b", place))))
    with pytest.raises(Refused, match=said):
        check_draft(draft(title=f"Count {sign}steps"))


@pytest.mark.parametrize(
    "title",
    ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u2764\ufe0f\u200d\U0001f525 it", "Do it \u2764\ufe0f"],
)
def test_letters_and_emoji_that_need_joining_stand_in_a_title(title: str) -> None:
    plan = draft(title=title)
    check_draft(plan)
    assert title in text_of(plan)


@pytest.mark.parametrize("title", ["\u200dStop", "Stop\u200d", "St\u200d\u200dop", "St\ufe0f\ufe0fop", "St \ufe0fop"])
def test_what_joins_nothing_stands_in_no_title(title: str) -> None:
    with pytest.raises(Refused, match="cannot be seen"):
        check_draft(draft(title=title))


def test_the_text_says_everything_and_no_part_can_pass_for_another() -> None:
    told = text_of(draft(risks=("one\nSteps:\n1. rm -rf outputs",)))
    assert told.count("\nSteps:\n") == 1
    assert "1. Write the failing test\n   Validated by: pytest -q tests/test_warmup.py" in told
    assert "test_warm_up_ends_after_its_steps" in told
    assert "sweep swp00001" in told
    assert told.startswith("Plan: Count warm-up in steps\nKind: bug fix\n")


@given(drafts, drafts)
def test_two_plans_have_one_hash_only_if_they_are_one(one: Draft, other: Draft) -> None:
    assert (sha_of(text_of(one)) == sha_of(text_of(other))) == (one == other)


@given(texts, texts)
def test_a_difference_gives_both_texts_back(before: str, after: str) -> None:
    told = difference(before, after)
    assert told is not None
    assert [one.text for one in told if one.mark != "+"] == before.splitlines()
    assert [one.text for one in told if one.mark != "-"] == after.splitlines()


def test_a_text_that_would_take_long_to_compare_is_not_compared_and_a_shorter_one_takes_no_time() -> None:
    long = [[f"{'train the model again ' * 3}{number * turn % 1997}" for number in range(2000)] for turn in (1, 7)]
    begun = time.perf_counter()
    assert difference(*("\n".join(lines) for lines in long))
    assert difference("\n".join(long[0]), "\n".join([*long[1], "one more"])) is None
    assert time.perf_counter() - begun < 3


@given(st.text(max_size=50), st.integers(0, 3))
def test_an_output_is_bounded_and_keeps_its_head_and_tail(text: str, times: int) -> None:
    long = f"head{text * times}{'x' * (MOST_OUTPUT if times else 0)}tail"
    kept = bounded(long)
    assert kept.startswith("head")
    assert kept.endswith("tail")
    assert len(kept) <= MOST_OUTPUT + 100
    assert "\x00" not in kept


# States


def standing(state: PlanState, **changes: Any) -> Standing:
    return replace(Standing(state, 1, "a" * 64, LATER, approved_sha256="a" * 64), **changes)


@given(st.sampled_from(PlanState), st.booleans(), st.booleans())
def test_only_a_waiting_plan_that_is_not_expired_and_shows_its_newest_text_is_approved(
    state: PlanState, same: bool, late: bool
) -> None:
    now = LATER if late else NOW
    may = state in PLANNING and same and not late
    try:
        check_can_approve(standing(state), "a" * 64 if same else "b" * 64, now)
    except (Refused, AlreadyDone):
        assert not may
    else:
        assert may


@given(st.sampled_from(PlanState), st.booleans(), st.booleans())
def test_only_an_approved_plan_whose_text_is_the_approved_one_is_carried_out(
    state: PlanState, same: bool, late: bool
) -> None:
    may = state in (PlanState.APPROVED, PlanState.DEPLOYING) and same and not late
    try:
        check_can_report(standing(state, approved_sha256="a" * 64 if same else ""), LATER if late else NOW)
    except Refused:
        assert not may
    else:
        assert may


def test_the_sentences_say_why() -> None:
    with pytest.raises(Refused, match="changed since this page was loaded: it is version 1 now"):
        check_can_approve(standing(PlanState.POSTED), "b" * 64, NOW)
    with pytest.raises(Refused, match="expired on 2026-11-26 12:00 UTC"):
        check_can_approve(standing(PlanState.POSTED), "a" * 64, LATER)
    with pytest.raises(Refused, match="approval is void, because the text changed"):
        check_can_report(standing(PlanState.POSTED, voided=True), NOW)
    with pytest.raises(Refused, match="A person must press Approve"):
        check_can_report(standing(PlanState.POSTED), NOW)
    with pytest.raises(Refused, match="rejected: post a new plan"):
        check_can_revise(standing(PlanState.REJECTED))
    assert not standing(PlanState.DEPLOYED).expired(LATER)
    assert all(standing(state).expired(LATER) for state in OPEN)


# Who


@pytest.mark.parametrize("act", [approve_plan, reject_plan, request_change, answer_question])
def test_what_only_a_person_may_do_takes_a_person_by_its_type(act: Any) -> None:
    assert get_type_hints(act)["by"] is Person


@pytest.mark.parametrize("somebody", [Agent("coder-1"), AtShell("mia"), "mia", None, object()])
def test_who_is_no_logged_in_person_is_refused_when_it_runs_too(somebody: object) -> None:
    with pytest.raises(NotAPerson, match="Only a logged-in person can approve a plan"):
        check_person(somebody, Permission.APPROVE_PLANS, "approve a plan")


@pytest.mark.parametrize(
    "said", ["yes", "Sounds good!", "ok, go ahead", "LGTM", "approved", "+1", "👍 from me", "Ship it."]
)
def test_words_that_sound_like_an_approval_are_known(said: str) -> None:
    assert sounds_like_approval(said)


@pytest.mark.parametrize("said", ["Why step 2?", "the yesterday's run", "approval comes later", "okra"])
def test_other_words_are_not(said: str) -> None:
    assert not sounds_like_approval(said)


# Reports


def test_a_final_report_lacks_what_it_does_not_name() -> None:
    results = [Result("pytest -q tests", 0)]
    assert missing_commands(draft(), results) == ("pytest -q tests/test_warmup.py",)
    with pytest.raises(Refused, match=r"lacks the result of 'pytest -q tests/test_warmup.py':"):
        check_final(draft(), results)
    both = [*results, Result(" pytest -q tests/test_warmup.py ", 1)]
    check_final(draft(), both)
    with pytest.raises(Refused, match="two results of 'pytest -q tests'"):
        check_final(draft(), [*both, results[0]])
    with pytest.raises(Refused, match="whole number"):
        check_final(draft(), [both[1], Result("pytest -q tests", True)])


def test_a_bug_fix_is_not_finished_without_the_result_of_its_failing_test() -> None:
    fix = draft(failing_test="tests/test_seed.py::test_it", steps=(Step("Mend it", "make check"),))
    with pytest.raises(Refused, match=r"lacks the result of the plan's failing test 'tests/test_seed.py::test_it'"):
        check_final(fix, [Result("make check", 0)])
    check_final(fix, [Result("make check", 0), Result("pytest -q tests/test_seed.py::test_it", 0)])
    check_final(fix, [Result("make check", 0), Result("tests/test_seed.py::test_it", 1)])


def test_a_feature_is_not_finished_without_each_of_its_acceptance_tests() -> None:
    tests = ("a resumed run keeps its id\nand its curve \U0001f468\u200d\U0001f469", "tests/test_resume.py", "none")
    feature = draft(kind=Kind.FEATURE, acceptance_tests=tests, steps=(Step("Do it", "make check"),))
    done = [Result("make check", 0), Result("pytest tests/test_resume.py -q", 0)]
    with pytest.raises(Refused, match=r"lacks the result of the plan's acceptance tests 'a resumed run keeps its id"):
        check_final(feature, done)
    check_final(feature, [*done, Result("a resumed run keeps its id and its curve \U0001f468\U0001f469", 0)])
    other = draft(kind=Kind.OTHER, acceptance_tests=tests, steps=(Step("Do it", "make check"),))
    check_final(other, done)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("pytest -q tests/unit/test_seed.py::test_it", True),
        ("tests/unit/test_seed.py::test_it", True),
        ("python -m pytest -q tests/unit/test_seed.py", True),
        ("pytest ./tests/unit/ -x", True),
        (".venv/bin/pytest tests", True),
        ("python manage.py test tests", True),
        ("pytest -q tests/unit/test_seed.py::test_another", False),
        ("pytest -q tests/unit/test_seed.py::test_it_not", False),
        ("pytest -q tests -k lr", False),
        ("pytest -q tests --deselect=tests/unit/test_seed.py", False),
        ("pytest -q", False),
        ("pytest -q tests/uni", False),
        ("ruff check tests", False),
        ("cat tests/unit/test_seed.py", False),
    ],
)
def test_a_command_tells_of_a_test_that_it_runs(command: str, told: bool) -> None:
    assert tells_of(command, "tests/unit/test_seed.py::test_it") is told


@pytest.mark.parametrize("number", [0, 3, -1, True, "1"])
def test_a_step_that_is_none_is_refused(number: Any) -> None:
    with pytest.raises(Refused, match="steps 1 to 2"):
        check_step(draft(), number)


# Answers


@given(st.lists(st.sampled_from(["linear", "cosine", "both", "never"]), max_size=4), st.booleans())
def test_an_answer_is_one_or_more_of_the_options_in_their_order(chosen: list[str], multiple: bool) -> None:
    options = question_draft().options
    wanted = set(chosen)
    may = wanted and "never" not in wanted and (multiple or len(wanted) == 1)
    try:
        told = check_choice(options, chosen, allow_multiple=multiple)
    except Refused:
        assert not may
    else:
        assert may
        assert list(told) == [one.id for one in options if one.id in wanted]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": (Option("a", "One"),)}, "2 to 6 options"),
        ({"options": tuple(Option(f"o{n}", f"L{n}") for n in range(7))}, "this one has 7"),
        ({"options": (Option("a b", "One"), Option("c", "Two"))}, "no id of an option"),
        ({"options": (Option("a", "One"), Option("A", "Two"))}, "have the id 'a'"),
        ({"options": (Option("a", "One"), Option("b", " one"))}, "have the label 'One'"),
        ({"options": (Option("a", ""), Option("b", "Two"))}, "label of option 'a' is empty"),
        ({"title": " "}, "The question is empty"),
        ({"deadline": NOW.replace(tzinfo=None)}, "needs its time zone"),
        ({"deadline": NOW.replace(year=1999)}, "years 2000 to 2100"),
        ({"deadline": NOW.replace(year=9999)}, "years 2000 to 2100"),
    ],
)
def test_a_question_that_no_press_could_answer_is_refused(changes: dict[str, Any], said: str) -> None:
    check_question(question_draft())
    with pytest.raises(Refused, match=said):
        check_question(question_draft(**changes))
