"""Every HTTP address of the project that Django answers.

Streams are answered ahead of Django, in routing.py.
"""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.urls.resolvers import URLPattern, URLResolver
from django.views.generic import RedirectView
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.passwords import change_own
from config.health import healthz
from ledger.api.polling import BalancePollView
from realtime.exposition import MetricsView

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("", include("realtime.urls")),
    path("", include("accounts.urls")),
    path("", include("ledger.urls")),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(api_urlpatterns)),
    path("api/credits/balance/poll", BalancePollView.as_view(), name="balance-poll"),
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("language", set_language, name="language"),
    path("admin/password_change/", admin.site.admin_view(change_own, cacheable=True)),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    # Browsers ask for it on pages that name no icon, as the admin's.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}ledger/icon.svg"), name="favicon"),
    path("", include("ledger.pages")),
    path("", include("ledger.debug")),
]
