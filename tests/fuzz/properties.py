"""What must hold for whatever a stranger sends, each property a function of bytes: for Hypothesis (in the suite) and
for atheris (``python -m tests.fuzz``). None raises but where it does not hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from gateway.cli.protocol import GuardedProtocol
from gateway.errors import Rejected
from gateway.inbound.arrival import retraced, translated
from gateway.inbound.authentication import PRESETS, NoVerification, Scheme, scheme_from, verify
from gateway.inbound.batches import receptions
from gateway.inbound.body import exactly, taken
from gateway.inbound.needs import needs_url, secrets_of
from gateway.inbound.payloads import KINDS
from gateway.inbound.request import Request
from gateway.model import new_webhook_id
from gateway.rules import Ruleset, load
from tests import shop
from tests.inbound.pairs import pair_for

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
CONTENT_TYPES = (
    *("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=q", "text/xml", ""),
    *("application/x-ndjson", "text/plain", "application/json; charset=utf-16", "text/xml; charset=shift_jis"),
    *("text/plain; charset=iso-2022-jp", "application/cloudevents+json", "multipart/form-data"),
)
CODINGS = ("", "", "", "", "gzip", "deflate")
_RULES = """\
source: {name}
verify: none
{more}
dedup_key: [$.id, $header.X-Id]
event_type: $.type
event_time: $.at
ignore: {{$.test: true}}
let:
  inner: $.message.data | base64_decode | parse_json
  who: $.customer.id | default($.id) | default($let.inner.id)
rules:
  - name: Mail
    when: {{$.type: {{ne: never}}}}
    once: "{{{{ $let.who }}}}"
    send_email:
      userId: $let.who
      assetId: A
      timestamp: $.at
      whole: $
      every: $..id
      text: $ | json | truncate(50)
      total: $.total | number | times(100) | round
      phone: $.phone | phone("GB")
      list: {{$each: "$.items[*]", $as: {{title: $item.title, n: $item.n | plus(1)}}}}
