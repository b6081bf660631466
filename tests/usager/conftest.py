import pytest


@pytest.fixture(autouse=True)
def nothing_runs_by_itself(later) -> None:
    """Work that a request leaves waits for the test: no thread writes beside its transaction."""
