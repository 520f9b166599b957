"""A small generator, and its service."""

import pytest
from fastapi.testclient import TestClient

from cgan_lib import get_recipe
from cgan_lib.attributes import joint_names
from cgan_lib.data import DIGITS
from cgan_lib.service import create_app


def pytest_collection_modifyitems(items):
    for item in items:  # what hangs here would hang for its clients too
        if item.path.parent.name == "service" and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture(scope="session")
def generator():
    return get_recipe("bce", base_channels=8).build()[0]


@pytest.fixture(scope="session")
def coloured():
    """Ten digits in three colours."""
    colours = {"digit": DIGITS, "colour": ("red", "green", "blue")}
    generator = get_recipe("bce", image_size=16, base_channels=8).build(30, 3, (10, 3))[0]
    generator.draws("coloured_digits", joint_names(colours), colours)
    return generator


@pytest.fixture(scope="module")
def client(generator):
    with TestClient(create_app(generator, "tiny"), raise_server_exceptions=False) as client:
        yield client
