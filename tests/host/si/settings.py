"""The settings of a project that is not ours."""

import os
from pathlib import Path
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "the project's own, for the tests only"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
ROOT_URLCONF = "si.urls"
FORCE_SCRIPT_NAME = "/si"
AUTH_USER_MODEL = "accounts.User"
LANGUAGE_CODE = "fr"
TIME_ZONE = "Europe/Paris"
STATIC_URL = "static/"

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "dsintegration": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": BASE_DIR / "fichiers", "base_url": None},
    },
}

INSTALLED_APPS = [
    "si",
    "si.admin.SIAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "accounts",
    "dsintegration",
]
MIDDLEWARE = [
    "dsintegration.health.middleware.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Each request is a transaction here.
if url := os.environ.get("DATABASE_URL"):
    parts = urlsplit(url)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": parts.hostname,
            "PORT": parts.port,
            "USER": parts.username,
            "NAME": parts.path.removeprefix("/"),
            "ATOMIC_REQUESTS": True,
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "dsintegration.hosting.sqlite3",
            "NAME": BASE_DIR / "db.sqlite3",
            "OPTIONS": {
                "timeout": 10,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
            "ATOMIC_REQUESTS": True,
            "TEST": {"NAME": BASE_DIR / "test.sqlite3"},
        }
    }

REST_FRAMEWORK = {
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.NamespaceVersioning",
    "ALLOWED_VERSIONS": ["v7"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.ScopedRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"read": "1/day", "fetch": "1/day"},
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 1,
    "EXCEPTION_HANDLER": "si.api.handle",
    "UNICODE_JSON": False,
    "COMPACT_JSON": False,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {"TITLE": "L'API interne", "SCHEMA_PATH_PREFIX": "/interne"}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "handlers": {"null": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["null"], "level": "INFO"},
}
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}  # Django 6.1
DEFAULT_FROM_EMAIL = "si@example.org"

# What docs/integration.md asks for.
DS_API_TOKEN = os.environ.get("DS_API_TOKEN", "")
DS_BASE_TEMPLATE = "si/suivi.html"
DS_PUBLIC_URL = "https://si.example.org"
DS_ORGANISATION_NAME = "Préfecture d'exemple"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "dsintegration.oidc.backend.OidcBackend",
]
DS_OIDC_ISSUER = os.environ.get("OIDC_ISSUER", "")
DS_OIDC_CLIENT_ID = os.environ.get("OIDC_CLIENT_ID", "")
DS_OIDC_CLIENT_SECRET = os.environ.get("OIDC_CLIENT_SECRET", "")
