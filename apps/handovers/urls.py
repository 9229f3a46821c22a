from django.urls import path

from apps.handovers import views, write_views

app_name = "handovers"
urlpatterns = [
    path("handovers", views.handovers_page, name="list"),
    path("handovers/new", write_views.new_handover, name="new"),
    path("handovers/searches", views.save_search, name="save-search"),
    path("handovers/searches/<int:pk>/forget", views.forget_search, name="forget-search"),
    path("handovers/branch/<str:workspace>", views.branch_page, name="branch"),
    path("handovers/<int:pk>", views.handover_page, name="handover"),
    path("handovers/<int:pk>/raw", views.raw, name="raw"),
    path("handovers/<int:pk>/compare", views.compare_page, name="compare"),
    path("handovers/<int:pk>/pick-up", views.take_up, name="pick-up"),
    path("handovers/<int:pk>/release", views.give_back, name="release"),
    path("handovers/<int:pk>/restore", views.bring_back, name="restore"),
]
