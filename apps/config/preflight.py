"""What `make run` checks before it starts anything. Every problem is a sentence that says what to set."""

import fcntl
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from apps.config import env
from apps.core.errors import Permanent
from apps.slurm.wiring import adapters_in_words
from apps.workspaces.config import SweepboardConfig
from apps.workspaces.selectors import current_config


class CannotStart(Permanent):
    """A setting is missing or wrong."""


@dataclass(frozen=True)
class Plan:
    """What will be run. ``sandbox`` is True without a W&B key; ``scheduler`` says which adapter and why."""

    config: SweepboardConfig
    sandbox: bool
    scheduler: str


def plan_start() -> Plan:
    """Check every setting and return what to run; ``CannotStart`` or ``ConfigError`` says what to set."""
    _check_port()
    _check_public_url()
    check_services()
    config = current_config()
    if settings.SAMPLE or not (settings.WANDB_API_KEY or config.wandb.api_key):
        _check_nothing_half_set(config)
        return Plan(config, sandbox=True, scheduler="local processes, for the sample workspace")
    if not config.projects():
        raise CannotStart(
            "A W&B key is set, but no project to follow. Name them in sweepboard.toml under [wandb] projects "
            "and set SWEEPBOARD_CONFIG to that file; `manage.py init_config` writes a sample."
        )
    _check_roots(config)
    return Plan(config, sandbox=False, scheduler=adapters_in_words())


def only_one_in_this_home() -> IO[str]:
    """Lock the state folder for the life of this process; ``CannotStart`` when another Sweepboard has it.

    The kernel gives the lock back when the process ends, however it ends.
    """
    path = env.HOME / "up.lock"
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise CannotStart(
            f"Another Sweepboard runs in {env.HOME}. Stop it first, or set SWEEPBOARD_HOME (and PORT) for a second one."
        ) from error
    return lock


def check_services() -> None:
    """Check the database and, where one is named, Redis; the state folder was checked with the settings."""
    _check_database()
    if not settings.EMBEDDED_REDIS:
        _check_redis()


def _check_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((env.HOST, env.PORT))
        except OSError as error:
            raise CannotStart(
                f"{env.HOST}:{env.PORT} cannot be used ({error.strerror}). Set PORT (or HOST) to another one, "
                "or stop what listens there; it may be another Sweepboard."
            ) from error


def _check_public_url() -> None:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", settings.PUBLIC_URL):
        raise CannotStart(
            f"SWEEPBOARD_URL is '{settings.PUBLIC_URL}', which is no address of a web page. Set it to what people "
            "open, such as https://sweepboard.example.org."
        )


def _check_database() -> None:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        raise CannotStart(f"The database does not answer ({reason}). Check DATABASE_URL.") from error


def _check_redis() -> None:
    try:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5)
        client.ping()
        client.close()
    except (redis.RedisError, ValueError) as error:
        raise CannotStart(
            f"Redis does not answer ({error}). Check REDIS_URL, or leave it out to use the embedded server."
        ) from error


def _check_nothing_half_set(config: SweepboardConfig) -> None:
    """Someone who named projects meant their own W&B: do not show them a sample instead."""
    if not settings.SAMPLE and config.projects():
        raise CannotStart(
            "sweepboard.toml names W&B projects, but no key is set. Set WANDB_API_KEY (and WANDB_BASE_URL for "
            "a server of your own), or leave SWEEPBOARD_CONFIG out to see the sample workspace."
        )
    if not settings.SAMPLE and settings.WANDB_BASE_URL:
        raise CannotStart("WANDB_BASE_URL is set, but no key. Set WANDB_API_KEY as well.")


def _check_roots(config: SweepboardConfig) -> None:
    for workspace in config.workspace:
        if not Path(workspace.root).is_dir():
            raise CannotStart(
                f"The root of workspace '{workspace.name}', {workspace.root}, is no folder on this machine. "
                "Set `root` in sweepboard.toml to the checkout on the shared filesystem."
            )
