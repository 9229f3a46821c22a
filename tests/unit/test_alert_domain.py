"""Which changes of which causes a channel tells: never one twice, and causes rather than runs."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.alerts import domain
from apps.alerts.domain import (
    Change,
    KnownCause,
    OpenCause,
    Scope,
    Step,
    calls_for_alert,
    key_of,
    narrowed,
    next_step,
    open_causes,
    steps,
)
from apps.flags.causes import SEVERITIES, OpenFlag, causes_of
from tests.factories.moments import NOW, before

FLAG = OpenFlag(
    pk=1, rule="zombie", severity="warning", evidence="W&B says running.", action="mark it crashed", uncertain=False,
    opened_at=before(hours=1), sweep_pk=1, sweep_id="abc", sweep_name="warm-up", workspace="glue", run_id="r1",
)  # fmt: skip
SCOPE = Scope()


def flag(pk: int, **values: object) -> OpenFlag:
    return replace(FLAG, pk=pk, run_id=f"r{pk}", **values)  # type: ignore[arg-type]


def found(severity: str = "warning", *, calls: bool = True) -> OpenCause:
    (cause,) = causes_of([flag(1, severity=severity)])
    return OpenCause("k", cause, calls)


def test_the_runs_of_one_node_are_one_cause_whatever_their_severities_and_sweeps() -> None:
    flags = [
        flag(n, crash_class="node-failure", node="g07", sweep_pk=n % 3, severity="critical" if n == 3 else "note")
        for n in range(14)
    ]
    (one,) = open_causes(flags, SCOPE, NOW).values()
    assert (one.cause.runs, one.severity, one.cause.where) == (14, "critical", "node g07")
    assert one.cause.flags[0].pk == 3


def test_a_cause_keeps_its_key_when_its_severity_changes_and_no_other_cause_has_it() -> None:
    changed = [key_of(causes_of([flag(1, severity=severity)])[0]) for severity in SEVERITIES]
    assert len(set(changed)) == 1
    others = [
        flag(1),
        flag(1, rule="idle-gpu"),
        flag(1, crash_class="cuda-oom"),
        flag(1, crash_class="node-failure", node="g07"),
        flag(1, sweep_pk=2),
        flag(1, sweep_pk=None),
    ]
    assert len({key_of(causes_of([one])[0]) for one in others}) == len(others)


def test_a_channel_of_one_workspace_hears_of_its_flags_only_and_links_to_them() -> None:
    flags = [flag(n, crash_class="node-failure", node="g07", workspace=("glue", "speech")[n % 2]) for n in range(5)]
    (one,) = open_causes(flags, Scope(workspace="speech"), NOW).values()
    assert one.cause.runs == 2
    view = narrowed(one.cause, Scope(workspace="speech"))
    assert [flag.pk for flag in flags if view.wants(flag, NOW)] == [1, 3]


def test_only_what_is_bad_enough_and_calls_for_it_opens() -> None:
    assert next_step(None, found("warning"), SCOPE) is Step.OPEN
    assert next_step(None, found("note"), SCOPE) is None
    assert next_step(None, found("note"), Scope(least="note")) is Step.OPEN
    assert next_step(None, found("critical", calls=False), SCOPE) is None


def test_further_runs_and_a_lower_severity_of_a_told_cause_change_nothing() -> None:
    known = KnownCause("k", "warning", told=True)
    assert next_step(known, found("warning"), SCOPE) is None
    assert next_step(known, found("note"), SCOPE) is None


def test_a_rise_of_severity_is_told_unless_the_cause_waits_to_be_told_anyway() -> None:
    assert next_step(KnownCause("k", "warning", told=True), found("critical"), SCOPE) is Step.WORSE
    assert next_step(KnownCause("k", "warning"), found("critical"), SCOPE) is Step.WORSE
    assert next_step(KnownCause("k", "warning", waiting=True), found("critical"), SCOPE) is Step.RAISE


def test_only_what_was_told_is_told_to_be_over() -> None:
    assert next_step(KnownCause("k", "warning", told=True), None, SCOPE) is Step.RESOLVE
    assert next_step(KnownCause("k", "warning", told=True), None, Scope(tell_resolved=False)) is Step.END
    assert next_step(KnownCause("k", "warning", waiting=True), None, SCOPE) is Step.END
    assert next_step(KnownCause("k", "warning"), None, SCOPE) is Step.END


def test_a_cause_that_comes_back_before_its_end_was_told_goes_on() -> None:
    ending = KnownCause("k", "warning", told=True, ending=True)
    assert next_step(ending, found(), SCOPE) is Step.REOPEN
    assert next_step(ending, None, SCOPE) is None


def test_a_list_that_was_cut_off_ends_no_cause() -> None:
    known = {"k": KnownCause("k", "warning", told=True)}
    assert steps(known, {}, SCOPE, complete=False) == []
    assert steps(known, {}, SCOPE) == [("k", Step.RESOLVE)]


@dataclass
class Note:
    """One cause as the database would hold it in the property test below."""

    severity: str
    over: bool = False
    waiting: list[tuple[Change, str]] = field(default_factory=list)
    told: list[tuple[Change, str]] = field(default_factory=list)

    @property
    def known(self) -> KnownCause:
        return KnownCause(
            "", self.severity, told=any(kind is not Change.RESOLVED for kind, _ in self.told),
            waiting=any(kind is not Change.RESOLVED for kind, _ in self.waiting), ending=self.over,
        )  # fmt: skip


def apply(notes: list[Note], active: dict[str, Note], key: str, step: Step, severity: str) -> None:
    """What the services write for a step."""
    if step is Step.OPEN:
        active[key] = Note(severity, waiting=[(Change.OPENED, severity)])
        notes.append(active[key])
        return
    note = active[key]
    if step is Step.RAISE:
        note.severity, note.waiting = severity, [(kind, severity) for kind, _ in note.waiting]
    elif step is Step.WORSE:
        note.severity = severity
        note.waiting.append((Change.WORSE, severity))
    elif step is Step.REOPEN:
        note.over, note.waiting = False, []
    else:
        note.over, note.waiting = True, [(Change.RESOLVED, "")] if step is Step.RESOLVE else []
        if step is Step.END:
            del active[key]


looks = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 6), st.sampled_from(SEVERITIES), max_size=6),  # run -> severity of its flag
        st.booleans(),  # does the message go out after this look?
    ),
    min_size=1,
    max_size=25,
)


@given(looks)
def test_whatever_opens_and_clears_no_change_is_told_twice_and_each_end_at_most_once(
    sequence: list[tuple[dict[int, str], bool]],
) -> None:
    notes: list[Note] = []
    active: dict[str, Note] = {}
    for runs, goes_out in sequence:
        flags = [flag(run, severity=severity, sweep_pk=run % 2) for run, severity in runs.items()]
        open_now = open_causes(flags, SCOPE, NOW)
        assert len(open_now) <= 2  # causes, not runs
        todo = steps({key: note.known for key, note in active.items()}, open_now, SCOPE)
        for key, step in todo:
            apply(notes, active, key, step, open_now[key].severity if key in open_now else "")
        again = steps({key: note.known for key, note in active.items()}, open_now, SCOPE)
        assert [step for _, step in again] in ([], [Step.WORSE], [Step.WORSE] * 2)  # only a rise that came back
        if goes_out:
            for key, note in list(active.items()):
                note.told += note.waiting
                note.waiting = []
                if note.over:
                    del active[key]
    for note in notes:
        assert max(Counter(note.told).values(), default=1) == 1
        kinds = [kind for kind, _ in note.told]
        assert kinds == sorted(kinds, key=[Change.OPENED, Change.WORSE, Change.RESOLVED].index)
        assert not (Change.RESOLVED in kinds and len(kinds) == 1)


def test_a_flag_calls_for_an_alert_unless_somebody_says_otherwise() -> None:
    assert domain.calls_for_alert(FLAG, NOW)


def test_what_somebody_took_note_of_or_put_off_or_is_over_soon_wakes_nobody() -> None:
    assert calls_for_alert(flag(1), NOW)
    assert calls_for_alert(flag(1, snoozed_until=NOW - timedelta(minutes=1)), NOW)
    for made in ({"acknowledged_by": "mira"}, {"snoozed_until": NOW + timedelta(hours=1)}, {"quiet_since": NOW}):
        assert not calls_for_alert(flag(1, **made), NOW)
