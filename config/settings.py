"""The settings of the SI's shell, from the environment; see .env.example for each variable.

They are safe by default: `DEBUG` is off, and a secret key must be given.
"""

import os
import sys
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import env, sentry
from dsintegration.hosting import logs

env.read_file(env.BASE_DIR / ".env")

BASE_DIR = env.BASE_DIR

DEBUG = env.boolean("DEBUG")
SECRET_KEY = env.secret("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY manque : « make .env » en écrit une, tirée au hasard, dans le fichier .env."
    )
if len(SECRET_KEY) < 16 and not DEBUG:
    raise ImproperlyConfigured(
        "SECRET_KEY est trop courte pour la production : « make .env » en écrit une, tirée au "
        "hasard, dans le fichier .env."
    )
# Former ones: what they signed still holds (docs/exploitation.md).
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")

# The platform (dsintegration/conf.py says what each one may be, and its default).
DS_API_URL = env.text("DS_API_URL")
DS_API_TOKEN = env.secret("DS_API_TOKEN")
DS_API_TOKENS = env.secrets("DS_API_TOKENS")
DS_API_TOKEN_EXPIRES = env.days("DS_API_TOKEN_EXPIRES")
DS_API_CONNECT_TIMEOUT = env.number("DS_API_CONNECT_TIMEOUT", default=5)
DS_API_READ_TIMEOUT = env.number("DS_API_READ_TIMEOUT", default=35)
DS_BATCH_SIZE = env.integer("DS_BATCH_SIZE", default=50)
DS_RATE_LIMIT = env.integer("DS_RATE_LIMIT", default=300)
DS_REFRESH_AFTER = env.text("DS_REFRESH_AFTER")
DS_REFRESH_FINISHED_AFTER = env.text("DS_REFRESH_FINISHED_AFTER")
DS_FRESH_WITHIN = env.text("DS_FRESH_WITHIN")
DS_FULL_WITHIN = env.text("DS_FULL_WITHIN")
DS_METRICS_TOKEN = env.secret("METRICS_TOKEN") or env.secret("DS_METRICS_TOKEN")
DS_JOURNAL_KEPT = env.text("DS_JOURNAL_KEPT")
DS_PURGE_ABSENT_AFTER = env.text("DS_PURGE_ABSENT_AFTER")
DS_PURGE_EXPIRED_AFTER = env.text("DS_PURGE_EXPIRED_AFTER")
DS_PURGE_DELETED_BY_USAGER_AFTER = env.text("DS_PURGE_DELETED_BY_USAGER_AFTER")
DS_IN_FLIGHT = env.integer("DS_IN_FLIGHT", default=4)
DS_SITE_URL = env.text("DS_SITE_URL")
DS_SYSTEM_EMAILS = env.items("DS_SYSTEM_EMAILS")
DS_SANDBOX = env.boolean("DS_SANDBOX")
# The usager's page: where it is, whose it is, and who asks for it.
DS_PUBLIC_URL = env.text("DS_PUBLIC_URL")
DS_ORGANISATION_NAME = env.text("DS_ORGANISATION_NAME")
DS_ORGANISATION_LOGO_TEXT = env.text("DS_ORGANISATION_LOGO_TEXT")
DS_ORGANISATION_COLOR = env.text("DS_ORGANISATION_COLOR")
DS_ORGANISATION_COLOR_DARK = env.text("DS_ORGANISATION_COLOR_DARK")
DS_ORGANISATION_ACCESSIBILITY = env.text("DS_ORGANISATION_ACCESSIBILITY")
DS_ORGANISATION_ACCESSIBILITY_URL = env.text("DS_ORGANISATION_ACCESSIBILITY_URL")
DS_ORGANISATION_LEGAL_URL = env.text("DS_ORGANISATION_LEGAL_URL")
DS_ORGANISATION_PRIVACY_URL = env.text("DS_ORGANISATION_PRIVACY_URL")
DS_ORGANISATION_CONTACT_URL = env.text("DS_ORGANISATION_CONTACT_URL")
DS_USAGER_FIRST_TIMERS = env.integer("DS_USAGER_FIRST_TIMERS", default=30)
DS_BASE_TEMPLATE = env.text("DS_BASE_TEMPLATE")
# Bytes of files: given on demand, kept here as well, or neither.
DS_FILES = env.text("DS_FILES")
DS_FILES_PRIVATE_HOSTS = env.items("DS_FILES_PRIVATE_HOSTS")
DS_API_READS_PER_MINUTE = env.integer("DS_API_READS_PER_MINUTE", default=3000)
DS_API_FETCHES_PER_MINUTE = env.integer("DS_API_FETCHES_PER_MINUTE", default=60)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "rest_framework",
    "dsintegration",
    "config",
]
MIDDLEWARE = [
    "dsintegration.health.middleware.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.headers.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
                "config.logins.local_passwords",
            ]
        },
    }
]

