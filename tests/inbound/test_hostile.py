"""Hostile input through the front door: whatever is sent, the answer is none of ours being broken, it comes, and the
neighbour is served."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests import shop
from tests.cli.test_protocol import REFUSED, TAKEN
from tests.effort import tries
from tests.fuzz.properties import CODINGS, CONTENT_TYPES, FILES, SOURCES, a_body, a_proof, on_the_wire, statuses
from tests.fuzz.seeds import bodies, proofs
from tests.servers import running

XML = "text/xml"
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=q"
JSON = "application/json"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
PART = b'--q\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'

HOSTILE: dict[str, tuple[str, str, bytes, str]] = {
    # name: source, content type, body, state
    "a depth bomb": ("chosen", JSON, b"[" * 500_000, "unparseable"),
    "a depth bomb with an end": ("chosen", JSON, b"[" * 100_000 + b"]" * 100_000, "unparseable"),
    "a depth bomb of objects": ("chosen", JSON, b'{"a":' * 100_000, "unparseable"),
    "a depth bomb in a text": ("chosen", JSON, json.dumps({"id": "[" * 500_000}).encode(), "untranslatable"),
    "brackets in texts": ("chosen", JSON, b'["' + b"[" * 400_000 + b'",{}]', "untranslatable"),
    "depth that is just allowed": ("chosen", JSON, b"[" * 200 + b"]" * 200, "untranslatable"),
    "a million empty lists": ("chosen", JSON, b"[" + b"[]," * 300_000 + b"[]]", "untranslatable"),
    "equal keys": ("chosen", JSON, b'{"id": 1, "id": 2, "type": "a", "type": "b"}', "translated"),
    "a hundred thousand equal keys": ("chosen", JSON, b"{" + b'"id":1,' * 100_000 + b'"id":2}', "translated"),
    "no number": ("chosen", JSON, b'{"id": NaN}', "unparseable"),
    "beyond all numbers": ("chosen", JSON, b'{"id": -Infinity}', "unparseable"),
    "1e400": ("chosen", JSON, b'{"id": 7, "total": 1e400}', "translated"),
    "1e1000000": ("chosen", JSON, b'{"id": 7, "total": 1e1000000}', "unparseable"),
    "1e-1000000": ("chosen", JSON, b'{"id": 7, "total": 1e-1000000}', "unparseable"),
    "1e400 as text": ("chosen", JSON, b'{"id": 7, "total": "1e400000000"}', "translated"),
    "a million digits": ("chosen", JSON, b'{"id": ' + b"9" * 900_000 + b"}", "unparseable"),
    "a thousand digits": ("chosen", JSON, b'{"id": 7, "total": ' + b"9" * 1_000 + b"}", "translated"),
    "half an emoji": ("chosen", JSON, b'{"id": "\\ud83d", "type": "\\ude00"}', "translated"),
    "NULs": ("chosen", JSON, b'{"id": "a\\u0000b", "type": "\\u0000"}', "translated"),
    "raw NULs": ("chosen", JSON, b'{"id": "a\0b"}', "unparseable"),
    "NULs alone": ("chosen", JSON, bytes(1_000), "unparseable"),
    "no UTF-8": ("chosen", JSON, b'{"id": "caf\xe9\xff"}', "translated"),
    "no UTF-8 in a form": ("chosen", FORM, b"id=caf%e9%ff&type=%00", "translated"),
    "overlong UTF-8": ("chosen", JSON, b'{"id": "\xc0\xaf\xed\xa0\x80"}', "translated"),
    "keys that are not what they seem": (
        "chosen",
        JSON,
        b'{"__proto__": {"id": 1}, "constructor": 2, "id": 7}',
        "translated",
    ),
    "a billion laughs": ("xml", XML, f'<!DOCTYPE l [<!ENTITY l0 "ha">{LAUGHS}]><l>&l9;</l>'.encode(), "unparseable"),
    "quadratic laughs": (
        "xml",
        XML,
        b'<!DOCTYPE l [<!ENTITY a "' + b"a" * 50_000 + b'">]><l>' + b"&a;" * 50_000 + b"</l>",
        "unparseable",
    ),
    "an entity outside": (
        "xml",
        XML,
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "unparseable",
    ),
    "an entity of parameters": (
        "chosen",
        XML,
        b'<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:1/">%b;]><a/>',
        "unparseable",
    ),
    "a document type outside": ("xml", XML, b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>', "unparseable"),
    "an inclusion": (
        "xml",
        XML,
        b'<a xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="/etc/passwd"/></a>',
        "untranslatable",
    ),
    "a depth bomb of XML": ("xml", XML, b"<a>" * 300_000, "unparseable"),
    "a hundred thousand attributes": (
        "xml",
        XML,
        b"<a " + b" ".join(b'a%d=""' % n for n in range(100_000)) + b"/>",
        "unparseable",
    ),
    "namespaces without end": (
        "xml",
        XML,
        b"<a " + b" ".join(b'xmlns:a%d="u"' % n for n in range(40_000)) + b"/>",
        "unparseable",
    ),
    "UTF-7": ("xml", XML, b'<?xml version="1.0" encoding="UTF-7"?>+ADw-a/+AD4-', "unparseable"),
    "a strange codec": ("text", "text/plain; charset=unicode_escape", b"\\x41", "untranslatable"),
    "a codec that is none": ("chosen", "application/json; charset=\xff\xfe", b'{"id": 7}', "translated"),
    "a million fields": ("chosen", FORM, b"a=1&" * 240_000, "unparseable"),
    "keys in keys in keys": ("chosen", FORM, b"a" + b"[b]" * 300_000 + b"=1", "unparseable"),
    "lists in lists": ("chosen", FORM, b"&".join(b"a[][b][]=%d" % n for n in range(9_000)), "untranslatable"),
    "brackets that never close": ("chosen", FORM, b"[" * 500_000 + b"=1", "untranslatable"),
    "ten thousand parts": ("chosen", PARTS, PART % (b"id", b"7") * 10_000 + b"--q--", "unparseable"),
    "a part without an end": ("chosen", PARTS, PART % (b"id", b"7" * 500_000), "unparseable"),
    "a boundary and spaces": ("chosen", PARTS, b"--q" + b" " * 900_000, "unparseable"),
    "a part's header without end": ("chosen", PARTS, b"--q\r\nContent-Disposition: " + b"a" * 900_000, "unparseable"),
    "a name of quotes": (
        "chosen",
        PARTS,
        b'--q\r\nContent-Disposition: form-data; name="' + b'\\"' * 400_000 + b'"\r\n\r\n7\r\n--q--',
        "unparseable",
    ),
    "a million lines": ("ndjson", "application/x-ndjson", b"1\n" * 450_000, "unparseable"),
    "a token of a million dots": ("jwt", "text/plain", b"." * 900_000, "unparseable"),
    "a token of nothing": ("jwt", "text/plain", b"e30..", "unparseable"),
    "a regular expression's food": ("chosen", JSON, json.dumps({"id": "a" * 900_000 + "!"}).encode(), "untranslatable"),
    "base64 of itself": ("chosen", JSON, json.dumps({"message": {"data": "A" * 900_000}}).encode(), "untranslatable"),
    "a batch of ten thousand and one": ("batch", JSON, b"[" + b"1," * 10_000 + b"1]", "untranslatable"),
    "a batch of bad elements": ("batch", JSON, b'[[], 1, null, "a", {"id": {}}, {"id": 7}]', "untranslatable"),
    "what is redacted all over": (
        "hidden",
        JSON,
        b'{"id":7,"a":' + b'{"secret":1,"b":[' * 90 + b"1" + b"]}" * 90 + b"}",
        "translated",
    ),
}


@cache
def coded() -> dict[str, tuple[str, bytes]]:
    """Bodies by name, with their coding. Made when asked for: whoever collects this file need not zip 300 MB."""
    return {
        "a zip bomb": ("gzip", gzip.compress(bytes(100_000_000))),
        "a zip bomb in a zip bomb": ("gzip", gzip.compress(gzip.compress(bytes(100_000_000)))),
        "a deflate bomb": ("deflate", zlib.compress(bytes(100_000_000))),
        "no gzip": ("gzip", b"\x1f\x8b\x08\x00" + b"\xff" * 1_000),
        "gzip with a name without end": ("gzip", b"\x1f\x8b\x08\x08" + b"a" * 900_000),
        "members without end": ("gzip", gzip.compress(b"") * 40_000),
        "no coding": ("a" * 1_000, b"{}"),
        "codings without end": (", ".join(["gzip"] * 1_000), b"{}"),
    }


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    shop.write_rules(tmp_path / "rules", rules={**FILES, "shop.yaml": shop.RULES})
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive")


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def honest(hooks: httpx.AsyncClient, number: int) -> str:
    body = shop.order(number=number)
    answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body, event=f"honest-{number}"))
    return str(answer.json()["status"])


async def looked_at(hooks: httpx.AsyncClient, id: str) -> dict[str, Any]:
    """A webhook as a person looks at it, with its trace; and run again, as after a correction of the rules."""
    shown = await hooks.get(f"/api/webhooks/{id}", headers=shop.bearer())
    assert shown.status_code == 200, shown.text
    replayed = await hooks.post("/api/replay", json={"id": id}, headers=shop.bearer())
    assert replayed.status_code < 500, replayed.text
    found: dict[str, Any] = shown.json()
    return found


async def test_hostile_bodies_are_kept_and_nobody_else_notices(app: Starlette, hooks: httpx.AsyncClient) -> None:
    wrong: list[str] = []

    async def posted(name: str, source: str, headers: dict[str, str], body: bytes, state: str) -> None:
        sent = {key: value.encode("latin-1") for key, value in headers.items()}
        answer = await hooks.post(f"/hooks/{source}", params={"n": name}, content=body, headers=sent)
        if answer.status_code != 200:
            wrong.append(f"{name}: {answer.status_code} {answer.text[:200]}")
            return
        found = await looked_at(hooks, answer.json()["id"])
        if found["state"] != state:
            wrong.append(f"{name}: {found['state']} ({found.get('reason')} {str(found.get('errors'))[:300]})")

    async with asyncio.timeout(120):
        for number, (name, (source, kind, body, state)) in enumerate(HOSTILE.items()):
            _, status = await asyncio.gather(
                posted(name, source, {"content-type": kind}, body, state), honest(hooks, number)
            )
            assert status == "accepted"
        for name, (coding, body) in coded().items():
            await posted(name, "chosen", {"content-type": JSON, "content-encoding": coding}, body, "unparseable")
    assert "\n".join(wrong) == ""
    listed = await hooks.get("/api/webhooks?limit=200", headers=shop.bearer())
    assert listed.status_code == 200
    assert (await hooks.get("/readyz")).json()["status"] == "ready"


# -- anything at all -----------------------------------------------------------------------------------------------

QUICK = settings(max_examples=tries(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = tuple(bodies())
PROOFS = tuple(proofs())
WIRES = (*(sent for sent, _ in REFUSED.values() if len(sent) < 5_000), *TAKEN.values())
CHOICE = st.tuples(
    st.integers(0, len(SOURCES) - 1), st.integers(0, len(CONTENT_TYPES) - 1), st.integers(0, len(CODINGS) - 1)
).map(bytes)


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Something that is nearly right: pieces of it taken out, doubled, or replaced."""
    found = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(found)))
        end = draw(st.integers(begin, min(len(found), begin + 40)))
        put = draw(
            st.sampled_from(
                [b"", found[begin:end] * 2, b"\0", b"\r\n", b"\xff", b'"', b"[", b"{", b"<", b"%00", b"\\ud800"]
            )
        )
        found = found[:begin] + put + found[end:]
    return found


