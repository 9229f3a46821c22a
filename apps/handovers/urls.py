from django.urls import path, re_path

from apps.handovers import acting_views, new_views, views

app_name = "handovers"
urlpatterns = [
    path("handovers", views.handovers_page, name="list"),
    path("handovers/new", new_views.new_page, name="new"),
    path("handovers/new/preview", new_views.preview_part, name="preview"),
    path("handovers/searches", acting_views.save_search, name="save-search"),
    path("handovers/searches/<int:pk>/forget", acting_views.forget_search, name="forget-search"),
    path("handovers/branch/<str:workspace>/<path:branch>", views.branch_page, name="branch"),
    re_path(r"^handovers/naming/(?P<kind>sweep|run|job)/(?P<pk>\d{1,15})$", views.naming_page, name="naming"),
    re_path(r"^handovers/naming/commit/(?P<sha>[0-9a-f]{7,40})$", views.commit_page, name="naming-commit"),
    path("handovers/<int:pk>", views.handover_page, name="handover"),
    path("handovers/<int:pk>/raw", views.raw, name="raw"),
    path("handovers/<int:pk>/compare", views.compare_page, name="compare"),
    path("handovers/<int:pk>/pick-up", acting_views.take_up, name="pick-up"),
    path("handovers/<int:pk>/release", acting_views.give_back, name="release"),
    path("handovers/<int:pk>/archive", acting_views.put_away, name="archive"),
    path("handovers/<int:pk>/restore", acting_views.bring_back, name="restore"),
]
