"""Copies in an S3: a real server of it, on this machine."""

import pytest
from django.core.files.storage import storages

from config import env
from dsintegration.files.copies import drop_copies, keep_files
from dsintegration.models import FileCopy
from dsintegration.sandbox.storage import Content
from tests.files.conftest import NUMBER

moto = pytest.importorskip("moto.server", reason="moto: requirements/dev.txt")
boto3 = pytest.importorskip("boto3", reason="django-storages[s3]: requirements/dev.txt")

pytestmark = [
    pytest.mark.django_db,
    # Of the libraries' own making.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

CONTENT = Content(b"0123456789abcdef", 12 * 1024 * 1024)


@pytest.fixture
def bucket(settings, monkeypatch):
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-3",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(
        Bucket="dossiers", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"}
    )
    settings.DS_FILES = "kept"
    settings.STORAGES = settings.STORAGES | {
        "dsintegration": env.files_storage("", "dossiers", f"http://{host}:{port}")
    }

    def keys() -> list[str]:
        return [
            found["Key"] for found in client.list_objects_v2(Bucket="dossiers").get("Contents", ())
        ]

    yield keys
    server.stop()


def test_kept_read_and_dropped(bucket, attach, api, sandbox, logs):
    row = attach("secret.pdf", content=CONTENT)
    assert keep_files() == 1
    [key] = bucket()
    assert "secret" not in key
    sandbox.replies[NUMBER] = sandbox.replies[50301]
    client = api(can_read_personal_data=True)
    body = client.get(f"/api/v1/dossiers/{NUMBER}/files/{row.pk}/").getvalue()
    assert (len(body), body[:16]) == (CONTENT.size, CONTENT.pattern)
    storages["dsintegration"].delete(FileCopy.objects.get().name)
    assert client.get(f"/api/v1/dossiers/{NUMBER}/files/{row.pk}/").status_code == 503
    del sandbox.replies[NUMBER]
    assert keep_files() == 1
    row.delete()
    assert drop_copies() == 1
    assert bucket() == []
    assert "secret.pdf" not in "\n".join(logs.messages)
