"""The weekly review at the agents' door: the text that people read in the meeting."""

from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem, not_found
from apps.api.domain.tokens import Scope
from apps.api.schemas.training import ReviewWish
from apps.core.clock import utcnow
from apps.review.domain.markdown import markdown
from apps.review.domain.weeks import NoSuchWeek
from apps.review.reading.meeting import review_of
from apps.review.reading.scopes import running_week, scopes, week_named


@act(Scope.READ)
def weekly_review(caller: Caller, wish: ReviewWish) -> Told:
    """Return the review of a week as Markdown, of one workspace or of all: without a week that of the one that runs."""
    now = utcnow()
    if wish.workspace not in scopes():
        raise not_found(f"There is no workspace '{wish.workspace}'.")
    try:
        week = week_named(wish.week, wish.workspace) if wish.week else running_week(wish.workspace, now)
    except NoSuchWeek as error:
        raise Problem(Kind.INVALID, str(error)) from error
    return {"markdown": markdown(review_of(week, workspace=wish.workspace, now=now))}
