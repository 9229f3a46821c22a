"""Operations on sweeps, runs, flags, checkpoints, resumes, and the reports."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Body, Path, Query, Router, Status

from apps.api.acts import checkpoints, flags, resumes, reviews, runs, sweeps
from apps.api.acts.registry import Told
from apps.api.http.operations import about, ask, asked_for
from apps.api.schemas import training as shapes
from apps.api.schemas.base import InPath, Seconds, Word

router = Router(tags=["training"])
MARKDOWN = "text/markdown; charset=utf-8"
_AS_TEXT = {200: {"description": "Markdown", "content": {"text/markdown": {"schema": {"type": "string"}}}}}


@router.get("/sweeps", response=shapes.SweepPage, **about(sweeps.list_sweeps))
def list_sweeps(request: HttpRequest, wish: Query[shapes.SweepsWish]) -> Told:
    return ask(request, sweeps.list_sweeps, asked_for(request, wish))


@router.get("/sweeps/{sweep}", response=shapes.SweepTold, **about(sweeps.show_sweep))
def show_sweep(request: HttpRequest, sweep: Path[Word], project: Word = "") -> Told:
    return ask(request, sweeps.show_sweep, shapes.SweepWish(sweep=sweep, project=project))


@router.get("/runs", response=shapes.RunPage, **about(runs.list_runs))
def list_runs(request: HttpRequest, wish: Query[shapes.RunsWish]) -> Told:
    return ask(request, runs.list_runs, asked_for(request, wish))


@router.get("/runs/{run}", response=shapes.RunTold, **about(runs.show_run))
def show_run(request: HttpRequest, run: Path[Word], project: Word = "") -> Told:
    return ask(request, runs.show_run, shapes.RunWish(run=run, project=project))


@router.get("/runs/{run}/verdict", response=shapes.VerdictTold, **about(runs.run_verdict))
def run_verdict(request: HttpRequest, run: Path[Word], project: Word = "") -> Told:
    return ask(request, runs.run_verdict, shapes.RunWish(run=run, project=project))


@router.get("/runs/{run}/checkpoints", response=shapes.CheckpointsTold, **about(checkpoints.list_checkpoints))
def list_checkpoints(request: HttpRequest, run: Path[Word], project: Word = "") -> Told:
    return ask(request, checkpoints.list_checkpoints, shapes.RunWish(run=run, project=project))


@router.post(
    "/runs/{run}/checkpoints/verify",
    response={200: shapes.ProofTold, 202: shapes.ProofTold},
    **about(checkpoints.verify_checkpoint),
)
def verify_checkpoint(
    request: HttpRequest, run: Path[Word], body: Body[shapes.ProofBody], project: Word = ""
) -> Status[Told]:
    wish = shapes.ProofWish(run=run, project=project, path=body.path)
    told = ask(request, checkpoints.verify_checkpoint, wish)
    return Status(200 if told["state"] == "proven" else 202, told)


@router.get("/runs/{run}/gate", response=shapes.GateTold, **about(resumes.show_gate))
def show_gate(request: HttpRequest, run: Path[Word], project: Word = "") -> Told:
    return ask(request, resumes.show_gate, shapes.RunWish(run=run, project=project))


@router.get("/flags", response=shapes.FlagPage, **about(flags.list_flags))
def list_flags(request: HttpRequest, wish: Query[shapes.FlagsWish]) -> Told:
    return ask(request, flags.list_flags, asked_for(request, wish))


@router.get("/flags/{flag}", response=shapes.FlagTold, **about(flags.show_flag))
def show_flag(request: HttpRequest, flag: Path[InPath]) -> Told:
    return ask(request, flags.show_flag, shapes.FlagWish(flag=flag))


@router.get("/resumes", response=shapes.ResumePage, **about(resumes.list_resumes))
def list_resumes(request: HttpRequest, wish: Query[shapes.ResumesWish]) -> Told:
    return ask(request, resumes.list_resumes, asked_for(request, wish))


@router.post("/resumes", response={201: shapes.AskedTold, 202: shapes.AskedTold}, **about(resumes.request_resume))
def request_resume(request: HttpRequest, body: Body[shapes.ResumeWish]) -> Status[Told]:
    told = ask(request, resumes.request_resume, body)
    return Status(201 if told["state"] == "asked" else 202, told)


@router.get("/resumes/{resume}", response=shapes.ResumeTold, **about(resumes.watch_resume))
def watch_resume(request: HttpRequest, resume: Path[InPath], wait: Seconds = 0) -> Told:
    return ask(request, resumes.watch_resume, shapes.ResumeNumber(resume=resume, wait=wait))


@router.post("/resumes/{resume}/cancel", response=shapes.ResumeTold, **about(resumes.cancel_resume))
def cancel_resume(request: HttpRequest, resume: Path[InPath]) -> Told:
    return ask(request, resumes.cancel_resume, shapes.ResumeNumber(resume=resume))


def _as_text(extra: dict[str, Any]) -> dict[str, Any]:
    return {**extra, "openapi_extra": {**extra["openapi_extra"], "responses": _AS_TEXT}}


@router.get("/reports/active-sweeps", response=None, **_as_text(about(sweeps.active_sweeps)))
def active_sweeps(request: HttpRequest, wish: Query[shapes.ReportWish]) -> HttpResponse:
    told = ask(request, sweeps.active_sweeps, asked_for(request, wish))
    return HttpResponse(told["markdown"], content_type=MARKDOWN)


@router.get("/reports/sweep-status", response=None, **_as_text(about(sweeps.sweep_status)))
def sweep_status(request: HttpRequest, wish: Query[shapes.StatusWish]) -> HttpResponse:
    told = ask(request, sweeps.sweep_status, asked_for(request, wish))
    return HttpResponse(told["markdown"], content_type=MARKDOWN)


@router.get("/reports/weekly-review", response=None, **_as_text(about(reviews.weekly_review)))
def weekly_review(request: HttpRequest, wish: Query[shapes.ReviewWish]) -> HttpResponse:
    told = ask(request, reviews.weekly_review, asked_for(request, wish))
    return HttpResponse(told["markdown"], content_type=MARKDOWN)
