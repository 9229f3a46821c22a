from django.urls import path, re_path

from apps.review.views import wall, week, writing

WEEK = r"^review/(?P<text>[0-9]{4}-?[Ww][0-9]{2})"

app_name = "review"
urlpatterns = [
    path("review", week.running, name="running"),
    path("review/wall", wall.wall_page, name="wall"),
    re_path(rf"{WEEK}$", week.week_page, name="week"),
    re_path(rf"{WEEK}\.md$", week.as_markdown, name="markdown"),
    re_path(rf"{WEEK}\.json$", week.as_json_text, name="json"),
    re_path(rf"{WEEK}/rows/(?P<figure>[a-z-]+)$", week.rows_page, name="rows"),
    re_path(rf"{WEEK}/notes$", writing.add_note, name="note"),
    re_path(rf"{WEEK}/actions$", writing.add_action, name="action"),
    re_path(rf"{WEEK}/actions/(?P<pk>\d{{1,15}})$", writing.set_done, name="done"),
    re_path(rf"{WEEK}/attendance$", writing.attend, name="attend"),
    re_path(rf"{WEEK}/attendance/(?P<pk>\d{{1,15}})/off$", writing.take_off, name="take-off"),
]
