"""Each further rule: when it fires, with which words, and when it is quiet."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.units import with_ages
from apps.flags.domain import (
    Burnt,
    ConfigFacts,
    Curves,
    Evidence,
    Finding,
    Progress,
    ProgressSource,
    RunFacts,
    Severity,
    SweepFacts,
    Twin,
)
from apps.flags.rules import checkpoints, completion, cross_reference, health, reproducibility, sweeps
from apps.flags.rules.registry import RUN_RULES, judge
from apps.links.states import NO_JOB, UNKNOWN
from apps.workspaces.domain import Policy
from tests.factories.facts import job_facts, run_facts, sweep_facts
from tests.factories.moments import NOW, before

LOG = ProgressSource.LOG
DONE: dict[str, Any] = {"wandb_state": "finished", "slurm_state": "COMPLETED"}
ERROR = (Evidence("python-error", "train.err", 7, "ValueError: bad shape"),)
FALLING, RISING = tuple(1 / n for n in range(1, 31)), tuple(n / 10 for n in range(1, 31))
VALIDATION_WORSENS = tuple([1 / n for n in range(1, 16)] + [0.2 + n / 10 for n in range(15)])


def fires(rule: Callable[[RunFacts], Finding | None], **values: Any) -> str:
    finding = rule(run_facts(**values))
    return "" if finding is None else with_ages(finding.evidence, NOW)


RUN_CASES: list[tuple[Callable[[RunFacts], Finding | None], dict[str, Any], str, list[dict[str, Any]]]] = [
    (
        completion.finished_below_target,
        {**DONE, "progress": Progress(2, 90, 10, LOG)},
        "Finished at epoch 2 of 10 (log).",
        [
            {**DONE, "progress": Progress(10, 400, 10, LOG)},
            {"progress": Progress(2, 90, 10, LOG)},
            {**DONE, "progress": Progress(2, 90, None, LOG)},
            {**DONE, "progress": Progress(2, 90, 10, LOG), "runtime_seconds": 60.0},
        ],
    ),
    (
        completion.zero_epochs,
        {**DONE, "progress": Progress(0, 0, 10, LOG)},
        "nothing was trained",
        [
            {**DONE, "progress": Progress(None, None, 10)},
            {**DONE, "progress": Progress(0, 5, 10, LOG)},
            {"progress": Progress(0, 0, 10, LOG)},
        ],
    ),
    (
        completion.exit_zero_but_failed,
        {**DONE, "evidence": ERROR},
        "ValueError: bad shape",
        [
            DONE,
            {**DONE, "evidence": ERROR, "progress": Progress(10, 1, 10, LOG)},
            {**DONE, "evidence": ERROR, "job": job_facts(state="FAILED", exit_code=1)},
        ],
    ),
    (
        cross_reference.state_mismatch,
        {
            "wandb_state": "finished",
            "slurm_state": "TIMEOUT",
            "job": job_facts(state="TIMEOUT", end_at=before(hours=1)),
        },
        "W&B says finished, Slurm says TIMEOUT",
        [
            {},
            DONE,
            {"slurm_state": UNKNOWN, "job": None},
            {"wandb_state": "finished", "slurm_state": "TIMEOUT", "job": job_facts(state="TIMEOUT", end_at=NOW)},
        ],
    ),
    (
        cross_reference.stuck_running_unpopulated,
        {"logged_anything": False},
        "It began 5 h 00 min ago and has logged nothing",
        [
            {},
            {"logged_anything": False, "created_at": before(minutes=5)},
            {"logged_anything": False, "slurm_state": "PENDING"},
            {"logged_anything": False, **DONE},
        ],
    ),
    (
        cross_reference.job_pending_too_long,
        {"slurm_state": "PENDING", "job": job_facts(state="PENDING", submit_at=before(hours=3), reason="Priority")},
        "submitted 3 h 00 min ago. Slurm's reason: Priority.",
        [
            {},
            {"slurm_state": "PENDING", "job": job_facts(state="PENDING", submit_at=before(minutes=3))},
            {"slurm_state": NO_JOB, "job": None},
        ],
    ),
    (
        reproducibility.missing_seed,
        {"config": ConfigFacts(has_versions=True)},
        "names no random seed",
        [
            {},
            {"config": ConfigFacts(empty=True)},
            {"config": ConfigFacts(seeded=frozenset({"PyTorch", "NumPy", "Python", "CUDA"}))},
        ],
    ),
    (
        reproducibility.missing_versions,
        {"config": ConfigFacts(seeded=frozenset({"any"}))},
        "no package versions",
        [{}, {"config": ConfigFacts(empty=True)}],
    ),
    (
        reproducibility.incomplete_config,
        {"config": ConfigFacts(missing_parameters=("lr", "wd"))},
        "lacks 2 parameters of its sweep: lr, wd.",
        [{}, {"config": ConfigFacts(missing_parameters=("lr",)), "logged_anything": False}],
    ),
    (
        reproducibility.config_drift,
        {"config": ConfigFacts(drift=("lr: 0.1 on disk, 0.2 on W&B",))},
        "lr: 0.1 on disk",
        [{}],
    ),
    (
        reproducibility.no_gpu_memory_logged,
        {"gpu_memory_logged": False, "job": job_facts(gpus=4)},
        "No GPU memory",
        [
            {},
            {"gpu_memory_logged": False},
            {"gpu_memory_logged": False, "job": job_facts(gpus=4), "runtime_seconds": 60.0},
        ],
    ),
    (
        checkpoints.no_checkpoint_yet,
        {"checkpoint_at": None},
        "No checkpoint after 5 h of training (limit 3 h 00 min).",
        [{}, {"checkpoint_at": None, "runtime_seconds": 3600.0}, {"checkpoint_at": None, "slurm_state": "PENDING"}],
    ),
    (
        checkpoints.checkpoint_stale,
        {"checkpoint_at": before(hours=7)},
        "written 7 h 00 min ago (limit 6 h 00 min).",
        [{}, {"checkpoint_at": before(hours=7), **DONE}, {"checkpoint_at": None}],
    ),
    (
        checkpoints.progress_ahead_of_checkpoint,
        {"checkpoint_at": before(hours=3), "checkpoint_epoch": 1.0},
        "since the checkpoint of 3 h 00 min ago and 2 epochs.",
        [{}, {"checkpoint_at": before(hours=7)}, {"checkpoint_at": before(hours=3), **DONE}],
    ),
    (
        health.diverged,
        {"loss_is_finite": False},
        "not a number",
        [{}, {"curves": Curves(loss=FALLING)}, {"curves": Curves(loss=(1.0,))}],
    ),
    (
        health.diverged,
        {"curves": Curves(loss=(0.1, 0.05, 900.0))},
        "The loss is 900, 18000 times its best of 0.05",
        [{}],
    ),
    (
        health.plateau,
        {"curves": Curves(metric=(*FALLING[:15], *[0.5] * 15))},
        "nothing better came in the second half",
        [
            {},
            {"curves": Curves(metric=FALLING)},
            {"curves": Curves(metric=RISING, minimize=False)},
            {"curves": Curves(metric=(0.5,) * 10)},
            {"curves": Curves(metric=(0.5,) * 30), **DONE},
        ],
    ),
    (
        health.overfitting,
        {"curves": Curves(metric=VALIDATION_WORSENS, loss=FALLING, metric_is_validation=True)},
        "the validation metric went from 0.06667 to 1.6.",
        [
            {},
            {"curves": Curves(metric=FALLING, loss=FALLING, metric_is_validation=True)},
            {"curves": Curves(metric=VALIDATION_WORSENS, loss=FALLING)},
            {"curves": Curves(metric=VALIDATION_WORSENS, loss=RISING, metric_is_validation=True)},
        ],
    ),
    (
        health.idle_gpu,
        {"gpu_percent": 3.0, "job": job_facts(gpus=4)},
        "GPU use is 3 % (limit 10 %).",
        [
            {},
            {"gpu_percent": 95.0, "job": job_facts(gpus=4)},
            {"gpu_percent": 3.0},
            {"gpu_percent": 3.0, "job": job_facts(gpus=4), "runtime_seconds": 60.0},
        ],
    ),
    (
        health.preempted_not_resumed,
        {"slurm_state": "PREEMPTED", "job": job_facts(state="PREEMPTED", end_at=before(hours=1))},
        "It was preempted 1 h 00 min ago and did not come back.",
        [
            {},
            {"slurm_state": "PREEMPTED", "job": job_facts(state="PREEMPTED", end_at=before(minutes=1))},
            {"wandb_state": "preempted", "slurm_state": "PENDING"},
            {
                "wandb_state": "finished",
                "slurm_state": "PREEMPTED",
                "job": job_facts(state="PREEMPTED", end_at=before(hours=1)),
            },
        ],
    ),
    (
        health.restarted_with_progress,
        {"twin": Twin("old1", "crashed", 31)},
        "Run old1 (crashed) has the same parameters and had reached epoch 31.",
        [{}],
    ),
]


@pytest.mark.parametrize(
    ("rule", "values", "said", "quiet"), RUN_CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_rule_on_runs_fires_with_its_figures_and_is_quiet_otherwise(
    rule: Callable[[RunFacts], Finding | None], values: dict[str, Any], said: str, quiet: list[dict[str, Any]]
) -> None:
    assert said in fires(rule, **values)
    for other in quiet:
        assert fires(rule, **other) == "", other


SWEEP_CASES: list[tuple[Callable[[SweepFacts], Finding | None], dict[str, Any], str, list[dict[str, Any]]]] = [
    (
        sweeps.zombie_agent,
        {"agents_running": 3, "agents_silent": ("g01-1",), "jobs_alive": 2},
        "1 agent of 3 that W&B calls running is silent (g01-1); 2 jobs of the sweep are alive.",
        [{"agents_running": 3}],
    ),
    (
        sweeps.under_capacity,
        {"jobs_alive": 2, "jobs_expected": 4},
        "2 of 4 agents work for this sweep.",
        [
            {"jobs_alive": 4, "jobs_expected": 4},
            {"state": "FINISHED", "jobs_expected": 4},
            {"jobs_alive": 2, "jobs_expected": 4, "policy": Policy(expected_agents=2)},
        ],
    ),
    (
        sweeps.repeated_failure,
        {"failures": (("g07", "nccl-timeout"),) * 3 + (("g01", "cuda-oom"),)},
        "3 runs died on node g07 within a day: nccl-timeout ×3.",
        [{}, {"failures": (("g07", "nccl-timeout"),) * 2}, {"failures": (("", "python-error"),) * 9}],
    ),
    (
        sweeps.repeated_failure,
        {"burnt": (Burnt("job 4711", "g07", "cuda-oom"),) * 6, "failures": (("g07", "cuda-oom"),) * 6},
        "6 runs died one after another on agent job 4711 (node g07) within a day: cuda-oom ×6.",
        [
            {"burnt": (Burnt("job 4711", "g07", "cuda-oom"),) * 2},
            {"burnt": tuple(Burnt(f"job {n}", "", "cuda-oom") for n in range(6))},
        ],
    ),
    (
        sweeps.repeated_failure,
        {"burnt": (Burnt("job 4711", "g07", "config-error"),) * 3},
        "3 runs died one after another on agent job 4711 (node g07) within a day: config-error ×3; "
        "that is no node's fault.",
        [{"burnt": (Burnt("job 4711", "g07", "config-error"),) * 3, "policy": Policy(repeated_failures=4)}],
    ),
    (
        sweeps.repeated_failure,
        {
            "burnt": (Burnt("job 1", "g07", "nccl-timeout"),) * 3 + (Burnt("job 2", "g07", "nccl-timeout"),) * 2,
            "failures": (("g07", "nccl-timeout"),) * 5,
        },
        "5 runs died on node g07 within a day: nccl-timeout ×5.",
        [],
    ),
    (
        sweeps.disk_filling,
        {"free_bytes": 5 << 30, "checkpoint_bytes": 2 << 30, "live_runs": 2},
        "5 GiB are free, and 2 live runs with checkpoints of 2 GiB want 12 GiB.",
        [
            {"free_bytes": None, "checkpoint_bytes": 2 << 30, "live_runs": 2},
            {"free_bytes": 5 << 30, "live_runs": 2},
            {"free_bytes": 50 << 30, "checkpoint_bytes": 2 << 30, "live_runs": 2},
        ],
    ),
]


@pytest.mark.parametrize(
    ("rule", "values", "said", "quiet"), SWEEP_CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_rule_on_sweeps_fires_with_its_figures_and_is_quiet_otherwise(
    rule: Callable[[SweepFacts], Finding | None], values: dict[str, Any], said: str, quiet: list[dict[str, Any]]
) -> None:
    finding = rule(sweep_facts(**values))
    assert finding is not None
    assert finding.evidence == said
    assert [other for other in quiet if rule(sweep_facts(**other)) is not None] == []


def test_a_config_without_any_seed_is_a_warning_and_one_without_some_is_a_note() -> None:
    some = ConfigFacts(seeded=frozenset({"NumPy", "Python"}))
    finding = reproducibility.missing_seed(run_facts(config=some))
    assert finding is not None
    assert (finding.evidence, finding.severity) == ("The config names no seed for PyTorch, CUDA.", None)
    finding = reproducibility.missing_seed(run_facts(config=ConfigFacts()))
    assert finding is not None
    assert finding.severity is Severity.WARNING


def test_a_rule_that_is_off_says_nothing_and_is_not_silent_either() -> None:
    off = Policy(rules_off={"missing-seed": "the data set is fixed"})
    verdicts = judge(run_facts(config=ConfigFacts(), policy=off), RUN_RULES)
    assert "missing-seed" not in verdicts.found
    assert "missing-seed" not in verdicts.silent
    assert "missing-versions" in verdicts.found


@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_a_checkpoint_is_stale_exactly_beyond_the_limit(hours: float, limit: float) -> None:
    facts = run_facts(checkpoint_at=NOW - timedelta(hours=hours), policy=Policy(checkpoint_stale_hours=limit))
    assert (checkpoints.checkpoint_stale(facts) is not None) == (timedelta(hours=hours) > timedelta(hours=limit))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=80), st.booleans())
def test_no_curve_breaks_a_rule(values: list[float], minimize: bool) -> None:
    curves = Curves(metric=tuple(values), loss=tuple(values), minimize=minimize, metric_is_validation=True)
    for rule in (health.diverged, health.plateau, health.overfitting):
        finding = rule(run_facts(curves=curves))
        assert finding is None or finding.evidence


# checkpoint-bad


@pytest.mark.parametrize(("sound", "word"), [("fail", "is broken"), ("unsafe", "must not be loaded")])
def test_a_bad_newest_checkpoint_is_told_with_what_to_restore_from(sound: str, word: str) -> None:
    told = {"checkpoint_sound": sound, "checkpoint_flaw": "storage 0 is missing", "wandb_state": "crashed"}
    assert (
        fires(checkpoints.checkpoint_bad, **told) == f"The newest checkpoint (step 400) {word}: storage 0 is missing."
    )
    finding = checkpoints.checkpoint_bad(run_facts(**told, good_checkpoint="step_300.pt"))
    assert finding is not None
    assert finding.action == "restore from step_300.pt"


@pytest.mark.parametrize("sound", ["", "pass", "unknown"])
def test_a_checkpoint_that_is_not_proven_bad_raises_nothing(sound: str) -> None:
    assert fires(checkpoints.checkpoint_bad, checkpoint_sound=sound) == ""
    assert fires(checkpoints.checkpoint_bad, checkpoint_sound="fail", wandb_state="finished") == ""
