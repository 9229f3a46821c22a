from django.urls import path, re_path

from apps.pages.views import charts, logs, naming, run, sweep

app_name = "pages"
urlpatterns = [
    path("runs/<int:pk>", run.page, name="run"),
    path("runs/<int:pk>/states", run.states_chart, name="run-states"),
    re_path(r"^runs/(?P<pk>\d{1,15})/states\.(?P<form>json|csv)$", run.states_chart, name="run-states-as"),
    path("runs/<int:pk>/notes", run.add, name="note-add"),
    path("runs/<int:pk>/notes/<int:note_pk>", run.edit, name="note-edit"),
    path("runs/<int:pk>/logs/<int:log_pk>", logs.log_page, name="log"),
    path("sweeps/<int:pk>", sweep.page, name="sweep"),
    path("sweeps/<int:pk>/runs.csv", sweep.runs_csv, name="runs-csv"),
    path("sweeps/<int:pk>/views", sweep.keep, name="keep-view"),
    path("sweeps/<int:pk>/views/<int:view_pk>/forget", sweep.forget, name="forget-view"),
    path("sweeps/<int:pk>/compare", charts.compare, name="compare"),
    path("sweeps/<int:pk>/charts/<slug:name>", charts.chart, name="chart"),
    re_path(
        r"^sweeps/(?P<pk>\d{1,15})/charts/(?P<name>[a-z-]{1,40})\.(?P<form>json|csv)$", charts.chart, name="chart-as"
    ),
    path("runs/<str:run_id>", naming.run, name="run-by-id"),
    path("sweeps/<str:sweep_id>", naming.sweep, name="sweep-by-id"),
]