# The invented dossiers of the sandbox never meet real ones: they have a database of their own.
DATABASES = {
    "default": env.sqlite_options("sandbox.sqlite3")
    if DS_SANDBOX
    else env.database("DATABASE_URL", default="sqlite:///db.sqlite3")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# REDIS_URL is what platforms as a service call it.
CACHE_VARIABLE = "REDIS_URL" if env.text("REDIS_URL") and not env.text("CACHE_URL") else "CACHE_URL"
CACHES = {"default": env.cache(CACHE_VARIABLE, default="locmemcache://")}

# Tasks of their own machines, only where a broker is given (dsintegration/tasks.py).
CELERY_BROKER_URL: str = env.broker("CELERY_BROKER_URL")
if CELERY_BROKER_URL:
    try:
        import config.celery  # noqa: F401  # the app that our tasks are bound to
        from dsintegration.tasks import SCHEDULE
    except ImportError as err:
        raise ImproperlyConfigured(
            "CELERY_BROKER_URL est rempli, et Celery n'est pas installé : installez "
            "requirements/celery.txt, ou videz CELERY_BROKER_URL."
        ) from err
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 300,  # seconds until the task of a lost machine is given out again
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "max_retries": 0,  # a page does not wait for a broker that is down
    }
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_WORKER_PREFETCH_MULTIPLIER = 1
    CELERY_WORKER_HIJACK_ROOT_LOGGER = False
    CELERY_TIMEZONE = "Europe/Paris"
    CELERY_BEAT_SCHEDULE = SCHEDULE
    # Where beat notes what it has handed out, so that it makes up for what it missed: a place that
    # systemd keeps for it. Elsewhere it starts afresh, and needs no place to write.
    if folder := os.environ.get("STATE_DIRECTORY"):
        CELERY_BEAT_SCHEDULE_FILENAME = f"{folder}/celerybeat-schedule"
    else:
        CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"

# EMAIL_HOST and its like; a developer reads the mails in the terminal.
vars().update(env.email("EMAIL_URL", default="consolemail://" if DEBUG else "smtp://localhost:25"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", default="webmaster@localhost")

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
    # Copies of files (DS_FILES=kept): no web server serves them, nor may.
    "dsintegration": env.files_storage(
        env.text("FILES_DIR"), env.text("FILES_S3_BUCKET"), env.text("FILES_S3_ENDPOINT_URL")
    ),
}

# Who may come in, and what a page may do.
# How many proxies of ours stand in front; 0 trusts no X-Forwarded-For.
DS_NUM_PROXIES = env.integer("NUM_PROXIES", default=0)
# A proxy of ours says whether the visitor came by https; it must set this header itself.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if DS_NUM_PROXIES else None
# In production all goes by https (docs/decisions/2026-11-25-https.md).
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SECURE_HSTS_SECONDS = 0 if DEBUG else env.integer("SECURE_HSTS_SECONDS", default=365 * 24 * 3600)
# Other sites under our name, and lists that browsers ship, are not ours to decide on.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# A cookie of these names cannot come from a neighbour under the same domain.
SESSION_COOKIE_NAME = "sessionid" if DEBUG else "__Host-sessionid"
CSRF_COOKIE_NAME = "csrftoken" if DEBUG else "__Host-csrftoken"
# An agent logs in once a day of work, and again in a browser that was closed.
SESSION_COOKIE_AGE = 10 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# Beyond our largest form by far: 500 numbers to fetch are 7 kB. Nobody sends files.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 0
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
# Agents by ProConnect or another OpenID provider (dsintegration/oidc), beside passwords or alone.
DS_OIDC_ISSUER = env.text("OIDC_ISSUER")
DS_OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
DS_OIDC_CLIENT_SECRET = env.secret("OIDC_CLIENT_SECRET")
LOCAL_PASSWORDS = env.boolean("LOCAL_PASSWORDS", default=True)
if not LOCAL_PASSWORDS and not DS_OIDC_ISSUER:
    raise ImproperlyConfigured(
        "LOCAL_PASSWORDS=0 sans OIDC_ISSUER : plus personne n'entrerait. Remplissez OIDC_ISSUER, "
        "ou remettez LOCAL_PASSWORDS=1."
    )
if DS_OIDC_ISSUER and find_spec("mozilla_django_oidc") is None:
    raise ImproperlyConfigured(
        "OIDC_ISSUER est rempli, et mozilla-django-oidc n'est pas installé : installez "
        "requirements/oidc.txt, ou videz OIDC_ISSUER."
    )
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    *(["django.contrib.auth.backends.ModelBackend"] if LOCAL_PASSWORDS else []),
    *(["dsintegration.oidc.backend.OidcBackend"] if DS_OIDC_ISSUER else []),
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AXES_ENABLE_ADMIN = False  # it shows addresses of people; `axes_reset_username` lets one in again
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "admin/lockout.html"
AXES_RESET_ON_SUCCESS = True
# An IPv6 attacker has a whole /64 (config/logins.py slows many names from one network too).
AXES_CLIENT_IP_CALLABLE = "config.logins.network"
AXES_USERNAME_CALLABLE = "config.logins.login_name"

# A command speaks to whoever runs it; its lines appear where LOG_LEVEL=INFO asks for them.
IS_COMMAND = Path(sys.argv[0]).name == "manage.py"
LOG_LEVEL = env.choice("LOG_LEVEL", logs.LEVELS, default="WARNING" if IS_COMMAND else "INFO")
LOGGING = logs.configuration(debug=DEBUG, level=LOG_LEVEL)

if SENTRY_DSN := env.secret("SENTRY_DSN"):
    sentry.start(SENTRY_DSN)

# One language, so that no browser's preference turns half of a page into another.
LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", "Français")]
TIME_ZONE = "Europe/Paris"
