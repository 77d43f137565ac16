"""Which reader a body gets: by force, by its content type, by its looks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unparseable
from gateway.inbound.authentication import NoVerification, verify
from gateway.inbound.payloads import parse
from gateway.inbound.request import Request, Verified

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
PAYLOADS = Path(__file__).parents[3] / "shared" / "corpus" / "payloads"


def verified(body: bytes, content_type: str | None = None) -> Verified:
    headers = () if content_type is None else (("content-type", content_type),)
    request = Request(source="s", headers=headers, body=body, received_at=NOW)
    return verify(NoVerification(), request, credential={}.get, now=NOW)


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("application/json", b'{"total": 0.10}', {"total": Decimal("0.10")}),
        ("application/json; charset=utf-8", b'"\xc3\xab"', "ë"),
        ('Application/JSON ; Charset="ISO-8859-1"', b'"\xeb"', "ë"),
        ("application/cloudevents+json", b"[1]", [1]),
        ("text/json", b"[1]", [1]),
        ("application/x-www-form-urlencoded", b"a[b]=1", {"a": {"b": "1"}}),
        ("application/x-www-form-urlencoded; charset=windows-1252", b"a=%80", {"a": "€"}),
        # Wrong and absent content types.
        ("application/x-www-form-urlencoded", b' {"a": 1}', {"a": 1}),
        ("application/x-www-form-urlencoded", b"[1]", [1]),
        ("application/x-www-form-urlencoded", b"{{name}} has booked", {"{{name}} has booked": ""}),
        ("application/x-www-form-urlencoded", b"12", {"12": ""}),
        ("application/json", b"id=tr_1&x[]=2", {"id": "tr_1", "x": ["2"]}),
        ("text/plain", b'{"a": 1}', {"a": 1}),
        ("text/plain", b"id=tr_1", {"id": "tr_1"}),
        ("", b"12", 12),
        (None, b'{"a": 1}', {"a": 1}),
        (None, b"id=tr_1", {"id": "tr_1"}),
        ("application/octet-stream;charset", b"[]", []),
        # Nothing at all is null.
        (None, b"", None),
        ("application/json", b"", None),
        ("application/json", b" \r\n", None),
        ("application/x-www-form-urlencoded", b"", None),
        ("text/xml", b"", None),
    ],
)
def test_the_content_type_chooses_and_the_body_corrects_it(
    content_type: str | None, body: bytes, value: object
) -> None:
    assert parse(verified(body, content_type)) == value


@pytest.mark.parametrize(
    ("body_type", "content_type", "body", "value"),
    [
        ("json", "application/x-www-form-urlencoded", b"12", 12),
        ("form", "application/json", b'{"a"=1}', {'{"a"': "1}"}),
        ("form", None, b"12", {"12": ""}),
        ("json", "text/plain; charset=latin-1", b'"\xeb"', "ë"),
        ("json", None, b" ", None),
    ],
)
def test_a_kind_can_be_forced(body_type: str, content_type: str | None, body: bytes, value: object) -> None:
    assert parse(verified(body, content_type), body_type=body_type) == value


@pytest.mark.parametrize(
    ("content_type", "body", "body_type", "reason"),
    [
        ("application/json", b'{"a": }', None, "the body is not JSON: invalid character at byte 6, found '}'"),
        ("application/json", b"hello there", None, "the body is not JSON"),
        (None, b"hello there", None, "there is no content type, and the body is neither a form nor JSON"),
        (
            "text/xml",
            b"<a/>",
            None,
            "the content type is 'text/xml', and the body is neither a form nor JSON (the body is not",
        ),
        ("text/xml", b"<a/>", None, "found '<' (XML or HTML?)); allowed: json, form"),
        ("application/json", b"id=1", "json", "the body is not JSON"),
        ("application/json", b"{}", "protobuf", "bodies of type 'protobuf' are not read; allowed: json, form"),
        ("application/x-www-form-urlencoded", b"a&" * 10_000, None, "the form has 10001 fields"),
        ("application/json", b"1e1000000", None, "exponent beyond"),
    ],
)
def test_an_unreadable_body_says_why(content_type: str | None, body: bytes, body_type: str | None, reason: str) -> None:
    with pytest.raises(Unparseable) as refused:
        parse(verified(body, content_type), body_type=body_type)
    assert reason in str(refused.value)


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the corpus lies outside the project")
def test_the_corpus_has_the_main_senders() -> None:
    assert all(any((PAYLOADS / sender).glob("*.json")) for sender in ("shopify", "woocommerce", "calendly"))


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PAYLOADS.rglob("*") if path.suffix in (".json", ".txt") and path.parent.name != "beds24"),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
@pytest.mark.parametrize("declared", [True, False])
def test_the_bodies_of_the_corpus_parse(path: Path, declared: bool) -> None:
    is_json = path.suffix == ".json"
    content_type = "application/json" if is_json else "application/x-www-form-urlencoded"
    body = path.read_bytes()
    # A body of the user's own template is text under a form's name: without the name nobody can tell.
    if not declared and path.parent.name in ("cal.com", "unbounce", "mandrill"):
        declared = True
    value = parse(verified(body, content_type if declared else None))
    assert value
    assert isinstance(value, (dict, list) if is_json else dict)


@given(
    st.binary(max_size=80) | st.text(alphabet='{}[]":,\\u=&%aE+-.01<>', max_size=40).map(str.encode),
    st.none()
    | st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/xml", "a/b+json;charset=x"])
    | st.text(max_size=30),
    st.sampled_from([None, "json", "form", "xml"]),
)
def test_nothing_but_unparseable_is_raised(body: bytes, content_type: str | None, body_type: str | None) -> None:
    try:
        value = parse(verified(body, content_type), body_type=body_type)
    except Unparseable as refused:
        assert str(refused)  # noqa: PT017  either end is right
    else:
        assert not isinstance(value, float)
