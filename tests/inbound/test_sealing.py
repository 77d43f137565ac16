"""Credentials as keyed hashes: the right one is put back to the byte, any other stays unknown."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.errors import AuthenticationFailed
from gateway.inbound.authentication import scheme_from, verify
from gateway.inbound.request import Request
from gateway.inbound.sealing import is_credential, sealed, unsealed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = b"k" * 32
HEADER = {"header": {"name": "X-Acme", "secret": "$env.S"}}
BEARER = {"bearer": {"secret": "$env.S"}}
BASIC = {"basic": {"user": "ada", "password": "$env.S"}}
QUERY = {"query": {"name": "code", "secret": "$env.S"}}
BODY = {"body": {"path": "meta.*.token", "secret": "$env.S"}}

VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=5, max_size=40)
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=5, max_size=40)


def request(**fields: Any) -> Request:
    return Request(source="s", received_at=NOW, **fields)


def sent(how: str, secret: str) -> tuple[object, Request]:
    """A scheme, and a request that shows the secret as it asks for."""
    match how:
        case "header":
            return HEADER, request(headers=(("x-acme", secret), ("x-other", "1")))
        case "bearer":
            return BEARER, request(headers=(("authorization", f"Bearer {secret}"),))
        case "basic":
            pair = base64.b64encode(f"ada:{secret}".encode()).decode()
            return BASIC, request(headers=(("authorization", f"Basic {pair}"),))
        case "query":
            return QUERY, request(query=f"a=1&code={quote(secret)}&b")
        case _:
            body = json.dumps({"meta": [{"token": secret}, {"token": secret}], "x": 1.10}, ensure_ascii=how == "ascii")
            return BODY, request(body=body.encode())


def verifies(how: object, request: Request, secrets: Mapping[str, str]) -> bool:
    try:
        verify(scheme_from(how), request, credential=secrets.get, now=NOW)
    except AuthenticationFailed:
        return False
    return True


@pytest.mark.parametrize("how", ["header", "bearer", "basic", "query", "ascii", "utf-8"])
@given(data=st.data())
def test_what_is_right_is_put_back_and_what_is_wrong_is_not(how: str, data: st.DataObject) -> None:
    texts = VISIBLE if how in ("header", "bearer") else ANY
    secret, other = data.draw(texts), data.draw(texts)
    assume(secret.strip() == secret and secret != other)
    scheme, shown = sent(how, secret)
    assert verifies(scheme, shown, {"S": secret})
    kept, lacking = sealed(shown, scheme_from(scheme), KEY)
    assert lacking is None
    assert not verifies(scheme, kept, {"S": secret})

    def opened(key: bytes, value: str) -> Request:
        return unsealed(kept, scheme_from(scheme), key, credential={"S": value}.get, parts={})

    assert verifies(scheme, opened(KEY, secret), {"S": secret})
    assert opened(KEY, secret).body == shown.body
    assert opened(KEY, secret).headers == shown.headers
    assert opened(KEY, other) == kept
    assert opened(b"other" * 7, secret) == kept


@pytest.mark.parametrize("how", ["header", "bearer", "basic", "query", "ascii", "utf-8"])
def test_nothing_of_it_is_left_in_clear(how: str) -> None:
    scheme, shown = sent(how, "p/ä'ss\"wörd-0")
    kept, _ = sealed(shown, scheme_from(scheme), KEY)
    for part in ("wörd", "w\\u00f6rd", "rd-0", base64.b64encode(b"ada:p/").decode()[:6]):
        assert part not in f"{kept.headers} {kept.query} {kept.body.decode()}", part


def test_one_that_tells_hashes_gets_no_secret_for_it() -> None:
    """Who has seen a hash sends it in place of the secret: that is sealed anew, and is not what was hashed."""
    for how in ("header", "bearer", "query", "utf-8"):
        scheme, shown = sent(how, "the-secret")
        seen, _ = sealed(shown, scheme_from(scheme), KEY)
        replayed, _ = sealed(seen, scheme_from(scheme), KEY)
        opened = unsealed(replayed, scheme_from(scheme), KEY, credential={"S": "the-secret"}.get, parts={})
        assert not verifies(scheme, opened, {"S": "the-secret"}), how


@pytest.mark.parametrize(
    "guesses",
    [
        [f"guess{number}" for number in range(20_000)],  # looked for one by one, they would take minutes
        ["a"] * 50_000,  # a hash is 41 bytes
    ],
)
def test_a_body_of_guesses_is_not_kept_at_all(guesses: list[str]) -> None:
    body = json.dumps({"meta": [{"token": guess} for guess in guesses]}).encode()
    kept, lacking = sealed(request(body=body), scheme_from(BODY), KEY)
    assert kept.body == b""
    assert lacking is not None
    assert "guess" not in lacking


def test_one_secret_within_another_is_sealed_as_what_it_is() -> None:
    """As it was replaced one by one, a short one changed the hash of a longer one, and that was never known again."""
    body = json.dumps({"meta": [{"token": "s3cret"}, {"token": "e"}]}).encode()
    kept, lacking = sealed(request(body=body), scheme_from(BODY), KEY)
    assert lacking is None
    assert b"s3cret" not in kept.body
    assert b"s3cret" in unsealed(kept, scheme_from(BODY), KEY, credential={"S": "s3cret"}.get, parts={}).body


def test_signatures_and_what_they_are_made_of_stay() -> None:
    how = {"hmac": {"header": "X-Auth-Token", "secret": "$env.S", "signed": "{header.X-Api-Key}{body}"}}
    headers = (("x-auth-token", "abc"), ("x-api-key", "def"), ("x-other-token", "ghi"))
    kept, _ = sealed(request(headers=headers), scheme_from(how), KEY)
    assert kept.headers[:2] == headers[:2]
    assert kept.headers[2][1].startswith("[sealed:")


@pytest.mark.parametrize("name", ["X-Gitlab-Token", "apikey", "x-api-key", "client_secret", "Auth", "cookie", "pwd"])
def test_names_of_credentials(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize("name", ["x-signature", "tokens", "idempotency-key", "author", "x-topic", "secretary"])
def test_names_of_other_things(name: str) -> None:
    assert not is_credential(name)
