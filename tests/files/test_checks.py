"""What is said of the settings of files when the project starts."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from dsintegration import conf
from dsintegration.checks import check_files, check_settings


def storage(location):
    backend = "django.core.files.storage.FileSystemStorage"
    return {"BACKEND": backend, "OPTIONS": {"location": location}}


@pytest.fixture
def keep_in(settings, tmp_path):
    def keep(folder):
        settings.MEDIA_ROOT, settings.STATIC_ROOT = tmp_path / "media", tmp_path / "static"
        settings.DS_FILES = "kept"
        settings.STORAGES = settings.STORAGES | {"dsintegration": storage(tmp_path / folder)}

    return keep


@pytest.mark.parametrize("folder", ["media", "media/papers", "static/x"])
def test_copies_where_everybody_can_read(keep_in, folder):
    keep_in(folder)
    assert [error.id for error in check_files()] == ["dsintegration.E050"]


@pytest.mark.parametrize("folder", ["kept", "media-of-others"])
def test_copies_where_nobody_can(keep_in, folder):
    keep_in(folder)
    assert check_files() == []


def test_no_copies(keep_in, settings):
    keep_in("media")
    settings.DS_FILES = "on_demand"
    assert check_files() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DS_FILES", "always"),
        ("DS_FILES_PRIVATE_HOSTS", "static.example.org"),
        ("DS_FILES_PRIVATE_HOSTS", ["https://static.example.org"]),
        ("DS_FILES_PRIVATE_HOSTS", ["static.example.org/x"]),
    ],
)
def test_wrong_values(settings, name, value):
    setattr(settings, name, value)
    [error] = [error for error in check_settings() if error.level >= 40]
    assert error.msg.startswith(name)
    assert check_files() == []


def test_kept_without_a_storage(settings):
    settings.DS_FILES = "kept"
    settings.STORAGES = {k: v for k, v in settings.STORAGES.items() if k != "dsintegration"}
    with pytest.raises(ImproperlyConfigured, match="STORAGES"):
        conf.files()
    assert check_files() == []


@pytest.mark.parametrize("value", ["", None])
def test_by_default_on_demand(settings, value):
    settings.DS_FILES = value or ""
    assert conf.files() == "on_demand"
