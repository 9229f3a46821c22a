from django.urls import path

from apps.closing import views

app_name = "closing"
urlpatterns = [
    path("runs/<int:pk>/close", views.close_page, name="run"),
    path("runs/<int:pk>/close/press", views.press, name="press"),
]
