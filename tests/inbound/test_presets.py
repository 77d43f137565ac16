"""Every preset verifies what its sender would send, refuses what was changed, and says where its fact is from."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import AuthenticationFailed
from gateway.inbound.authentication import PRESETS, needs_url, scheme_from, secrets_of, sign, verify
from gateway.inbound.challenge_presets import CHALLENGES
from gateway.inbound.presets import default_secret
from gateway.inbound.request import Request
from gateway.inbound.signed import placeholders_of
from gateway.inbound.signing import put_at
from gateway.rules.compile import SourceCompiler
from gateway.rules.nodes import YAMLFile
from tests.effort import tries
from tests.inbound.pairs import pair_for

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
BODY = b'{"eventId": "e1", "eventCreated": 1767607200, "name": "Zo\\u00eb", "total": 0.10}'
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def secret_for(preset: str) -> str:
    key = str(PRESETS[preset].keys.get("key", "utf8"))
    return {"hex": "00ff" * 16, "base64": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "whsec": WHSEC}.get(
        key, "s3cret-of-the-shop-that-is-long-enough"
    )


URL = "https://hooks.example/hooks/s"


def sample_for(preset: str) -> tuple[bytes, dict[str, str]]:
    """A body and headers with whatever the preset's sender signs of them."""
    keys = PRESETS[preset].keys
    used = placeholders_of(str(keys.get("signed", "")))
    document: dict[str, Any] = {"name": "Zo\u00eb", "total": 1}
    for name in used:
        if name.startswith("body."):
            put_at(document, tuple(name.removesuffix("?").split(".")[1:]), f"the {name}")
        if name.startswith("raw."):
            put_at(document, tuple(name.split(".")[1:]), f"the {name}")
        if name.startswith("lines("):
            document |= {field.strip(): f"the {field}" for field in name[6:-1].split(",")}
    headers = {name.removeprefix("header."): "7" for name in used if name.startswith("header.")}
    if PRESETS[preset].kind == "body":
        document["value"] = [{"id": "1"}, {"id": "2"}]
    if "each" in keys:
        outer, _, inner = str(keys["each"]).partition(".*.")
        document = {outer: [{inner: {**document, "reason": str(number)}} for number in range(2)]}
    if preset in FORMS:
        headers["content-type"] = "application/x-www-form-urlencoded"
        return urlencode(document).encode(), headers
    return json.dumps(document).encode(), {**headers, "content-type": "application/json"}


FORMS = ("mandrill", "paypro", "quoter")
"""Senders of forms only. Twilio's other bodies are signed by the address."""


def credentials_for(preset: str, *, other: bool = False) -> tuple[dict[str, str], str | None]:
    """What a preset reads from the environment, and the private key that signs."""
    besides = {
        name: "what is signed with" for name in secrets_of(scheme_from(preset)) if name != default_secret(preset)
    }
    if default_secret(preset).endswith("_PUBLIC_KEY"):
        private, public = pair_for(PRESETS[preset].kind, number=int(other))
        return {default_secret(preset): public, **besides}, private
    value = secret_for(preset)
    if other:
        value = value.replace("00", "11").replace("MDEy", "MDEz").replace("s3cret", "sECRET")
    return {default_secret(preset): value, **besides}, None


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_verifies_what_it_signs_and_nothing_else(preset: str) -> None:
    scheme = scheme_from(preset)
    environ, private = credentials_for(preset)
    body, headers = sample_for(preset)
    url = URL if needs_url(scheme) else None
    made = sign(
        scheme, body=body, headers=headers, credential=environ.get, now=NOW, url=url, private_key=private, source="s"
    )
    request = Request(
        source="s",
        headers=tuple((name.lower(), value) for name, value in {**headers, **made.headers}.items()),
        body=made.body,
        query=made.query,
        received_at=NOW,
        url=url,
    )
    words = verify(scheme, request, credential=environ.get, now=NOW).scheme
    assert words.startswith(f"{preset}: ")
    assert default_secret(preset) in words
    assert not any(value in words for value in environ.values() if len(value) > 8)
    wrong, _ = credentials_for(preset, other=True)
    with pytest.raises(AuthenticationFailed, match=r"does not match|equals none|does not verify"):
        verify(scheme, request, credential=wrong.get, now=NOW)
    if PRESETS[preset].kind in SIGNATURES:
        tampered = msgspec.structs.replace(request, body=tampered_with(preset, made.body), query=made.query)
        with pytest.raises(AuthenticationFailed):
            verify(scheme, tampered, credential=environ.get, now=NOW)


