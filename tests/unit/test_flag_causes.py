"""Grouping open flags by cause, and the views of the inbox."""

from dataclasses import replace
from datetime import timedelta

from apps.flags.causes import SHOWN, Narrowed, OpenFlag, causes_of
from tests.factories.moments import NOW, before

FLAG = OpenFlag(
    pk=1, rule="zombie", severity="critical", evidence="W&B says running.", action="mark it crashed", uncertain=False,
    opened_at=before(hours=1), sweep_pk=1, sweep_id="abc", sweep_name="warm-up", workspace="glue", run_id="r1",
)  # fmt: skip


def flag(pk: int, **values: object) -> OpenFlag:
    return replace(FLAG, pk=pk, run_id=f"r{pk}", **values)  # type: ignore[arg-type]


def test_the_runs_that_one_node_killed_are_one_cause_whatever_their_sweep() -> None:
    killed = [flag(n, crash_class="nccl-timeout", node="g07", sweep_pk=n % 3, sweep_id=f"s{n % 3}") for n in range(14)]
    (cause,) = causes_of(killed)
    assert (cause.runs, cause.where, cause.crash_class) == (14, "node g07", "nccl-timeout")
    assert all(cause.narrowed.wants(one, NOW) for one in killed)
    assert cause.narrowed.is_one_cause


def test_what_a_node_does_not_cause_is_grouped_by_sweep() -> None:
    flags = [
        flag(1, crash_class="cuda-oom", node="g07"),
        flag(2, crash_class="cuda-oom", node="g08"),
        flag(3, crash_class="cuda-oom", node="g07", sweep_pk=2, sweep_id="xyz", sweep_name=""),
    ]
    assert [(cause.where, cause.runs) for cause in causes_of(flags)] == [("sweep warm-up", 2), ("sweep xyz", 1)]


def test_the_worst_stands_first_then_the_cause_of_most_flags_then_the_oldest() -> None:
    flags = [
        flag(1, severity="note", rule="missing-seed"),
        flag(2, severity="warning", rule="idle-gpu"),
        flag(3, rule="zero-epochs", opened_at=before(hours=9)),
        *[flag(n, rule="fast-completion") for n in (4, 5)],
        flag(6, rule="diverged", opened_at=before(hours=20)),
    ]
    told = [cause.rule for cause in causes_of(flags)]
    assert told == ["fast-completion", "diverged", "zero-epochs", "idle-gpu", "missing-seed"]


def test_a_cause_is_as_old_as_its_oldest_flag_and_uncertain_only_where_all_of_it_is() -> None:
    (cause,) = causes_of([flag(1, uncertain=True), flag(2, opened_at=before(hours=5))])
    assert (cause.since, cause.uncertain) == (before(hours=5), False)
    (cause,) = causes_of([flag(1, uncertain=True)])
    assert cause.uncertain


def test_a_next_action_is_the_causes_only_where_every_flag_has_the_same() -> None:
    assert causes_of([flag(1), flag(2)])[0].action == "mark it crashed"
    assert causes_of([flag(1, action="resume from step 1"), flag(2, action="resume from step 2")])[0].action == ""


def test_each_cause_has_a_view_that_shows_its_flags_and_no_others() -> None:
    flags = [
        flag(1),
        flag(2, crash_class="node-failure", node="g07"),
        flag(3, crash_class="cuda-oom", node="g07"),
        flag(4, sweep_pk=None, sweep_id="", sweep_name=""),
        flag(5, rule="idle-gpu"),
    ]
    causes = causes_of(flags)
    assert len(causes) == 5
    for cause in causes:
        again = Narrowed.from_query(dict(one.split("=") for one in cause.narrowed.query().split("&")))
        assert [one for one in flags if again.wants(one, NOW)] == list(cause.flags)


def test_every_word_must_occur_and_nonsense_filters_nothing_in() -> None:
    assert Narrowed(q="WARM zombie").wants(FLAG, NOW)
    assert not Narrowed(q="warm nothing").wants(FLAG, NOW)
    assert not Narrowed(severity="loud").wants(FLAG, NOW)
    assert Narrowed.from_query({"page": "7"}).query() == ""


def test_what_people_made_of_a_flag_decides_where_it_is_shown() -> None:
    soon, past = NOW + timedelta(hours=1), before(hours=1)
    made = {
        "waiting": flag(1),
        "acknowledged": flag(2, acknowledged_by="mira"),
        "snoozed": flag(3, snoozed_until=soon, acknowledged_by="mira"),
        "cleared": flag(4, dismissed_by="mira", snoozed_until=soon),
    }
    for standing, one in made.items():
        assert one.standing(NOW) == standing
        assert [name for name in SHOWN if Narrowed(show=name).wants(one, NOW)] == [standing]
    assert flag(5, snoozed_until=past).standing(NOW) == "waiting"
    assert not Narrowed().wants(made["snoozed"], NOW)
    assert Narrowed().wants(made["acknowledged"], NOW)
    assert Narrowed(assignee="none").wants(flag(6), NOW)
    assert not Narrowed(assignee="none").wants(flag(6, assignee="noor"), NOW)


def test_what_waits_for_somebody_stands_before_what_was_acknowledged() -> None:
    seen = [flag(pk, acknowledged_by="mira", rule="diverged") for pk in (1, 2, 3)]
    assert [cause.rule for cause in causes_of([*seen, flag(4)])] == ["zombie", "diverged"]