@given(mutated(st.sampled_from(SEEDS)) | st.builds(bytes.__add__, CHOICE, st.binary(max_size=200)))
@QUICK
def test_any_body_becomes_a_webhook(data: bytes) -> None:
    a_body(data)


@given(mutated(st.sampled_from(PROOFS)) | st.binary(max_size=100))
@QUICK
def test_no_stranger_is_let_in(data: bytes) -> None:
    a_proof(data)


class Door:
    """The service in a loop of its own, for examples that come one after the other."""

    def __init__(self, folder: Path) -> None:
        shop.write_rules(folder / "rules", rules={**FILES, "shop.yaml": shop.RULES, "brands.yaml": shop.BRANDS})
        self.app = shop.shop_app(folder, GATEWAY_ROLE="receive")
        self.runner = asyncio.Runner()
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://gateway")
        self._lifespan = self.app.router.lifespan_context(self.app)
        self.run(self._lifespan.__aenter__())
        self.wire = on_the_wire(self.app)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def close(self) -> None:
        self.run(self.client.aclose())
        self.run(self._lifespan.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    found = Door(tmp_path_factory.mktemp("door"))
    yield found
    found.close()


HEADER_VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)


@given(
    choice=CHOICE,
    body=st.sampled_from(SEEDS).map(lambda seed: seed[3:]) | st.binary(max_size=200),
    query=st.text(st.characters(max_codepoint=127, exclude_categories=["Cc", "Zs"]), max_size=30),
    signature=HEADER_VALUES,
    kind=HEADER_VALUES | st.none(),
)
@QUICK
def test_any_request_has_an_answer(
    door: Door, choice: bytes, body: bytes, query: str, signature: str, kind: str | None
) -> None:
    source = (*SOURCES, "shop", "brands")[choice[0] % (len(SOURCES) + 2)]
    headers = [
        (b"x-shop-signature", signature.encode("latin-1")),
        (b"content-type", CONTENT_TYPES[choice[1]].encode() if kind is None else kind.encode("latin-1")),
        (b"content-encoding", CODINGS[choice[2]].encode()),
    ]

    async def posted() -> None:
        answer = await door.client.post(f"/hooks/{source}", content=body, headers=headers)
        assert answer.status_code in (200, 401, 404)
        if answer.status_code == 200:
            assert (await looked_at(door.client, answer.json()["id"]))["source"] == source

    door.run(posted())


@given(
    mutated(st.lists(st.sampled_from(WIRES), min_size=1, max_size=3).map(b"".join)).map(
        lambda sent: sent.replace(b"/hooks/open", b"/hooks/chosen")
    ),
    st.integers(0, 255),
)
@QUICK
def test_any_bytes_on_a_connection_have_an_answer_or_an_end(door: Door, sent: bytes, cut: int) -> None:
    found = statuses(door.run(door.wire(bytes([cut]) + sent)))
    assert all(status < 500 for status in found), found
