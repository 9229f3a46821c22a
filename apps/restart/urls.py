from django.urls import path

from apps.restart import views

app_name = "restart"
urlpatterns = [
    path("runs/<int:pk>/restart", views.run_page, name="run"),
    path("runs/<int:pk>/restart/press", views.press_run, name="press-run"),
    path("sweeps/<int:pk>/restart", views.sweep_page, name="sweep"),
    path("sweeps/<int:pk>/restart/press", views.press_sweep, name="press-sweep"),
]
