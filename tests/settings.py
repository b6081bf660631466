"""The project's own settings, with nothing of this machine's environment or .env file.

DATABASE_URL is kept: the same tests run on PostgreSQL.
"""

import os

KEPT = {"DATABASE_URL": os.environ.get("DATABASE_URL", "")}
EMPTY = dict.fromkeys(
    [
        "ALLOWED_HOSTS",
        "DS_API_FETCHES_PER_MINUTE",
        "DS_API_READS_PER_MINUTE",
        "CACHE_URL",
        "CELERY_BROKER_URL",
        "CSRF_TRUSTED_ORIGINS",
        "DEBUG",
        "DS_API_CONNECT_TIMEOUT",
        "DS_API_READ_TIMEOUT",
        "DS_API_TOKEN",
        "DS_API_TOKENS",
        "DS_API_TOKENS_FILE",
        "DS_API_TOKEN_EXPIRES",
        "DS_API_TOKEN_FILE",
        "DS_API_URL",
        "DS_BASE_TEMPLATE",
        "DS_BATCH_SIZE",
        "DS_FRESH_WITHIN",
        "DS_FULL_WITHIN",
        "DS_FILES",
        "DS_FILES_PRIVATE_HOSTS",
        "DS_METRICS_TOKEN",
        "DS_METRICS_TOKEN_FILE",
        "DS_IN_FLIGHT",
        "DS_JOURNAL_KEPT",
        "DS_PURGE_ABSENT_AFTER",
        "DS_PURGE_DELETED_BY_USAGER_AFTER",
        "DS_PURGE_EXPIRED_AFTER",
        "DS_RATE_LIMIT",
        "DS_REFRESH_AFTER",
        "DS_REFRESH_FINISHED_AFTER",
        "DS_SANDBOX",
        "DS_SITE_URL",
        "DS_SYSTEM_EMAILS",
        "FILES_DIR",
        "FILES_S3_BUCKET",
        "FILES_S3_ENDPOINT_URL",
        "LOCAL_PASSWORDS",
        "LOG_LEVEL",
        "METRICS_TOKEN",
        "METRICS_TOKEN_FILE",
        "NUM_PROXIES",
        "PORT",
        "OIDC_CLIENT_ID",
        "OIDC_CLIENT_SECRET",
        "OIDC_CLIENT_SECRET_FILE",
        "OIDC_ISSUER",
        "REDIS_URL",
        "SECRET_KEY_FALLBACKS",
        "SECRET_KEY_FALLBACKS_FILE",
        "SECRET_KEY_FILE",
        "SECURE_HSTS_SECONDS",
        "SENTRY_DSN",
        "SENTRY_DSN_FILE",
    ],
    "",
)
PROXIES = dict.fromkeys(["http_proxy", "https_proxy", "all_proxy", "no_proxy"], "")
# Where the tests that want a Redis find theirs (.ci/redis), each process of them a database of its
# own; our settings are not to take it.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
REDIS_OF_THE_TESTS = {
    name: f"{os.environ[name].rpartition('/')[0]}/{PROCESS}"
    for name in ["REDIS_URL"]
    if name in os.environ
}
os.environ |= EMPTY | KEPT | {"SECRET_KEY": "for the tests only"}
for name in [*PROXIES, *map(str.upper, PROXIES)]:
    os.environ.pop(name, None)

from config.settings import *  # noqa: E402, F403

os.environ.pop("REDIS_URL")
os.environ |= REDIS_OF_THE_TESTS

if DATABASES["default"]["ENGINE"] == "dsintegration.hosting.sqlite3":  # noqa: F405
    # A file: threads that share a database in memory lock each other as none do in a file.
    DATABASES["default"]["TEST"] = {"NAME": str(BASE_DIR / "test.sqlite3")}  # noqa: F405

# Static files as they lie in the sources: nothing is collected for the tests.
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # noqa: F405
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Where links of mails lead: nobody believes what a request says of it.
DS_PUBLIC_URL = "https://dossiers.example.org"
# Tests speak plain http; those of production (test_production.py) do not come through here.
SECURE_SSL_REDIRECT = False