"""
MORE = {
    "chosen": "",
    **{kind: f"body: {kind}" for kind in KINDS},
    "field": "body: {form_field: payload, as: json}",
    "batch": 'events: "$[*]"',
    "hidden": "redact: [$.card, $..secret, $header.X-Person]",
    "listed": "body: {as: xml, lists: [item]}",
}
SOURCES = tuple(MORE)
FILES = {
    **{f"{name}.yaml": _RULES.format(name=name, more=more) for name, more in MORE.items()},
    "destinations.yaml": shop.DESTINATIONS,
}
"""The rules folder."""


@lru_cache(maxsize=1)
def ruleset() -> Ruleset:
    """Sources that read bodies in every way, with rules that touch whatever there is."""
    with tempfile.TemporaryDirectory() as folder:
        return load(shop.write_rules(Path(folder) / "rules", rules=FILES), environ={"INTILERY_AUTH_TOKEN": "x"})


def plain(value: Any) -> bool:
    """Whether a value is what JSON has, exactly: no float, every text UTF-8."""
    match value:
        case None | bool() | int() | Decimal():
            return True
        case str():
            return value.encode().decode() == value
        case list():
            return all(map(plain, value))
        case dict():
            return all(type(key) is str and plain(key) and plain(one) for key, one in value.items())
        case _:
            return False


def a_body(data: bytes) -> None:
    """Any bytes become a webhook: parsed and translated, or kept with a reason; and again from what was kept."""
    choice, body = data[:3].ljust(3, b"\0"), data[3:]
    rules = ruleset()
    source = rules.sources[SOURCES[choice[0] % len(SOURCES)]]
    headers = (
        ("content-type", CONTENT_TYPES[choice[1] % len(CONTENT_TYPES)]),
        ("content-encoding", CODINGS[choice[2] % len(CODINGS)]),
    )
    request = Request(source=source.name, headers=headers, body=body, received_at=NOW)
    verified = verify(NoVerification(), request, credential={}.get, now=NOW)
    read = taken(rules, source, verified, id=new_webhook_id(), cap=200_000)
    if source.events is not None:
        found = list(receptions(source, read, parts={}, now=NOW))
    else:
        assert read.webhook.reason is not None or plain(read.body)
        if read.webhook.reason is None:
            exactly(read.body)
        found = [translated(source, read, parts={}, now=NOW)]
    for reception in found:
        webhook = reception.webhook
        assert webhook.state != "unparseable" or webhook.reason
        assert not reception.commands or webhook.state == "translated"
        retraced(rules, webhook)


@lru_cache(maxsize=1)
def schemes() -> tuple[tuple[Scheme, dict[str, str]], ...]:
    """Every preset, with what it reads from the environment."""
    found = []
    for name in PRESETS:
        scheme = scheme_from(name)
        kinds = {"ecdsa": "ecdsa", "ed25519": "ed25519"}
        public = pair_for(kinds.get(PRESETS[name].kind, "rsa"))[1]
        environ = {
            secret: public if secret.endswith("_PUBLIC_KEY") else _secret(str(PRESETS[name].keys.get("key", "utf8")))
            for secret in secrets_of(scheme)
        }
        found.append((scheme, environ))
    return tuple(found)


def _secret(kind: str) -> str:
    encoded = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    return {"hex": "00ff" * 16, "base64": encoded, "whsec": f"whsec_{encoded}"}.get(
        kind, "thirty-two bytes that are a secret"
    )


def a_proof(data: bytes) -> None:
    """Nobody without the secret is let in, and nothing but a refusal comes of what they send."""
    fields = data.split(b"\n", 4)
    choice, value, more, query, body = (*fields, *[b""] * (5 - len(fields)))
    number = int.from_bytes(choice[:2], "big")
    scheme, environ = schemes()[number % len(PRESETS)]
    text, other = value.decode("latin-1"), more.decode("latin-1")
    names = header_names(scheme)
    headers = tuple((name, other if place else text) for place, name in enumerate(names))
    request = Request(
        source="s",
        query=query.decode("latin-1"),
        headers=headers,
        body=body,
        received_at=NOW,
        url="https://hooks.example/hooks/s" if needs_url(scheme) else None,
        client="192.0.2.1",
    )
    try:
        verify(scheme, request, credential=environ.get, now=NOW)
    except Rejected as refused:
        said = str(refused)
    else:
        raise AssertionError(f"let in: {scheme}")
    assert not any(secret in said for secret in environ.values())


@lru_cache(maxsize=256)
def header_names(scheme: Scheme) -> tuple[str, ...]:
    """The headers that a scheme names anywhere."""
    found: list[str] = ["authorization"]
    for name in ("header", "name", "id_header", "timestamp_header"):
        value = getattr(scheme, name, None)
        if isinstance(value, str) and value:
            found.insert(0, value.lower())
    for inner in getattr(scheme, "schemes", ()):
        found.extend(header_names(inner))
    return tuple(dict.fromkeys(found))


class _Wire(asyncio.Transport):
    """What the protocol writes to: kept, and closed as a socket is."""

    def __init__(self, protocol: GuardedProtocol) -> None:
        super().__init__()
        self.written = bytearray()
        self.closing = False
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 7), "sockname": ("127.0.0.1", 8080)}.get(name, default)


def on_the_wire(app: Any) -> Callable[[bytes], Any]:
    """The property of bytes on a connection to ``app``: every answer is one, and none is a defect's."""
    config = uvicorn.Config(app, http=GuardedProtocol, lifespan="off", log_config=None, access_log=False, ws="none")
    config.load()
    state = ServerState()

    async def run(data: bytes) -> bytes:
        protocol = GuardedProtocol(config=config, server_state=state, app_state={})
        wire = _Wire(protocol)
        protocol.connection_made(wire)
        # Cut as the first byte says: a network cuts anywhere.
        size, data = data[0] + 1 if data else 1, data[1:]
        size = len(data) if size > 128 else size
        for at in range(0, len(data), max(size, 1)):
            if wire.closing:
                break
            protocol.data_received(data[at : at + size])
            await asyncio.sleep(0)
        while state.tasks and not wire.closing:
            if protocol.cycle is not None and protocol.cycle.more_body and not protocol.cycle.response_complete:
                break  # it waits for more, which does not come
            await asyncio.wait(state.tasks, timeout=0.01)
        wire.close()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=5)
        assert not state.tasks, "a request does not end"
        await asyncio.sleep(0)
        protocol._head_came()
        protocol._unset_keepalive_if_required()
        return bytes(wire.written)

    return run


def statuses(written: bytes) -> list[int]:
    """The statuses of what stands on the wire."""
    found: list[int] = []
    while written:
        head, end, rest = written.partition(b"\r\n\r\n")
        assert end, head
        version, status, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        assert version == b"HTTP/1.1"
        found.append(int(status))
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        written = rest if int(status) == 100 else rest[length:]
    return found
