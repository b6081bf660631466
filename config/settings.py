"""The settings of the SI's shell, from the environment; see .env.example for each variable.

They are safe by default: `DEBUG` is off, and a secret key must be given.
"""

from django.core.exceptions import ImproperlyConfigured

from config import env

env.read_file(env.BASE_DIR / ".env")

BASE_DIR = env.BASE_DIR

DEBUG = env.boolean("DEBUG")
SECRET_KEY = env.secret("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY manque : « make .env » en écrit une, tirée au hasard, dans le fichier .env."
    )
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")

# The platform (dsintegration/conf.py says what each one may be, and its default).
DS_API_URL = env.text("DS_API_URL")
DS_API_TOKEN = env.secret("DS_API_TOKEN")
DS_API_TOKEN_EXPIRES = env.day("DS_API_TOKEN_EXPIRES")
DS_API_CONNECT_TIMEOUT = env.number("DS_API_CONNECT_TIMEOUT", default=5)
DS_API_READ_TIMEOUT = env.number("DS_API_READ_TIMEOUT", default=35)
DS_SITE_URL = env.text("DS_SITE_URL")
DS_SYSTEM_EMAILS = env.items("DS_SYSTEM_EMAILS")
DS_SANDBOX = env.boolean("DS_SANDBOX")
if DS_SANDBOX and DS_API_TOKEN:
    raise ImproperlyConfigured(
        "DS_SANDBOX=1 (le bac à sable) et DS_API_TOKEN (la vraie plateforme) ne vont pas "
        "ensemble : retirez l'un des deux."
    )
if DS_SANDBOX and not DEBUG:
    raise ImproperlyConfigured(
        "DS_SANDBOX=1 n'est permis qu'avec DEBUG=1 : en production, des dossiers inventés "
        "passeraient pour vrais."
    )

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "dsintegration",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
    }
]

# The invented dossiers of the sandbox never meet real ones: they have a database of their own.
DATABASES = {
    "default": env.sqlite_options("sandbox.sqlite3")
    if DS_SANDBOX
    else env.database("DATABASE_URL", default="sqlite:///db.sqlite3")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# One language, so that no browser's preference turns half of a page into another.
LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", "Français")]
TIME_ZONE = "Europe/Paris"
