"""A real Slurm cluster on this machine, for tests and for people who want to try things.

``python -m tests.services.slurm DIR`` brings it up in DIR, prints what to export and stays until Ctrl-C.
Everything is its own: munge key, database, ports, folders. It listens on the loopback only and needs
root, as slurmd does. Two partitions: ``batch``, and ``urgent`` which preempts it by requeue.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.slurm_cgroups import MemoryCgroups
from tests.services.slurm_config import CLUSTER, Layout, free_port, write_files
from tests.services.slurm_daemons import (
    MARK,
    Daemons,
    kill_all,
    marked_processes,
    wait_until,
    with_descendants,
)

NODES = ("n1", "n2", "n3")
_DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd")
_CLIENTS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr")
_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def missing() -> list[str]:
    """Return the programs that a cluster needs and this machine lacks; 'root' when we are not."""
    absent = [name for name in (*_DAEMONS, *_CLIENTS) if shutil.which(name, path=_PATH) is None]
    return absent if os.geteuid() == 0 else [*absent, "root"]


def available() -> tuple[bool, str]:
    """Return whether a cluster can be brought up here, and a sentence that names what is missing."""
    absent = missing()
    if not absent:
        return True, "A real Slurm can be started here."
    return False, f"A real Slurm cannot be started here: missing {', '.join(absent)}."


class SlurmCluster:
    """A running cluster. Build it with ``running_slurm``, which also takes it down."""

    def __init__(self, folder: Path, nodes: Sequence[str] = NODES, name: str = CLUSTER) -> None:
        self.name = name
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        sockets = Path(tempfile.mkdtemp(prefix="swb-", dir="/tmp"))
        sockets.chmod(0o755)  # munge refuses a socket below a folder that others cannot enter
        ports = {node: free_port() for node in nodes}
        self._cgroups = MemoryCgroups(nodes)
        self.layout = Layout(folder, sockets, tuple(nodes), self._cgroups.usable, name, node_ports=ports)
        self.conf = self.layout.conf
        self.env = {**_outside_environment(), "SLURM_CONF": str(self.conf)}
        self._mark = f"{folder}:{secrets.token_hex(4)}"
        daemon_env = {**self.env, MARK: self._mark, "MYSQL_UNIX_PORT": str(self.layout.database_socket)}
        self._daemons = Daemons(folder / "log", daemon_env)

    # bringing up

    def start(self) -> None:
        """Bring everything up, in the order in which one daemon needs another; about 4 seconds."""
        write_files(self.layout)
        self._start_database()
        self._start_munge()
        self._daemons.wait_ready("mariadbd", lambda: _accepts(self.layout.database_socket))
        self.start_accounting()
        self.run(["sacctmgr", "-i", "add", "cluster", self.name])
        self.start_controller()
        for node in self.layout.nodes:
            self._spawn_node(node)
        self.wait_for(lambda: set(self.node_states().values()) == {"idle"}, 30)
        self.wait_for(self._accounting_registered, 20)

    def _start_munge(self) -> None:
        layout = self.layout
        layout.munge_key.write_bytes(secrets.token_bytes(128))
        layout.munge_key.chmod(0o600)
        command = ["munged", "--foreground", "--force", f"--key-file={layout.munge_key}"]
        command += [f"--socket={layout.munge_socket}", f"--log-file={layout.log('munged')}"]
        command += [f"--pid-file={layout.folder}/run/munged.pid", f"--seed-file={layout.folder}/munge/seed"]
        self._daemons.start("munged", command)
        self._daemons.wait_ready("munged", lambda: _accepts(layout.munge_socket))

    def _start_database(self) -> None:
        # Without grant tables the data folder can start empty, which saves mariadb-install-db's seconds;
        # nobody reaches it, since it has no network and its socket lies in a folder of ours.
        command = ["mariadbd", "--no-defaults", f"--datadir={self.layout.folder}/db", "--skip-grant-tables"]
        command += ["--skip-networking", f"--socket={self.layout.database_socket}", "--user=root"]
        command += [f"--pid-file={self.layout.folder}/run/mariadbd.pid", "--skip-log-bin"]
        command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-fast-shutdown=2", "--sync-frm=0"]
        command += ["--innodb-lock-wait-timeout=900", "--innodb-log-file-size=64M"]
        self._daemons.start("mariadbd", command)

    def start_controller(self, *, forget: bool = False) -> None:
        """Start slurmctld and wait until it answers; with ``forget`` it has lost every job that it knew."""
        self._daemons.start("slurmctld", ["slurmctld", "-D", *(["-c"] if forget else [])])
        self._daemons.wait_ready("slurmctld", lambda: self._answers(["scontrol", "ping"]))

    def stop_controller(self) -> None:
        """Stop slurmctld; running jobs go on, clients get no answer."""
        self._daemons.stop("slurmctld", patience=10)

    def start_accounting(self) -> None:
        """Start slurmdbd and wait until it answers."""
        self._daemons.start("slurmdbd", ["slurmdbd", "-D"])
        ask = ["sacctmgr", "-n", "show", "cluster"]
        self._daemons.wait_ready("slurmdbd", lambda: _listens(self.layout.accounting_port))
        self._daemons.wait_ready("slurmdbd", lambda: self._answers(ask))

    def stop_accounting(self) -> None:
        """Stop slurmdbd; the controller goes on and keeps what it wants to tell it."""
        self._daemons.stop("slurmdbd", patience=10)

    def _spawn_node(self, node: str) -> None:
        self._daemons.start(f"slurmd.{node}", ["slurmd", "-D", "-N", node])

    def start_node(self, node: str) -> None:
        """Start one slurmd and wait until its node takes jobs again."""
        self._spawn_node(node)
        self.wait_for(lambda: self.node_states()[node] in {"idle", "mixed", "allocated"}, 30)

    def stop_node(self, node: str) -> None:
        """Stop one slurmd; the jobs that it started go on until the controller gives the node up."""
        self._daemons.stop(f"slurmd.{node}")

    def node_down(self, node: str, reason: str = "test") -> None:
        """Declare a node dead: its jobs end as NODE_FAIL or are requeued."""
        self.run(["scontrol", "update", f"nodename={node}", "state=down", f"reason={reason}"])

    def node_resume(self, node: str) -> None:
        """Give a node back that was declared dead; no error when it came back by itself."""
        self.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=False)
        self.wait_for(lambda: self.node_states()[node] in {"idle", "mixed", "allocated"}, 30)

    # asking

    def run(self, command: Sequence[str], *, check: bool = True, seconds: float = 30) -> str:
        """Run a client against this cluster and return its output."""
        done = subprocess.run(list(command), env=self.env, capture_output=True, text=True, timeout=seconds, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def wait_for(self, predicate: Callable[[], bool], seconds: float = 30) -> None:
        """Return once ``predicate()`` is true, or raise after ``seconds``."""
        wait_until(predicate, seconds, getattr(predicate, "__name__", "the cluster"))

    def node_states(self) -> dict[str, str]:
        """Return each node's state as sinfo's long word, without its flags."""
        lines = self.run(["sinfo", "-h", "-N", "-p", "batch", "-o", "%N %T"]).split("\n")
        return {node: state.rstrip("*~#$@+-!") for node, _, state in (x.partition(" ") for x in lines if x)}

    def _answers(self, command: Sequence[str]) -> bool:
        done = subprocess.run(list(command), env=self.env, capture_output=True, timeout=30, check=False)
        return done.returncode == 0 and b"DOWN" not in done.stdout

    def _accounting_registered(self) -> bool:
        port = self.run(["sacctmgr", "-n", "-P", "show", "cluster", self.name, "format=ControlPort"])
        return port.strip() == str(self.layout.controller_port)

    def sql(self, statement: str) -> str:
        """Run SQL on slurmdbd's own tables and return the rows, tab-separated; for tests of size only."""
        command = ["mariadb", "--no-defaults", f"--socket={self.layout.database_socket}", "-N", "-B", "slurm_acct"]
        return self.run([*command, "-e", statement], seconds=120)

    # taking down

    def stop(self) -> None:
        """Stop every daemon and every job by process id; also after a start that failed half-way."""
        for name in reversed(self._daemons.names()):
            # Nothing here is kept, and SIGKILL spares the seconds of an orderly end.
            self._daemons.stop(name, kill_now=True)
        own = {os.getpid(), os.getppid()}
        for _ in range(5):
            left = [pid for pid in with_descendants(marked_processes(self._mark)) if pid not in own]
            if not left:
                break
            kill_all(left)
            time.sleep(0.1)
        self._cgroups.give_back()
        shutil.rmtree(self.layout.sockets, ignore_errors=True)


def _outside_environment() -> dict[str, str]:
    # Settings of another cluster must not leak into this one.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SQUEUE", "SACCT"))}
    return {**kept, "PATH": _PATH}


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.connect(("127.0.0.1", port))
        return True
    return False


@contextmanager
def running_slurm(folder: Path, *, name: str = CLUSTER, nodes: Sequence[str] = NODES) -> Iterator[SlurmCluster]:
    """Yield a cluster whose nodes are idle, and stop everything of it afterwards, come what may."""
    cluster = SlurmCluster(folder, nodes, name)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def main(arguments: Sequence[str]) -> int:
    """Bring a cluster up in the folder named by the first argument and stay until Ctrl-C."""
    able, sentence = available()
    if len(arguments) != 1 or not able:
        sys.stderr.write("usage: python -m tests.services.slurm DIR\n" if able else f"{sentence}\n")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), running_slurm(Path(arguments[0])) as cluster:
        sys.stdout.write(f"export SLURM_CONF={cluster.conf}\n")
        sys.stdout.flush()
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
