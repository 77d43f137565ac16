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
from gateway.inbound.payloads import KINDS, BodyType, parse
from gateway.inbound.request import Request, Verified

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"
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
        # Other kinds, by name and by looks.
        ("application/x-ndjson", b'{"a": 1}\n\n{"a": 2}\r\n', [{"a": 1}, {"a": 2}]),
        ("application/json", b'{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        ("text/xml", b"<a/>", {"a": ""}),
        ("application/soap+xml; charset=utf-8", b"<a>1</a>", {"a": "1"}),
        ("application/xml", b'{"a": 1}', {"a": 1}),
        ("application/json", b"\n<a>1</a>", {"a": "1"}),
        ("application/x-www-form-urlencoded", b"<?xml version='1.0'?><a>1</a>", {"a": "1"}),
        (None, b"<a>1</a>", {"a": "1"}),
        ("application/octet-stream", "\ufeff<a>ë</a>".encode("utf-16-le"), {"a": "ë"}),
        ("text/plain", b"hello there", "hello there"),
        ("text/plain; charset=iso-8859-1", b"caf\xe9 au lait", "café au lait"),
        ("text/plain", b"2 < 3", "2 < 3"),
        ("multipart/form-data; boundary=x", b"a=1&b=2", {"a": "1", "b": "2"}),
        ("multipart/form-data; boundary=x", b'{"a": 1}', {"a": 1}),
        # Charsets, declared and shown.
        ("application/json", '{"a": "ë"}'.encode("utf-16"), {"a": "ë"}),
        ("application/json", '{"a": "ë"}'.encode("utf-16-le"), {"a": "ë"}),
        ("application/json; charset=utf-16be", '{"a": "ë"}'.encode("utf-16-be"), {"a": "ë"}),
        ("application/json", '{"a": "ë"}'.encode("utf-32"), {"a": "ë"}),
        ("application/json", '{"a": "ë"}'.encode("utf-8-sig"), {"a": "ë"}),
        ("application/json; charset=utf-8", b'{"a": "\xeb"}', {"a": "\ufffd"}),
        ("application/json; charset=shift_jis", '{"a": "日本"}'.encode("shift_jis"), {"a": "日本"}),
        ("application/json; charset=unicode_escape", b'{"a": "\xeb"}', {"a": "\ufffd"}),
    ],
)
def test_the_content_type_chooses_and_the_body_corrects_it(
    content_type: str | None, body: bytes, value: object
) -> None:
    assert parse(verified(body, content_type)) == value


@pytest.mark.parametrize(
    ("kind", "content_type", "body", "value"),
    [
        ("json", "application/x-www-form-urlencoded", b"12", 12),
        ("form", "application/json", b'{"a"=1}', {'{"a"': "1}"}),
        ("form", None, b"12", {"12": ""}),
        ("json", "text/plain; charset=latin-1", b'"\xeb"', "ë"),
        ("json", None, b" ", None),
        ("ndjson", "application/json", b'{"a": 1}', [{"a": 1}]),
        ("text", "application/json", b'{"a": 1}', '{"a": 1}'),
        ("text", None, "\ufeffhéllo".encode("utf-16"), "héllo"),
        ("text", None, "\ufeffhello".encode(), "hello"),
        (
            "jwt",
            "text/plain",
            b"eyJhbGciOiJub25lIn0.eyJpZCI6IDcwMDAwMDAwMDAwMDAwMDAwMDA3fQ.x",
            {"id": 70000000000000000007},
        ),
        ("jwt", None, b'"e30.eyJhIjoxfQ.x"', {"a": 1}),
        ("xml", "text/html", b"<a>1</a>", {"a": "1"}),
        (
            "multipart",
            "text/plain",
            b'--q\r\nContent-Disposition: form-data; name="a[b]"\r\n\r\n1\r\n--q--\r\n',
            {"a": {"b": "1"}},
        ),
    ],
)
def test_a_kind_can_be_forced(kind: str, content_type: str | None, body: bytes, value: object) -> None:
    assert parse(verified(body, content_type), body_type=BodyType(kind=kind)) == value


MULTIPART = b'--q\r\nContent-Disposition: form-data; name="payload"\r\n\r\n{"id": 7}\r\n--q--\r\n'


@pytest.mark.parametrize(
    ("body_type", "content_type", "body", "value"),
    [
        (BodyType(kind="json", form_field="payload"), FORM, b"payload=%7B%22id%22%3A+7%7D&x=1", {"id": 7}),
        (BodyType(kind="json", form_field="payload"), "application/json", b"payload=%7B%22id%22%3A+7%7D", {"id": 7}),
        (BodyType(kind="json", form_field="payload"), "multipart/form-data; boundary=q", MULTIPART, {"id": 7}),
        (BodyType(kind="json", form_field="payload"), None, MULTIPART, {"id": 7}),
        (BodyType(kind="text", form_field="note"), FORM, b"note=caf%C3%A9", "café"),
        (BodyType(kind="form", form_field="q"), FORM, b"q=a%3D1%26b%3D2", {"a": "1", "b": "2"}),
        (
            BodyType(kind="xml", form_field="data.xml", lists=("a",)),
            FORM,
            b"data.xml=%3Cr%3E%3Ca%3E1%3C/a%3E%3C/r%3E",
            {"r": {"a": ["1"]}},
        ),
        (BodyType(kind="json", form_field="payload"), FORM, b"payload=", None),
        (BodyType(kind="json", form_field="payload"), FORM, b"", None),
    ],
)
def test_a_field_of_a_form_can_hold_the_value(
    body_type: BodyType, content_type: str | None, body: bytes, value: object
) -> None:
    assert parse(verified(body, content_type), body_type=body_type) == value


