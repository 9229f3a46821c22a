"""A unit test opens no socket and touches no database."""

import hypothesis
import pytest
from pytest_socket import disable_socket, enable_socket

# The same examples every time: a test that fails on some days only is no help.
hypothesis.settings.register_profile(
    "unit",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _no_sockets() -> object:
    disable_socket(allow_unix_socket=False)
    yield
    enable_socket()
