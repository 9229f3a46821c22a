"""The files that a Slurm cluster of one machine needs, as text; nothing here starts a process."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

CLUSTER = "sweeptest"
GPUS_PER_NODE = 2
CGROUP_CONF = "ConstrainRAMSpace=yes\nConstrainSwapSpace=yes\nAllowedSwapSpace=0\n"


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Layout:
    """Where everything of one cluster lies. ``sockets`` is short: a unix socket's path ends at 107 bytes."""

    folder: Path
    sockets: Path
    nodes: tuple[str, ...]
    memory_cgroups: bool = False
    cluster: str = CLUSTER
    controller_port: int = field(default_factory=free_port)
    accounting_port: int = field(default_factory=free_port)
    node_ports: dict[str, int] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    @property
    def accounting_conf(self) -> Path:
        return self.folder / "etc" / "slurmdbd.conf"

    @property
    def munge_key(self) -> Path:
        return self.folder / "etc" / "munge.key"

    @property
    def munge_socket(self) -> Path:
        return self.sockets / "munge"

    @property
    def database_socket(self) -> Path:
        return self.sockets / "db"

    def log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"


def slurm_conf(layout: Layout) -> str:
    """Return slurm.conf: loopback only, quick timers, preemption by requeue, no systemd.

    With ``memory_cgroups`` a job over its memory is OUT_OF_MEMORY, else slurmstepd kills it: FAILED 0:9.
    """
    host = socket.gethostname().split(".")[0]
    here = layout.folder
    return f"""\
ClusterName={layout.cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={layout.controller_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits as long as a credential lives; 120 seconds otherwise.
AuthInfo=socket={layout.munge_socket},cred_expire=5
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin={"task/cgroup" if layout.memory_cgroups else "task/none"}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams={"UsePss" if layout.memory_cgroups else "OverMemoryKill,UsePss"}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={layout.accounting_port}
AccountingStoragePass={layout.munge_socket}
AccountingStorageTRES=gres/gpu,gres/gpu:a100
AccountingStoreFlags=job_comment,job_script,job_env
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
PriorityType=priority/basic
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
KillWait=2
OverTimeLimit=0
MinJobAge=300
MessageTimeout=5
SlurmdTimeout=60
ReturnToService=2
MailProg=/bin/true
StateSaveLocation={here}/state
SlurmdSpoolDir={here}/spool/%n
SlurmctldPidFile={here}/run/slurmctld.pid
SlurmdPidFile={here}/run/slurmd.%n.pid
SlurmctldLogFile={layout.log("slurmctld")}
SlurmdLogFile={layout.log("slurmd.%n")}
SlurmctldDebug=info
SlurmdDebug=info
{_nodes(layout, host)}
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 PriorityTier=1 DefMemPerCPU=100
PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=10 PreemptMode=OFF DefMemPerCPU=100
"""


def _nodes(layout: Layout, host: str) -> str:
    lines = (
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={layout.node_ports[node]}"
        f" CPUs=4 RealMemory=4000 Gres=gpu:a100:{GPUS_PER_NODE} State=UNKNOWN"
        for node in layout.nodes
    )
    return "\n".join(lines)


def gres_conf(layout: Layout) -> str:
    """Return gres.conf. GPUs are plain files: with a count alone the nodes never become valid."""
    lines = ["AutoDetect=off"]
    for node in layout.nodes:
        for number in range(GPUS_PER_NODE):
            lines.append(f"NodeName={node} Name=gpu Type=a100 File={layout.folder}/gpu/{node}-{number}")
    return "\n".join(lines) + "\n"


def slurmdbd_conf(layout: Layout) -> str:
    """Return slurmdbd.conf; the database is reached by MYSQL_UNIX_PORT, a socket of our own."""
    return f"""\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={layout.accounting_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct
LogFile={layout.log("slurmdbd")}
PidFile={layout.folder}/run/slurmdbd.pid
DebugLevel=info
"""


def write_files(layout: Layout) -> None:
    """Write every configuration file, an empty folder for every daemon and a plain file per GPU."""
    for name in ("etc", "log", "run", "state", "spool", "gpu", "db", "munge"):
        (layout.folder / name).mkdir(mode=0o755, exist_ok=True)
    for node in layout.nodes:
        (layout.folder / "spool" / node).mkdir(exist_ok=True)
        for number in range(GPUS_PER_NODE):
            (layout.folder / "gpu" / f"{node}-{number}").touch()
    layout.conf.write_text(slurm_conf(layout))
    (layout.folder / "etc" / "gres.conf").write_text(gres_conf(layout))
    (layout.folder / "etc" / "cgroup.conf").write_text(CGROUP_CONF)
    layout.accounting_conf.touch(mode=0o600)
    layout.accounting_conf.write_text(slurmdbd_conf(layout))
