from django.urls import path

from apps.alerts import views

app_name = "alerts"
urlpatterns = [
    path("alerts", views.channels_page, name="channels"),
    path("alerts/new", views.new_channel, name="new"),
    path("alerts/<int:pk>/edit", views.edit_channel, name="edit"),
    path("alerts/<int:pk>/switch", views.switch, name="switch"),
    path("alerts/<int:pk>/delete", views.delete, name="delete"),
    path("alerts/<int:pk>/test", views.send_test, name="test"),
    path("alerts/messages/<int:pk>/again", views.again, name="again"),
]
