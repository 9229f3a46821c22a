"""Which attempt of which job carries which run."""

from typing import Any

from apps.links.domain import AttemptFact, How, RunFact, job_time, links_of
from tests.factories.moments import NOW, before


def run(**values: Any) -> RunFact:
    told = {
        "pk": 1,
        "run_id": "8x2kq0",
        "began_at": before(hours=5),
        "until": None,
        "finished": False,
        "raw_ids": frozenset[int](),
    }
    return RunFact(**{**told, **values})


def attempt(pk: int = 1, **values: Any) -> AttemptFact:
    told = {
        "cluster": "hpc",
        "job_id": "12345",
        "raw_id": 12345,
        "submit_at": before(hours=6),
        "start_at": before(hours=5, minutes=5),
        "end_at": None,
        "state": "RUNNING",
        "run_hint": "",
        "logged_runs": frozenset[str](),
    }
    return AttemptFact(pk, **{**told, **values})


def found(one: RunFact, *attempts: AttemptFact) -> list[tuple[int, How]]:
    return [(link.job_pk, link.how) for link in links_of(one, attempts)]


NAMED = frozenset({"8x2kq0"})


def test_the_runs_metadata_names_its_job() -> None:
    (link,) = links_of(run(raw_ids=frozenset({12345})), [attempt()])
    assert (link.how, link.evidence) == (How.METADATA, "the run's metadata names SLURM_JOB_ID 12345")


def test_the_jobs_comment_names_its_run() -> None:
    (link,) = links_of(run(), [attempt(run_hint="8x2kq0")])
    assert (link.how, link.evidence) == (How.COMMENT, "the comment of job 12345 names run 8x2kq0")


def test_a_log_of_the_job_names_its_run() -> None:
    (link,) = links_of(run(), [attempt(logged_runs=NAMED)])
    assert (link.how, link.evidence) == (How.LOG, "a log of job 12345 names run 8x2kq0")


def test_metadata_is_believed_before_comment_and_comment_before_log() -> None:
    everything = attempt(run_hint="8x2kq0", logged_runs=NAMED)
    assert found(run(raw_ids=frozenset({12345})), everything) == [(1, How.METADATA)]
    assert found(run(raw_ids=frozenset({777})), everything) == [(1, How.COMMENT)]


def test_a_job_that_says_nothing_of_the_run_carries_it_not() -> None:
    assert found(run(raw_ids=frozenset({1})), attempt(run_hint="other", logged_runs=frozenset({"other"}))) == []


def test_a_number_that_slurm_gave_to_a_later_job_again_is_no_link() -> None:
    done = run(raw_ids=frozenset({12345}), began_at=before(days=90), until=before(days=89), finished=True)
    assert found(done, attempt()) == []


def test_a_job_that_waits_and_was_submitted_for_the_run_is_linked() -> None:
    waiting = attempt(state="PENDING", start_at=None, run_hint="8x2kq0")
    assert found(run(until=before(hours=1)), waiting) == [(1, How.COMMENT)]


def test_both_attempts_of_a_requeued_job_carry_the_run() -> None:
    first = attempt(1, state="PREEMPTED", end_at=before(hours=3))
    second = attempt(2, submit_at=before(hours=3), start_at=before(hours=2))
    assert found(run(raw_ids=frozenset({12345})), second, first) == [(1, How.METADATA), (2, How.METADATA)]


def test_the_attempt_that_waits_after_a_preemption_is_linked_too() -> None:
    first = attempt(1, state="PREEMPTED", end_at=before(hours=3))
    waiting = attempt(2, submit_at=before(hours=3), start_at=None, state="PENDING")
    assert found(run(raw_ids=frozenset({12345})), first, waiting) == [(1, How.METADATA), (2, How.METADATA)]


def test_a_waiting_attempt_whose_number_is_not_known_yet_does_not_hide_the_first() -> None:
    first = attempt(1, state="PREEMPTED", end_at=before(hours=3))
    waiting = attempt(2, submit_at=before(hours=3), start_at=None, state="PENDING", raw_id=None)
    assert found(run(raw_ids=frozenset({12345})), first, waiting) == [(1, How.METADATA), (2, How.METADATA)]


def test_a_finished_run_does_not_wait_with_its_requeued_job() -> None:
    first = attempt(1, state="PREEMPTED", end_at=before(hours=3))
    waiting = attempt(2, submit_at=before(hours=3), start_at=None, state="PENDING")
    done = run(raw_ids=frozenset({12345}), until=before(hours=4), finished=True)
    assert found(done, first, waiting) == [(1, How.METADATA)]


def test_a_run_that_ended_before_the_next_attempt_began_is_not_in_it() -> None:
    first = attempt(1, state="REQUEUED", end_at=before(hours=3))
    second = attempt(2, submit_at=before(hours=3), start_at=before(hours=2))
    assert found(run(raw_ids=frozenset({12345}), until=before(hours=4)), first, second) == [(1, How.METADATA)]


