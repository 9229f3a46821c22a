from django.urls import path

from apps.approvals.views import plans, questions

app_name = "approvals"
urlpatterns = [
    path("plans", plans.plans_page, name="plans"),
    path("plans/<int:pk>", plans.plan_page, name="plan"),
    path("plans/<int:pk>/changes", plans.changes, name="plan-changes"),
    path("plans/<int:pk>/approve", plans.approve, name="approve"),
    path("plans/<int:pk>/turn-back", plans.turn_back, name="turn-back"),
    path("plans/<int:pk>/comment", plans.comment, name="comment"),
    path("questions", questions.questions_page, name="questions"),
    path("questions/<int:pk>", questions.question_page, name="question"),
    path("questions/<int:pk>/answer", questions.answer, name="answer"),
    path("questions/<int:pk>/withdraw", questions.withdraw, name="withdraw"),
]