SIGNATURES = ("hmac", "digest", "ecdsa", "ed25519", "rsa")
UNCOVERED = ("ratehawk", "mailgun")
"""They sign a token of their own and not the body."""


def tampered_with(preset: str, body: bytes) -> bytes:
    """The body with one covered character changed."""
    if preset in UNCOVERED:
        return body.replace(b'"token":"', b'"token":"0')
    used = [
        name
        for name in placeholders_of(str(PRESETS[preset].keys.get("signed", "{body}")))
        if name.startswith(("body.", "lines", "raw."))
    ]
    if used:
        return body.replace(b"the", b"teh", 1) if preset not in FORMS else body.replace(b"the", b"teh")
    return body + (b"&a=1" if preset in FORMS else b" ")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_where_its_fact_is_from_and_what_repeats_are_told_by(preset: str) -> None:
    row = PRESETS[preset]
    assert row.title
    assert row.source
    assert row.challenge is None or row.challenge in CHALLENGES
    if row.dedup_key:
        yaml = YAMLFile("s.yaml", f"source: s\nverify: none\ndedup_key: {row.dedup_key}\n")
        assert SourceCompiler(yaml, destinations={}, files={}).source is not None, yaml.problems


@pytest.mark.parametrize(
    ("preset", "minutes"), [("calendly", 3), ("stripe", 5), ("standard_webhooks", 5), ("hubspot", 5)]
)
def test_a_preset_refuses_a_replay_after_its_tolerance(preset: str, minutes: int) -> None:
    scheme = scheme_from(preset)
    credential = {default_secret(preset): secret_for(preset)}.get
    url = "https://hooks.example/"
    headers = sign(scheme, body=b"{}", headers={}, credential=credential, now=NOW, url=url).headers
    request = Request(
        source="s", headers=tuple((k.lower(), v) for k, v in headers.items()), body=b"{}", received_at=NOW, url=url
    )
    for side in (1, -1):
        at_the_edge = NOW + side * timedelta(minutes=minutes)
        assert verify(scheme, request, credential=credential, now=at_the_edge).request is request
        with pytest.raises(AuthenticationFailed, match="past" if side > 0 else "future"):
            verify(scheme, request, credential=credential, now=at_the_edge + side * timedelta(seconds=1))


# -- anything at all ---------------------------------------------------------------------------------------------------

HEADER_NAMES = sorted(
    {
        str(value).replace("*", "1").lower()
        for row in PRESETS.values()
        for key, value in row.keys.items()
        if key in ("header", "timestamp_header", "id_header", "name")
    }
    | {"content-type", "paypal-transmission-id", "merchant", "wechatpay-nonce"}
)
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.sampled_from(
        ["t=1767607200,v1=00", "v0=", "sha256=", "v1,AA== v1a,AA==", "Bearer a.b.c", "Basic Og==", "9" * 16]
    ),
    st.from_regex(r"(t|ts|v)=[0-9a-f]{1,20}[,;](v1|h1|d|s)=[A-Za-z0-9+/=_-]{0,90}", fullmatch=True),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["signature", "timestamp", "token", "value", "clientState", "obj", "amount", "Message"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
        | st.fixed_dictionaries({"notificationItems": st.lists(inner, max_size=3)})
    ),
    max_leaves=12,
)
BODIES = st.one_of(st.binary(max_size=80), JSON.map(lambda value: json.dumps(value).encode()))


@settings(max_examples=tries(400))
@given(
    preset=st.sampled_from(sorted(PRESETS)),
    headers=st.lists(st.tuples(st.sampled_from(HEADER_NAMES), VALUES), max_size=6),
    content_type=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain; charset=x"]),
    body=BODIES,
    query=st.text(st.characters(max_codepoint=255), max_size=30),
)
def test_whatever_a_stranger_sends_is_refused_and_nothing_else_happens(
    preset: str, headers: list[tuple[str, str]], content_type: str, body: bytes, query: str
) -> None:
    environ, _ = credentials_for(preset)
    request = Request(
        source="s", headers=(("content-type", content_type), *headers), body=body, query=query, received_at=NOW, url=URL
    )
    with pytest.raises(AuthenticationFailed):
        verify(scheme_from(preset), request, credential=environ.get, now=NOW)
