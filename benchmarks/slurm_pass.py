"""What a Slurm pass costs on a real cluster: 10,000 finished jobs in accounting and 1,000 live ones."""

import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.services.slurm import SlurmCluster, available, running_slurm
from tests.services.slurm_config import CLUSTER
from tests.services.slurm_daemons import wait_until

JOBS, STEPS = f"{CLUSTER}_job_table", f"{CLUSTER}_step_table"
FIRST_COPY = 1_000_000


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    able, sentence = available()
    if not able:
        yield f"left out: {sentence}", "—"
        return
    finished, live = (200, 50) if smoke else (10_000, 1_000)
    with tempfile.TemporaryDirectory(prefix="swb-slurm-") as folder, running_slurm(Path(folder)) as cluster:
        _fill(cluster, Path(folder), finished, live)
        yield from _passes(cluster, finished, live)


def _passes(cluster: SlurmCluster, finished: int, live: int) -> Iterator[tuple[str, str]]:
    from apps.slurm.adapters.slurm_cli import SlurmCli
    from apps.slurm.models import Job

    environment, notes = _listening(cluster)
    first = _one_pass(SlurmCli(environment, seconds=60))
    yield f"attempts stored ({finished} finished, {live} live)", str(Job.objects.count())
    yield "first pass, wall time", f"{first.wall:.2f} s"
    yield "first pass, our own CPU (the clients' apart)", f"{first.own:.2f} s"
    yield "attempts with a figure for their memory", str(Job.objects.exclude(max_rss_bytes=None).count())
    notes.unlink()
    steady = [_one_pass(SlurmCli(environment, seconds=60)) for _ in range(3)]
    best = min(steady, key=lambda cost: cost.own)
    yield "steady pass, wall time", f"{best.wall:.2f} s"
    yield "steady pass, our own CPU (the clients' apart)", f"{best.own:.2f} s"
    yield "rows written by a steady pass beside its own", str(max(cost.changed for cost in steady))
    said = notes.read_text()
    yield "clients started by a steady pass", f"{len(said.splitlines()) / len(steady):.1f}"
    yield "of these with --json", str(said.count("--json"))


class Cost:
    """What one pass took: seconds on the wall, seconds of CPU in this process, jobs that changed."""

    def __init__(self, wall: float, own: float, changed: int) -> None:
        self.wall, self.own, self.changed = wall, own, changed


def _one_pass(scheduler: "object") -> Cost:
    from apps.core.clock import utcnow
    from apps.slurm.services import sync_jobs

    cpu, began = _own_cpu(), time.perf_counter()
    changes = sync_jobs(scheduler=scheduler, now=utcnow(), users=[], history_days=14)  # type: ignore[arg-type]  # an adapter
    if not changes.ok:
        from apps.audit.models import SyncPass

        raise RuntimeError(f"the pass failed: {SyncPass.objects.all()[0].error}")
    return Cost(time.perf_counter() - began, _own_cpu() - cpu, len(changes.jobs))


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _listening(cluster: SlurmCluster) -> tuple[dict[str, str], Path]:
    """Return an environment in which every client notes that it was started, and the file of the notes."""
    folder = cluster.layout.folder / "listening"
    folder.mkdir()
    notes, path = folder / "notes", cluster.env["PATH"]
    for name in ("squeue", "sacct", "scontrol"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {notes}\nPATH={path} exec {name} "$@"\n')
        program.chmod(0o755)
    return {**cluster.env, "PATH": f"{folder}:{path}"}, notes


def _fill(cluster: SlurmCluster, folder: Path, finished: int, live: int) -> None:
    """Multiply one finished job in slurmdbd's tables, and hold one array; then let an hour pass for the copies."""
    script = folder / "train.sh"
    script.write_text("#!/bin/bash\npython3 -c 'x = bytearray(b\"x\") * (20 << 20); import time; time.sleep(2)'\n")
    told = ["--comment=sweepboard:run=abc123", f"--output={folder}/%x_%j.out", "--gpus=1", str(script)]
    job_id = cluster.run(["sbatch", "--parsable", *told]).strip()
    # Its start may reach accounting after its end; until then its row has no name.
    row = ["sacct", "-X", "-n", "-P", "-j", job_id, "--format=State,JobName"]
    wait_until(lambda: cluster.run(row).strip() == "COMPLETED|train.sh", 60, "the job to end")
    key = cluster.sql(f"SELECT job_db_inx FROM {JOBS} WHERE id_job = {job_id}").strip()  # noqa: S608 - our own tables
    for table, own in ((JOBS, ("job_db_inx", "id_job")), (STEPS, ("job_db_inx",))):
        _multiply(cluster, table, own, key, finished - 1)
    earlier = ", ".join(f"{name} = {name} - 3600" for name in ("time_submit", "time_start", "time_end"))
    cluster.sql(f"UPDATE {JOBS} SET {earlier} WHERE job_db_inx > {FIRST_COPY}")  # noqa: S608 - our own tables
    cluster.run(["sbatch", "--hold", f"--array=0-{live - 1}", "--output=/dev/null", str(script)])


def _multiply(cluster: SlurmCluster, table: str, own: tuple[str, ...], key: str, copies: int) -> None:
    columns = [line.split("\t")[0] for line in cluster.sql(f"SHOW COLUMNS FROM {table}").splitlines()]
    others = ", ".join(f"`{name}`" for name in columns if name not in own)
    numbers = ", ".join([f"{FIRST_COPY} + seq"] * len(own))
    made = f"SELECT {numbers}, {others} FROM {table} JOIN seq_1_to_{copies} WHERE job_db_inx = {key}"  # noqa: S608 - our own
    cluster.sql(f"INSERT INTO {table} ({', '.join(own)}, {others}) {made}")
