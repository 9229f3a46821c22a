"""Every URL of Sweepboard."""

from django.urls import include, path

urlpatterns = [
    path("", include("apps.board.urls")),
    path("", include("apps.memory.urls")),
    path("", include("apps.handovers.urls")),
    path("", include("apps.closing.urls")),
    path("", include("apps.resume.urls")),
    path("", include("apps.stopping.urls")),
    path("", include("apps.restart.urls")),
    path("", include("apps.alerts.urls")),
    path("", include("apps.approvals.urls")),
    path("", include("apps.api.urls")),
    path("", include("apps.worktrees.urls")),
    path("", include("apps.review.urls")),
    path("", include("apps.pages.urls")),
    path("", include("apps.ops.urls")),
]

handler400 = "apps.ops.views.bad_request"
handler403 = "apps.ops.views.forbidden"
handler404 = "apps.ops.views.not_found"
handler500 = "apps.ops.views.server_error"
