"""The fixture of pytest; the installed package announces it, so that nobody has to import it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dsintegration.testing import TestPlatform


@pytest.fixture
def ds_sandbox() -> "Iterator[TestPlatform]":
    """The platform's stand-in, empty, that the app speaks to (dsintegration.testing)."""
    from dsintegration.testing import platform

    with platform() as ours:
        yield ours
