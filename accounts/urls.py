"""The HTTP addresses of this app, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from accounts import views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("families", views.FamilyViewSet, basename="family")
router.register("families/<uuid:family_id>/members", views.MemberViewSet, basename="member")

urlpatterns = [
    path("auth/token", views.SignInView.as_view(), name="sign-in"),
    path("auth/refresh", views.RefreshView.as_view(), name="refresh"),
    path("auth/logout", views.SignOutView.as_view(), name="sign-out"),
    path("me", views.MeView.as_view(), name="me"),
    path("", include(router.urls)),
]
