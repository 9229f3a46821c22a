from django.urls import path

from apps.worktrees.views import acts, pages, picks

app_name = "worktrees"
urlpatterns = [
    path("worktrees", pages.worktrees_page, name="list"),
    path("worktrees/<int:pk>", pages.worktree_page, name="worktree"),
    path("worktrees/new", acts.new, name="new"),
    path("worktrees/<int:pk>/clean", acts.clean, name="clean"),
    path("worktrees/picks", picks.plan, name="picks"),
]
