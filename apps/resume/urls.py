from django.urls import path

from apps.resume import views

app_name = "resume"
urlpatterns = [
    path("runs/<int:pk>/resume", views.resume_page, name="run"),
    path("runs/<int:pk>/resume/check", views.check, name="check"),
    path("runs/<int:pk>/resume/press", views.press, name="press"),
    path("runs/<int:pk>/resume/<int:request_pk>/cancel", views.cancel, name="cancel"),
]
