"""Django's settings, made from what the environment says.

No module but this one and env.py decides how an installation differs from another.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from corsheaders.defaults import default_headers
from csp.constants import NONE, SELF

from config.env import BASE_DIR, Environment, load
from config.logs import is_refusal

django_stubs_ext.monkeypatch()  # lets ModelAdmin[User] and its like run, not only type-check

ENVIRONMENT: Environment = load()

DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
ALLOWED_ORIGINS = list(ENVIRONMENT.allowed_origins)
PROXIES = list(ENVIRONMENT.proxies)

# --- apps -----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Before staticfiles: its runserver must be the one that is found. All others would load Twisted for nothing.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "servestatic",
    "corsheaders",
    "csp",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "realtime",
    "accounts",
    "ledger",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.lengths.measured",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.odd_input.OddInput",
    "axes.middleware.AxesMiddleware",  # last: it puts its answer in the place of a sign-in's
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- data -----------------------------------------------------------------------------------------


def _database(environment: Environment) -> dict[str, Any]:
    config = dict(environment.database)
    # Under ASGI a kept connection belongs to a thread that may never come back; the pool is shared instead.
    config["CONN_MAX_AGE"] = 0
    options = dict(config.get("OPTIONS", {}))
    if config["ENGINE"] == "django.db.backends.sqlite3":
        Path(config["NAME"]).parent.mkdir(parents=True, exist_ok=True)
        options |= {
            # A transaction that reads first and writes later would fail at once with "database is locked".
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={environment.sqlite_synchronous};",
        }
    else:
        # Else each that lay idle while the database was restarted would cost somebody an error.
        config["CONN_HEALTH_CHECKS"] = True
        # An attempt is given up soon and made anew for the next who asks: else, by psycopg's back-off, a database that
        # was away for a minute would be away for another.
        options["pool"] = {"min_size": 1, "max_size": environment.database_pool, "timeout": 10, "reconnect_timeout": 2}
        options.setdefault("connect_timeout", 5)
    return config | {"OPTIONS": options}


DATABASES = {"default": _database(ENVIRONMENT)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if ENVIRONMENT.redis_url:
    CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [ENVIRONMENT.redis_url], "prefix": ENVIRONMENT.channel_prefix},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# In memory on purpose: sessions and throttles must not stop with Redis.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- who is who -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
SESSION_ENGINE = "accounts.session_store"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# The first asks whether somebody has guessed too often; the second knows the passwords.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = ENVIRONMENT.sign_in_failures
AXES_COOLOFF_TIME = timedelta(seconds=ENVIRONMENT.sign_in_pause)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "accounts.locks.locked_page"
AXES_CLIENT_IP_CALLABLE = "accounts.locks.address_of"
AXES_USERNAME_CALLABLE = "accounts.locks.name_of"
AXES_RESET_ON_SUCCESS = True
# Who is locked out cannot stay so by going on, and leaves no more rows.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
# Of a request that failed the admin shows neither what was typed nor what stood in its address.
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "password", "csrfmiddlewaretoken", "next"]
AXES_SENSITIVE_PARAMETERS += ["token", "ticket", "access", "refresh"]

SIMPLE_JWT = {
    "SIGNING_KEY": ENVIRONMENT.jwt_signing_key,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": False,
    # A changed password ends every token made with the old one.
    "CHECK_REVOKE_TOKEN": True,
}

# --- HTTP -----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["ledger.api.parsers.ExactJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": "60/min",
        "user": "1200/min",
        "ledger_read": "1200/min",
        "ledger_write": "1200/min",
    },
    "COERCE_DECIMAL_TO_STRING": True,
    # By then the address is the client's: what proxies say is read once, and only where it may be believed (asgi.py).
    "NUM_PROXIES": 0,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Ledger",
    "DESCRIPTION": "A ledger in which every committed change reaches every screen that may see it.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # From the project's own static files: no page asks another server for anything.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

CORS_ALLOWED_ORIGINS = ALLOWED_ORIGINS
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "if-none-match"]
CORS_EXPOSE_HEADERS = ["ETag", "Idempotent-Replayed", "Retry-After", "X-Cursor", "X-Poll-Interval-Ms"]
CSRF_TRUSTED_ORIGINS = ALLOWED_ORIGINS

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = ENVIRONMENT.https
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = ENVIRONMENT.hsts_seconds if ENVIRONMENT.https else 0
SECURE_SSL_REDIRECT = SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT.https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]  # load balancers and Prometheus ask beside the proxy, without TLS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# What a page may load and whom it may talk to: this server. No inline script or style, so that markup which somebody
# smuggled into a description stays text.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# --- static files ---------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = ENVIRONMENT.static_root or None
# Without a place to collect to, files are served from where the apps keep them.
SERVESTATIC_USE_FINDERS = not ENVIRONMENT.static_root
SERVESTATIC_AUTOREFRESH = DEBUG
_STATIC_STORAGE = (
    "servestatic.storage.CompressedManifestStaticFilesStorage"
    if ENVIRONMENT.static_root
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _STATIC_STORAGE},
}

# --- language, time, logs -------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
# What somebody chose on a page outlasts the session: it is theirs, and says nothing of who they are.
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "scrub": {"()": "realtime.scrub.ScrubFilter"},
        "refusals": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: not is_refusal(record)},
        "outage": {"()": "config.logs.OutageFilter"},
    },
    "formatters": {
        "line": {
            "class": "config.logs.LineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["scrub"]}},
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
    # Django gives these handlers of their own, which would print each line twice and unscrubbed.
    "loggers": {
        **{name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
        "uvicorn.error": {"filters": ["refusals"]},
        "channels_redis.pubsub": {"filters": ["outage"]},
    },
}

# --- events ---------------------------------------------------------------------------------------

REALTIME: dict[str, Any] = {
    "ALLOWED_ORIGINS": ALLOWED_ORIGINS,
    "AUTHENTICATION_RULE": "accounts.authentication.is_current",
    "SIGN_OUT": "accounts.sessions.sign_out",
    **ENVIRONMENT.realtime,
}
