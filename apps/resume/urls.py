from django.urls import path

from apps.resume import auto_views, sweep_views, views

app_name = "resume"
urlpatterns = [
    path("runs/<int:pk>/resume", views.resume_page, name="run"),
    path("runs/<int:pk>/resume/check", views.check, name="check"),
    path("runs/<int:pk>/resume/press", views.press, name="press"),
    path("runs/<int:pk>/resume/<int:request_pk>/cancel", views.cancel, name="cancel"),
    path("runs/<int:pk>/resume/auto/<slug:switch>", auto_views.switch_run, name="auto-run"),
    path("sweeps/<int:pk>/resume/auto/<slug:switch>", auto_views.switch_sweep, name="auto-sweep"),
    path("sweeps/<int:pk>/resume", sweep_views.sweep_page, name="sweep"),
    path("sweeps/<int:pk>/resume/check", sweep_views.check_all, name="check-all"),
    path("sweeps/<int:pk>/resume/press", sweep_views.press_all, name="press-all"),
]
