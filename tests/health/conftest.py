from tests.refresh.conftest import tracked  # noqa: F401  # the fixture