@pytest.mark.parametrize(
    ("content_type", "body", "body_type", "reason"),
    [
        ("application/json", b'{"a": }', None, "the body is not JSON: invalid character at byte 6, found '}'"),
        ("application/json", b"hello there", None, "the body is not JSON"),
        (None, b"hello there", None, "there is no content type, and the body is neither a form nor XML nor JSON"),
        (
            "image/png",
            b"\x89PNG....",
            None,
            "the content type is 'image/png', and the body is neither a form nor XML nor JSON (the body is not",
        ),
        ("text/xml", b"<a>", None, "the body is not XML: no element found at line 1, column 4"),
        ("text/html", b"<html><br></html>", None, "the body is not XML: mismatched tag"),
        ("application/json", b"id=1", BodyType(kind="json"), "the body is not JSON"),
        (
            "application/json",
            b"{}",
            BodyType(kind="protobuf"),
            "bodies of type 'protobuf' are not read; allowed: json, ",
        ),
        ("application/json", b"{}", BodyType(kind="xml"), "the body is not XML: not well-formed"),
        (
            "application/json",
            b"{}",
            BodyType(kind="multipart"),
            "neither its content type nor it itself shows a boundary",
        ),
        ("application/json", b"{}", BodyType(kind="jwt"), "it has 1 parts between dots; needed: three"),
        ("text/plain", b"a.b.c.d.e", BodyType(kind="jwt"), "an encrypted token"),
        ("text/plain", b"e30.%.x", BodyType(kind="jwt"), "its second part is not base64url"),
        ("text/plain", b"e30.e30e3.x", BodyType(kind="jwt"), "its second part is not base64url"),
        ("text/plain", b"e30.e3.x", BodyType(kind="jwt"), "the token's payload is not JSON"),
        ("application/x-ndjson", b'{"a": 1}\n{"a": ', None, "line 2: the line is not JSON"),
        ("application/x-ndjson", b"1\n" * 10_001, None, "at most 10,000 are read"),
        ("application/x-ndjson", b"1" + b"\n" * 30_001, None, "at most 10,000 are read"),
        (FORM, b"a=1&b=2", BodyType(kind="json", form_field="payload"), "the form has no field payload; found: a, b"),
        (FORM, b"p=1&p=2", BodyType(kind="json", form_field="p"), "the field p of the form is a list"),
        (FORM, b"p[a]=1", BodyType(kind="json", form_field="p"), "the field p of the form is a level"),
        (FORM, b"p=x", BodyType(kind="json", form_field="p"), "the body is not JSON"),
        ("application/x-www-form-urlencoded", b"a&" * 10_000, None, "the form has 10001 fields"),
        ("application/json", b"1e1000000", None, "exponent beyond"),
    ],
)
def test_an_unreadable_body_says_why(
    content_type: str | None, body: bytes, body_type: BodyType | None, reason: str
) -> None:
    with pytest.raises(Unparseable) as refused:
        parse(verified(body, content_type), body_type=body_type)
    assert reason in str(refused.value)


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the corpus lies outside the project")
def test_the_corpus_has_the_main_senders() -> None:
    assert all(any((PAYLOADS / sender).glob("*.json")) for sender in ("shopify", "woocommerce", "calendly"))


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PAYLOADS.rglob("*.*") if path.is_file() and path.parent.name != "beds24"),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
@pytest.mark.parametrize("declared", [True, False])
def test_the_bodies_of_the_corpus_parse(path: Path, declared: bool) -> None:
    is_json = path.suffix == ".json"
    content_type = {".json": "application/json", ".xml": "text/xml; charset=utf-8"}.get(path.suffix, FORM)
    body = path.read_bytes()
    # A body of the user's own template is text under a form's name: without the name nobody can tell.
    if not declared and path.parent.name in ("cal.com", "unbounce", "mandrill"):
        declared = True
    value = parse(verified(body, content_type if declared else None))
    assert value
    assert isinstance(value, (dict, list) if is_json else dict)


PIECES = [
    *(b"--q", b"\r\n", b"--", b"\n", b" ", b"Content-Disposition: form-data; name=a", b'; filename="b"', b"\x00\xff"),
    *(b"Content-Type: text/plain; charset=utf-16", b"x"),
]


@given(
    st.binary(max_size=80)
    | st.text(alphabet='{}[]":,\\u=&%aE+-.01<>\n', max_size=40).map(str.encode)
    | st.text(alphabet="<>/ax:='\"&;#!-?[]CDAT", max_size=40).map(lambda text: f"<a>{text}</a>".encode())
    | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    st.none()
    | st.sampled_from(
        [
            "application/json",
            "application/x-www-form-urlencoded",
            "text/xml",
            "a/b+json;charset=x",
            "text/xml;charset=utf-16",
            "multipart/form-data; boundary=q",
            "text/plain",
        ]
    )
    | st.text(max_size=30),
    st.none()
    | st.builds(BodyType, kind=st.sampled_from(KINDS))
    | st.builds(BodyType, kind=st.sampled_from(KINDS), form_field=st.sampled_from(["a", "="])),
)
def test_nothing_but_unparseable_is_raised(body: bytes, content_type: str | None, body_type: BodyType | None) -> None:
    try:
        value = parse(verified(body, content_type), body_type=body_type)
    except Unparseable as refused:
        assert str(refused)  # noqa: PT017  either end is right
    else:
        assert not isinstance(value, float)
