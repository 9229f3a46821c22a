"""`manage.py estimate_memory PARAMETERS`: how much GPU memory a training will take, before it is launched."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.checkpoints.proof.counting import count_parameters
from apps.checkpoints.proof.outcome import NotSound
from apps.memory.estimate import GIB, GPUS, OPTIMIZERS, PRECISIONS, estimate, fits
from apps.memory.parameters import parameters_in


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
        chosen = {options["gpu"].lower(): GPUS[options["gpu"].lower()]} if options["gpu"] else None
        told = fits(one, chosen)
        if options["as_json"]:
            gpus = [{"gpu": fit.gpu, "gib": fit.gib, "fits": fit.fits, "left_bytes": int(fit.left)} for fit in told]
            lines = {"parameters": parameters, "practice_bytes": int(one.practice), "exact_bytes": int(one.exact)}
            self.stdout.write(json.dumps({**lines, "gpus": gpus}))
            return
        self.stdout.write(f"{parameters:,} parameters; each figure has 20 % headroom for activations")
        self.stdout.write(f"  {one.practice / GIB:8.1f} GiB  params × 4 × 3 bytes, the practice's rule")
        self.stdout.write(f"  {one.exact / GIB:8.1f} GiB  {options['optimizer']}, {options['precision']}")
        for fit in told:
            said = f"{fit.left / GIB:.1f} GiB left" if fit.fits else f"{-fit.left / GIB:.1f} GiB too little"
            self.stdout.write(f"  {fit.gpu:8} {fit.gib:4} GiB  {'fits' if fit.fits else 'does not fit'}: {said}")


def _parameters(text: str) -> int:
    """Return a number such as 125M, or the parameters of the model in a checkpoint."""
    path = Path(text)
    try:
        return count_parameters(path) if path.exists() else parameters_in(text)
    except ValueError as error:
        raise CommandError(f"{error} Nor is there a checkpoint of that name." if path.suffix else str(error)) from error
    except (NotSound, OSError) as error:
        raise CommandError(f"The parameters of {path} cannot be counted: {error}.") from error
