"""`manage.py estimate_memory PARAMETERS`: how much GPU memory a training will take, before it is launched."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.checkpoints.proof.counting import count_parameters
from apps.checkpoints.proof.outcome import NotSound
from apps.core.units import count
from apps.memory.estimate import GIB, GPUS, OPTIMIZERS, PRECISIONS, Fit, estimate, fits
from apps.memory.here import on_clusters
from apps.memory.parameters import parameters_in
from apps.slurm.gpus import gpu_kinds
from apps.slurm.models import GpuKind


class Command(BaseCommand):
    help = "Estimate the GPU memory of a training, by the practice's rule and by its optimizer. Needs no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("parameters", help="how many, such as 125M or 7B; or a checkpoint to count them in")
        parser.add_argument("--trained", default="", help="how many of them are trained, as with adapters")
        parser.add_argument("--optimizer", default="adamw", choices=sorted(OPTIMIZERS))
        parser.add_argument("--precision", default="fp32", choices=sorted(PRECISIONS))
        parser.add_argument("--gpu", default="", help=f"one type only: {', '.join(GPUS)}")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, **options: Any) -> None:
        parameters = _parameters(options["parameters"])
        trained = _parameters(options["trained"]) if options["trained"] else None
        if options["gpu"] and options["gpu"].lower() not in GPUS:
            raise CommandError(f"The GPU '{options['gpu']}' is not known; known are {', '.join(GPUS)}.")
        try:
            one = estimate(parameters, optimizer=options["optimizer"], precision=options["precision"], trained=trained)
        except ValueError as error:
            raise CommandError(str(error)) from error
        here = [] if options["gpu"] else on_clusters(one, _kinds())
        chosen = {options["gpu"].lower(): GPUS[options["gpu"].lower()]} if options["gpu"] else None
        told = fits(one, chosen)
        if options["as_json"]:
            gpus = [{"gpu": fit.gpu, "gib": fit.gib, "fits": fit.fits, "left_bytes": int(fit.left)} for fit in told]
            lines = {"parameters": parameters, "practice_bytes": int(one.practice), "exact_bytes": int(one.exact)}
            told_here = [
                {"cluster": kind.cluster, "gpu": kind.name, "gpus": kind.gpus, "nodes": kind.nodes,
                 "fits": [{"gib": fit.gib, "fits": fit.fits, "left_bytes": int(fit.left)} for fit in kind.fits]}
                for kind in here
            ]  # fmt: skip
            self.stdout.write(json.dumps({**lines, "gpus": gpus, "clusters": told_here}))
            return
        self.stdout.write(f"{parameters:,} parameters; each figure has 20 % headroom for activations")
        self.stdout.write(f"  {one.practice / GIB:8.1f} GiB  params × 4 × 3 bytes, the practice's rule")
        self.stdout.write(f"  {one.exact / GIB:8.1f} GiB  {options['optimizer']}, {options['precision']}")
        for fit in told:
            self.stdout.write(f"  {fit.gpu:8} {fit.gib:4} GiB  {_said(fit)}")
        for kind in here:
            has = f"{count(kind.gpus, 'GPU')} of type {kind.name or '(no name)'} on {count(kind.nodes, 'node')}"
            said = "; ".join(f"with {fit.gib} GiB it {_said(fit)}" for fit in kind.fits)
            self.stdout.write(f"Slurm on {kind.cluster}: {has}: {said or 'how much memory they have is unknown'}")


def _said(fit: Fit) -> str:
    left = f"{fit.left / GIB:.1f} GiB left" if fit.fits else f"{-fit.left / GIB:.1f} GiB too little"
    return f"{'fits' if fit.fits else 'does not fit'}: {left}"


def _kinds() -> list[GpuKind]:
    """Return the types of GPU that Slurm told; none where there is no database: an estimate needs none."""
    try:
        return gpu_kinds()
    except (DatabaseError, ImproperlyConfigured):
        return []


def _parameters(text: str) -> int:
    """Return a number such as 125M, or the parameters of the model in a checkpoint."""
    path = Path(text)
    try:
        return count_parameters(path) if path.exists() else parameters_in(text)
    except ValueError as error:
        raise CommandError(f"{error} Nor is there a checkpoint of that name." if path.suffix else str(error)) from error
    except (NotSound, OSError) as error:
        raise CommandError(f"The parameters of {path} cannot be counted: {error}.") from error
