"""Runs the sample until it is told to stop: `python -m apps.sandbox.sample`, started by `manage.py up`."""

import os
import signal
import sys
import time
import tomllib
from pathlib import Path

from apps.core.errors import SweepboardError
from apps.sandbox.sample.agent import act
from apps.sandbox.sample.driver import SampleDriver
from apps.slurm.adapters.local import LocalScheduler

TROUBLE = ("zombie", "stale", "preempted", "failed-by-kill")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def make_situations(driver: SampleDriver) -> None:
    """Start four sweeps, then make trouble; each sentence says what the board should show."""
    cancel_old_sweeps(driver)
    search, trouble, ablation, memory = (
        driver.create_sweep(name) for name in ("search", "trouble", "ablation", "memory")
    )
    driver.submit_agents(search, 2)
    troubled = driver.submit_agents(trouble, 4, runs_each=1)
    driver.submit_agents(ablation, 2, runs_each=2)
    driver.submit("experiments/offline.sbatch", search)
    driver.submit_agents(memory, 1, runs_each=1)
    say("Four sweeps are submitted: a healthy one, two that get into trouble, one that ends in many ways.")
    for task, what in enumerate(TROUBLE):
        job_id = f"{troubled}_{task}"
        if not driver.wait_for_log(job_id, r"'epoch': (6|7|8|9|\d\d)", 120):
            say(f"Job {job_id} did not train; its log below logs/ says why.")
            continue
        _trouble(driver, job_id, what)
    driver.submit_agents(trouble, 1, runs_each=1, time="0:45")
    say("One more agent of the troubled sweep ends at its time limit, with a checkpoint: its run can be resumed.")


def _trouble(driver: SampleDriver, job_id: str, what: str) -> None:
    if what == "zombie":
        driver.signal_job(job_id, signal.SIGKILL)
        say(f"Job {job_id} was killed -9 with everything in it: W&B goes on to say 'running'.")
    elif what == "stale":
        driver.signal_job(job_id, signal.SIGSTOP)
        say(f"Job {job_id} was stopped: the job runs, the heartbeat does not.")
    elif what == "preempted":
        driver.scheduler.preempt(job_id)
        say(f"Job {job_id} was preempted and requeued.")
    else:
        driver.signal_job(job_id, signal.SIGKILL, everything=False)
        say(f"The training in job {job_id} was killed -9; its agent lives on to report it.")


def cancel_old_sweeps(driver: SampleDriver) -> None:
    """Sweeps of an earlier `make run` have no agents any more: cancel them in W&B, keep their runs."""
    import wandb

    from apps.sandbox.sample.layout import PROJECT

    api = wandb.Api(overrides={"base_url": os.environ["WANDB_BASE_URL"]}, api_key=os.environ["WANDB_API_KEY"])
    try:
        old = [sweep.id for sweep in api.project(*reversed(PROJECT.split("/"))).sweeps() if sweep.state == "RUNNING"]
    except ValueError:
        return  # the project is made with its first sweep
    finally:
        # Or every job below would share the side process of ours, and none could be killed alone.
        wandb.teardown()
        os.environ.pop("WANDB_SERVICE", None)
    for sweep_id in old:
        driver.run_wandb("sweep", "--cancel", f"{PROJECT}/{sweep_id}")


def main() -> None:
    config = Path(os.environ["SWEEPBOARD_CONFIG"])
    root = Path(tomllib.loads(config.read_text())["workspace"][0]["root"])
    slots = tomllib.loads(config.read_text())["slurm"]["local_slots"]
    jobs = Path(os.environ.get("SWEEPBOARD_HOME") or Path.cwd() / "var") / "local-jobs"
    driver = SampleDriver(root, LocalScheduler(jobs, slots=slots, kill_wait=8), os.environ)

    def stop(*_: object) -> None:
        driver.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        make_situations(driver)
        if act(root, os.environ, lambda: driver.stopping):
            say("An agent posted a plan and asked a question: both wait in the inbox.")
    except SweepboardError as error:
        say(f"The sample could not be made: {error}")
    while not driver.stopping:
        time.sleep(0.3)
    driver.cancel_all()


if __name__ == "__main__":
    main()
