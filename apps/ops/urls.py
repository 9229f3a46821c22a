from django.contrib.auth import views as auth
from django.urls import path

from apps.ops import views

app_name = "ops"
urlpatterns = [
    path(
        "login/",
        auth.LoginView.as_view(template_name="ops/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("ops/sync", views.sync_now, name="sync-now"),
    path("ops/sources", views.sources_page, name="sources"),
]