def test_several_runs_one_after_another_are_all_carried_by_the_agents_one_job() -> None:
    agent = attempt(logged_runs=frozenset({"aaa", "bbb"}))
    first = run(pk=1, run_id="aaa", until=before(hours=3), finished=True)
    second = run(pk=2, run_id="bbb", began_at=before(hours=3))
    assert found(first, agent) == [(1, How.LOG)]
    assert found(second, agent) == [(1, How.LOG)]


def test_each_run_of_a_requeued_agent_is_in_the_attempt_in_which_it_lived() -> None:
    logged = frozenset({"aaa", "bbb"})
    first = attempt(1, state="REQUEUED", end_at=before(hours=3), logged_runs=logged)
    second = attempt(2, submit_at=before(hours=3), start_at=before(hours=2), logged_runs=logged)
    early = run(run_id="aaa", until=before(hours=4), finished=True)
    late = run(run_id="bbb", began_at=before(hours=1))
    assert found(early, first, second) == [(1, How.LOG)]
    assert found(late, first, second) == [(2, How.LOG)]


def test_clocks_that_differ_by_a_second_still_overlap() -> None:
    short = run(began_at=before(hours=6), until=before(hours=5, seconds=1), raw_ids=frozenset({12345}))
    assert found(short, attempt(start_at=before(hours=5))) == [(1, How.METADATA)]


def test_where_clocks_differ_by_more_the_logs_word_counts_for_the_last_life_that_began() -> None:
    ahead = run(began_at=before(hours=-1), until=before(hours=-2))
    first = attempt(1, state="REQUEUED", end_at=before(hours=4), logged_runs=NAMED)
    second = attempt(2, submit_at=before(hours=4), start_at=before(hours=3), end_at=before(hours=2), state="COMPLETED")
    assert found(ahead, first, second) == [(2, How.LOG)]


def test_a_run_without_a_beginning_is_linked_by_its_log_all_the_same() -> None:
    assert found(run(began_at=None), attempt(logged_runs=NAMED)) == [(1, How.LOG)]


def test_equal_ids_on_two_clusters_are_two_jobs() -> None:
    here = attempt(1, logged_runs=NAMED)
    there = attempt(2, cluster="other")
    assert found(run(), here, there) == [(1, How.LOG)]


def test_time_in_jobs_is_that_in_which_both_lived() -> None:
    over = job_time(before(hours=5), None, [(before(hours=4), before(hours=1), 2)])
    assert (over.seconds_at(NOW), over.gpu_seconds_at(NOW), over.since) == (3 * 3600, 6 * 3600, None)
    cut = job_time(before(hours=5), before(hours=3), [(before(hours=4), None, 1)])
    assert cut.seconds_at(NOW) == 3600
    assert job_time(before(hours=2), None, [(before(hours=5), before(hours=4), 1)]).seconds_at(NOW) == 0
    assert job_time(None, None, [(before(hours=5), None, 1)]).seconds_at(NOW) == 0
    assert job_time(before(hours=5), None, [(None, None, 1)]).seconds_at(NOW) == 0


def test_a_run_that_died_hours_before_its_agents_job_was_preempted_does_not_wait_to_come_back() -> None:
    first = attempt(1, state="PREEMPTED", end_at=before(hours=1))
    waiting = attempt(2, state="PENDING", submit_at=before(hours=1), start_at=None)
    ids = frozenset({12345})
    assert found(run(raw_ids=ids, until=before(hours=3)), first, waiting) == [(1, How.METADATA)]
    beat = before(hours=1, minutes=5)
    assert found(run(raw_ids=ids, until=beat), first, waiting) == [(1, How.METADATA), (2, How.METADATA)]


def test_where_two_clocks_put_run_and_job_apart_each_clocks_own_span_is_believed() -> None:
    told = job_time(before(hours=5), before(hours=2), [(before(hours=12), before(hours=8), 2)])
    assert (told.seconds, told.gpu_seconds, told.since) == (3 * 3600, 6 * 3600, None)
    longer = job_time(before(hours=7), before(hours=1), [(None, None, 2), (before(hours=12), before(hours=8), 2)])
    assert longer.seconds == 4 * 3600
    earlier = [(before(hours=30), before(hours=20), 1), (before(hours=5), before(hours=4), 1)]
    assert job_time(before(hours=5), before(hours=4), earlier).seconds == 3600


def test_time_that_goes_on_is_kept_as_its_beginning() -> None:
    told = job_time(before(hours=5), None, [(before(hours=6), before(hours=3), 1), (before(hours=2), None, 4)])
    assert (told.seconds, told.since, told.gpus) == (2 * 3600, before(hours=2), 4)
    assert (told.seconds_at(NOW), told.gpu_seconds_at(NOW)) == (4 * 3600, 10 * 3600)
