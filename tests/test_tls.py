"""Whose certificates are believed: those of the environment, else certifi's; read once."""

from __future__ import annotations

import ssl

import certifi
import pytest

from gateway.tls import trusted
from tests.conftest import NOBODY


def test_what_the_environment_names_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(NOBODY))
    (believed,) = trusted().get_ca_certs()
    assert believed["subject"] == ((("commonName", "Nobody, for the tests"),),)
    assert (trusted().verify_mode, trusted().check_hostname) == (ssl.CERT_REQUIRED, True)


def test_else_certifis_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert trusted().get_ca_certs() == ssl.create_default_context(cafile=certifi.where()).get_ca_certs() != []
    assert (trusted().verify_mode, trusted().check_hostname) == (ssl.CERT_REQUIRED, True)


def test_all_that_ask_share_them_while_the_environment_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    before = trusted()
    assert trusted() is before
    monkeypatch.delenv("SSL_CERT_FILE")
    assert trusted() is not before
