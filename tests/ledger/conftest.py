"""One day of the small house, written down once for all tests of this folder."""

import pytest

from .houses import Written, written


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written(tmp_path_factory.mktemp("day"), days=1.0)
