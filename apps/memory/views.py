"""The page on which the memory of a training is estimated before it is launched, with what to do before that."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.checkpoints.selectors import newest_with_parameters
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.memory.estimate import OPTIMIZERS, PRECISIONS, estimate, fits
from apps.memory.here import on_clusters
from apps.memory.parameters import parameters_in
from apps.slurm.gpus import gpu_kinds

TEMPLATE = "memory/memory.html"
ASKED = ("parameters", "trained", "optimizer", "precision", "run")
# The practice's checklist before a launch; a link carries which of them are ticked.
CHECKLIST = (
    ("estimated", "The memory is estimated: params × 4 × 3 bytes"),
    ("headroom", "20 % of headroom for activations is added"),
    ("one-batch", "One batch was trained before the whole run"),
    ("logged", "torch.cuda.max_memory_allocated() is logged to W&B"),
)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def memory_page(request: HttpRequest) -> HttpResponse:
    """Estimate what the query asks for; the address holds everything, so that a launch can link it."""
    asked = {name: request.GET.get(name, "").strip()[:40] for name in ASKED}
    ticked = set(request.GET.getlist("done"))
    context: dict[str, Any] = {
        "asked": asked,
        "optimizers": OPTIMIZERS,
        "precisions": PRECISIONS,
        "checklist": [(name, text, name in ticked) for name, text in CHECKLIST],
        "ticked": len(ticked & {name for name, _ in CHECKLIST}),
    }
    status = 200
    if asked["run"] and not asked["parameters"]:
        context |= _counted(asked)
    if asked["parameters"]:
        try:
            context |= _estimated(asked)
        except ValueError as error:
            context["refused"], status = str(error), 422
    return render_page(request, TEMPLATE, context, partials=("memory",), status=status)


def _estimated(asked: dict[str, str]) -> dict[str, Any]:
    parameters = parameters_in(asked["parameters"])
    trained = parameters_in(asked["trained"]) if asked["trained"] else None
    chosen = {"optimizer": asked["optimizer"] or "adamw", "precision": asked["precision"] or "fp32"}
    one = estimate(parameters, trained=trained, **chosen)
    return {
        "parameters": parameters,
        "estimate": one,
        "here": on_clusters(one, gpu_kinds()),
        "fits": fits(one),
        "chosen": chosen,
    }


def _counted(asked: dict[str, str]) -> dict[str, Any]:
    """Take the parameters from the newest proof of a run's checkpoints that counted them."""
    proof = newest_with_parameters(int(asked["run"])) if asked["run"].isdecimal() else None
    if proof is None:
        return {"not_counted": True}
    asked["parameters"] = str(proof.parameters)
    return {"counted_in": proof}
