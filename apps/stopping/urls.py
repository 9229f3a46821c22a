from django.urls import path

from apps.stopping import sweep_views, views

app_name = "stopping"
urlpatterns = [
    path("jobs/cancel", views.jobs_page, name="jobs"),
    path("jobs/cancel/press", views.press, name="press"),
    path("sweeps/<int:pk>/stop", sweep_views.sweep_page, name="sweep"),
    path("sweeps/<int:pk>/stop/<slug:wish>", sweep_views.steer, name="steer"),
]
