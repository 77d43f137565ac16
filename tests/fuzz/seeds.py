"""What fuzzing begins with: bodies of every kind, signed requests, requests as they stand on the wire. Of coverage
alone nobody finds a multipart body."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import SettingsError
from gateway.inbound.authentication import sign
from tests.cli.test_protocol import REFUSED, TAKEN
from tests.fuzz.properties import CODINGS, CONTENT_TYPES, MORE, NOW, SOURCES, header_names, schemes

SAMPLES = Path(__file__).parents[2] / "rules" / "library" / "samples"
_ORDER = {
    "id": 7,
    "type": "order.paid",
    "at": "2026-01-05T10:00:00Z",
    "total": "9.50",
    "phone": "07700 900123",
    "customer": {"id": "c1"},
    "items": [{"title": "Tea", "n": 1}, {"title": "\U0001f600"}],
    "card": "4242",
    "message": {"data": base64.b64encode(b'{"id": 7}').decode()},
}
_FIELD = b'--q\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
_FILE = b'--q\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nx\r\n'
_BODIES: tuple[tuple[str, str, bytes], ...] = (
    ("chosen", "application/json", json.dumps(_ORDER).encode()),
    ("chosen", "application/json", b'{"id": "\\ud83d", "n": 1e400, "m": 0.10, "a": NaN}'),
    ("batch", "application/json", json.dumps([_ORDER, {"id": 8}, 7, None]).encode()),
    ("chosen", "application/x-www-form-urlencoded", b"id=7&customer[id]=1&items[][title]=a&items[][title]=b&x[]=%ff"),
    ("field", "application/x-www-form-urlencoded", b"payload=%7B%22id%22%3A7%7D&token=1"),
    ("chosen", "multipart/form-data; boundary=q", _FIELD % (b"id", b"7") + _FIELD % (b"a[b]", b"c") + _FILE + b"--q--"),
    ("listed", "text/xml", b'<?xml version="1.0"?><o:a xmlns:o="u" id="7"><item>x</item><n i="1">t<b/>u</n></o:a>'),
    ("xml", "text/xml", b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d SYSTEM "file:///etc/passwd">]><a>&b;&d;</a>'),
    ("ndjson", "application/x-ndjson", b'{"id":7}\n\n{"id":8}\r\n'),
    ("jwt", "text/plain", b"e30." + base64.urlsafe_b64encode(b'{"id":7}').rstrip(b"=") + b".c2ln"),
    ("chosen", "application/json; charset=utf-16", json.dumps(_ORDER).encode("utf-16")),
    ("text", "text/plain; charset=iso-2022-jp", "\u65e5\u672c".encode("iso-2022-jp")),
    ("hidden", "application/json", b'{"card": "4242", "a": [{"secret": 1}], "secret": {"b": 2}}'),
)


def bodies() -> Iterator[bytes]:
    """Seeds of ``a_body``."""
    for name, kind, body in _BODIES:
        head = bytes([SOURCES.index(name), CONTENT_TYPES.index(kind)])
        yield head + b"\0" + body
        yield head + bytes([CODINGS.index("gzip")]) + gzip.compress(body, mtime=0)
        yield head + bytes([CODINGS.index("deflate")]) + zlib.compress(body)
    for number, sample in enumerate(sorted(SAMPLES.rglob("*.json"))):
        yield bytes([number % len(MORE), 0, 0]) + sample.read_bytes()[:4_000]


def proofs() -> Iterator[bytes]:
    """Seeds of ``a_proof``: as the sender would sign them, with another secret."""
    for number, (scheme, environ) in enumerate(schemes()):
        values = dict.fromkeys(environ, "another secret of more than thirty-two bytes")
        try:
            made = sign(scheme, body=b'{"id":7}', headers={}, credential=values.get, now=NOW, url="https://h.example/")
        except (SettingsError, ValueError):
            continue
        given = {name.lower(): value for name, value in made.headers.items()}
        first, second = (*(given.get(name, "") for name in header_names(scheme)), "", "")[:2]
        lines = (number.to_bytes(2, "big"), first.encode(), second.encode(), made.query.encode(), made.body)
        if b"\n" not in lines[0]:
            yield b"\n".join(lines)


def wires() -> Iterator[bytes]:
    """Seeds of what comes on a connection: a byte that says how it is cut, and the bytes."""
    for sent in (*(sent for sent, _ in REFUSED.values()), *TAKEN.values()):
        yield b"\xff" + sent[:4_000]
    for query in ("hub.mode=subscribe&hub.verify_token=m&hub.challenge=1", "crc_token=a"):
        yield b"\xff" + f"GET /hooks/open?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield b"\xffOPTIONS /hooks/open HTTP/1.1\r\nHost: x\r\nWebHook-Request-Origin: a.example\r\n\r\n"
