"""The server against which the client of notebook 07 is tried."""

import os

import pytest
from answers import client

from cgan_lib.course.exercises import check_client


@pytest.mark.parametrize("fetch", [client.fetch_by_urllib, client.fetch_by_environment])
def test_a_proxy_does_not_stand_between_a_client_and_its_check(monkeypatch, fetch):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # where nobody listens
    assert check_client(fetch)
    assert {"NO_PROXY", "no_proxy"}.isdisjoint(os.environ)
