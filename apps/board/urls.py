from django.urls import path

from apps.board import checkpoint_views, flag_views, gpu_views, inbox, incident_views, offline, views, waiting_views

app_name = "board"
urlpatterns = [
    path("", views.board_page, name="board"),
    path("board/updates", views.updates, name="updates"),
    path("board/questions", views.questions_strip, name="questions"),
    path("board/active-sweeps.md", views.active_sweeps_text, name="active-sweeps"),
    path("inbox", waiting_views.waiting_page, name="inbox"),
    path("inbox/changes", waiting_views.changes, name="inbox-changes"),
    path("flags", inbox.inbox_page, name="flags"),
    path("flags/triage", flag_views.triage_flags, name="triage"),
    path("flags/<int:pk>", flag_views.flag_page, name="flag"),
    path("discrepancies", incident_views.discrepancies_page, name="discrepancies"),
    path("preemptions", incident_views.preemptions_page, name="preemptions"),
    path("runs/<int:pk>/checkpoints", checkpoint_views.checkpoints_page, name="checkpoints"),
    path("runs/<int:pk>/checkpoints/verify", checkpoint_views.verify, name="verify"),
    path("gpu-hours", gpu_views.gpu_hours_page, name="gpu-hours"),
    path("board/sweep-status.md", views.sweep_status_text, name="sweep-status"),
    path("offline", offline.offline_page, name="offline"),
    path("offline/<int:pk>/upload", offline.upload, name="upload"),
    path("offline/upload-all", offline.upload_all, name="upload-all"),
]
