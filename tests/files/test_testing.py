"""Files for the tests of a host (dsintegration.testing)."""

import pytest

from dsintegration import journal, testing
from dsintegration.exceptions import DSInvalidResponse
from dsintegration.files import open_file
from dsintegration.services import fetch_dossier

pytestmark = pytest.mark.django_db


def test_files_of_messages():
    with testing.platform() as platform:
        platform.add_dossier(
            12345,
            messages=[
                {
                    "body": "Voici",
                    "attachments": [
                        "rib.pdf",
                        {"filename": "photo.jpg", "contentType": "image/jpeg", "content": b"jpeg"},
                        {"filename": "pris.pdf", "virusScanResult": "pending"},
                        {"filename": "autre.pdf", "fault": "md5"},
                    ],
                }
            ],
        )
        dossier = fetch_dossier(12345).dossier
        rib, photo, pending, other = dossier.files.order_by("pk")
        assert (rib.content_type, rib.scan, pending.scan) == ("application/pdf", "safe", "pending")
        opened = open_file(photo, by=journal.CODE)
        assert opened.read() == b"jpeg"
        opened.close()
        with pytest.raises(DSInvalidResponse):
            open_file(other, by=journal.CODE)
