"""Multipart bodies: fields nest as forms do, files are weighed and not kept, and every part has a cap."""

from __future__ import annotations

import tracemalloc

import pytest

from gateway.errors import Unparseable
from gateway.inbound.multipart import MAX_FIELD, MAX_PARTS, boundary_of, read_multipart
from gateway.model import JSON


def part(disposition: str, content: bytes = b"1", *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--q\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--q--\r\n"


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ((), {}),
        ((part('name="a"'),), {"a": "1"}),
        ((part("name=a", b""),), {"a": ""}),
        ((part('name="a"'), part('name="a"', b"2"), part('name="a"', b"3")), {"a": ["1", "2", "3"]}),
        ((part('name="a[b][]"'), part('name="a[b][]"', b"2"), part('name="a[c]"')), {"a": {"b": ["1", "2"], "c": "1"}}),
        ((part('name="raw"', b'{"id": 7}', "Content-Type: application/json"),), {"raw": '{"id": 7}'}),
        ((part('name="a"', "é".encode()),), {"a": "é"}),
        ((part('name="a"', b"\xe9", "Content-Type: text/plain; charset=iso-8859-1"),), {"a": "é"}),
        ((part('name="a"', b"line\r\n--other\r\nline"),), {"a": "line\r\n--other\r\nline"}),
        (
            (part('name="cv"; filename="Lebenslauf – é.pdf"', b"x" * 5_000, "Content-Type: application/pdf"),),
            {"cv": {"filename": "Lebenslauf – é.pdf", "content_type": "application/pdf", "size": 5_000}},
        ),
        (
            (part('name="f[]"; filename="1"'), part('name="f[]"; filename="2"', b"")),
            {
                "f": [
                    {"filename": "1", "content_type": "application/octet-stream", "size": 1},
                    {"filename": "2", "content_type": "application/octet-stream", "size": 0},
                ]
            },
        ),
    ],
)
def test_fields_and_files(parts: tuple[bytes, ...], value: JSON) -> None:
    assert read_multipart(body(*parts), b"q") == value


def test_a_preamble_and_what_follows_the_end_are_left_out() -> None:
    assert read_multipart(body(part('name="a"')) + b"goodbye", b"q") == {"a": "1"}


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("multipart/form-data; boundary=q", b"q"),
        ('multipart/form-data; charset=utf-8; boundary="q"', b"q"),
        ("multipart/form-data", b"q"),
        ("multipart/form-data; boundary=other", b"q"),
        ("text/plain", b"q"),
        ("multipart/form-data; boundary=q" + ";x" * 5_000, b"q"),
        ("Ā", b"q"),
        (None, b"q"),
    ],
)
def test_the_boundary_is_as_declared_or_as_the_first_line_shows(content_type: str | None, found: bytes) -> None:
    assert boundary_of(content_type, body(part('name="a"'))) == found


@pytest.mark.parametrize("content", [b"", b"--", b"hello", b"--q\r\nno disposition", b'{"--q": 1}'])
def test_a_body_without_a_boundary_has_none(content: bytes) -> None:
    assert boundary_of(None, content) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (part('name="a"'), "ends before its last boundary"),
        (body(part('name="a"'))[:-6], "ends before its last boundary"),
        (b"--q\r\nX: 1\r\n\r\n1\r\n--q--\r\n", "part 1 of the multipart body has no name"),
        (body(part('name="a"'), part('filename="b"')), "part 2 of the multipart body has no name"),
        (body(*[part('name="a"')] * (MAX_PARTS + 1)), "over 1,000 parts"),
        (body(part('name="a"', b"x" * (MAX_FIELD + 1))), "over 1,000,000 bytes"),
        (body(part(f'name="{"a" * 1_001}"')), "has 1,001 characters; allowed: 1,000"),
        (body(part('name="a"', b"1", *["X: 1"] * 50)), "can't be read"),
        (body(part('name="a"', b"1", "X: " + "1" * 9_000)), "can't be read"),
        (body(part('name="a"' + ';"' * 1_000)), "has no name"),
        (part('name="a"') + b"--q" + b" \t" * 200, "spaces behind it"),
        (b"--q" + b"x" * 100, "can't be read"),
    ],
)
def test_what_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Unparseable) as refused:
        read_multipart(content, b"q")
    assert reason in str(refused.value)


def test_a_boundary_that_is_too_long_is_refused() -> None:
    with pytest.raises(Unparseable, match="can't be read"):
        read_multipart(b"--" + b"q" * 1_000, b"q" * 1_000)


def test_a_file_costs_no_memory() -> None:
    content = body(part('name="a"; filename="b"', b"\r\n--x" * 1_000_000))
    tracemalloc.start()
    try:
        value = read_multipart(content, b"q")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value == {"a": {"filename": "b", "content_type": "application/octet-stream", "size": 5_000_000}}
    assert peak < 1_000_000
