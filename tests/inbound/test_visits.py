"""Amazon SNS, through the real service: its subscription is confirmed by opening an address, at Amazon and nowhere
else."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.errors import FetchError, FetchRefused, FetchUnavailable
from gateway.inbound.api_client import APIClient
from gateway.inbound.authentication import scheme_from, sign
from gateway.inbound.visits import AT_A_TIME, ATTEMPTS, MOST, VisitMade, Visits
from gateway.store import WebhookFilter
from tests import shop
from tests.inbound.pairs import pair_for
from tests.servers import acting, read_request, running

HOST = "sns.eu-west-1.amazonaws.com"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
ADDRESS = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
RULES = f"""\
source: sns
verify: {{header: {{name: X-Proof, secret: $env.SHOP_SECRET}}}}
challenge: {{aws_sns: {{where: {{Type: SubscriptionConfirmation, TopicArn: "{TOPIC}"}}}}}}
event_type: $.Type
ignore: {{$.TopicArn: {{ne: "{TOPIC}"}}}}
let: {{order: $.Message | parse_json}}
rules:
  - name: Welcome
    when: {{$.Type: Notification}}
    start_journey:
      userId: $let.order.customer.id
      properties: {{journeyIdToTrigger: $journey.welcome}}
"""
PAIR = pair_for("rsa")
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
PROOF = {"X-Proof": shop.SECRET, "content-type": "text/plain; charset=UTF-8"}


def message(type: str = "SubscriptionConfirmation", **changes: Any) -> bytes:
    found = {
        "Type": type,
        "MessageId": "165545c9",
        "TopicArn": TOPIC,
        "Token": "2336412f37",
        "SubscribeURL": ADDRESS,
        "Message": "You have chosen to subscribe",
        "Timestamp": "2026-01-05T10:00:00.000Z",
        **changes,
    }
    return json.dumps(found).encode()


class Amazon:
    """What stands behind Amazon's name: a TLS server of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[bytes] = []
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
        self.came = asyncio.Event()


@pytest.fixture
async def amazon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Amazon]:
    """A certificate for Amazon's name that the gateway trusts, and DNS that leads the name here."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=sns", "-addext", f"subjectAltName=DNS:{HOST}"]
    files = ["-keyout", tmp_path / "key", "-out", tmp_path / "cert"]
    try:
        subprocess.run([*command, *files], check=True, capture_output=True, timeout=30)  # noqa: ASYNC221  (the start)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no openssl program that makes a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.asked.append(await read_request(reader))
        writer.write(found.answer)
        await writer.drain()
        found.came.set()

    found = Amazon(0)
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host == HOST:
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", found.port))]
        return resolve(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with acting(part, tls=context) as port:
        found.port = port
        yield found


@pytest.fixture
def app(tmp_path: Path, amazon: Amazon) -> Starlette:
    signed = "source: signed\nverify: aws_sns\nchallenge: aws_sns\nevent_type: $.Type\n"
    files = {"sns.yaml": RULES, "signed.yaml": signed, "destinations.yaml": shop.DESTINATIONS}
    shop.write_rules(tmp_path / "rules", rules=files)
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive", AWS_SNS_PUBLIC_KEY=PAIR[1])


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url + "/hooks", timeout=10) as client:
        yield client


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's address counts as a public one."""
    monkeypatch.setattr("gateway.inbound.addresses.is_public", lambda address: True)


async def stored(app: Starlette) -> list[Any]:
    page = await shop.gateway_of(app).store.webhooks(WebhookFilter())
    return [await shop.gateway_of(app).store.webhook(item.id) for item in page.items]


def counted(app: Starlette, outcome: str) -> float | None:
    labels = {"source": "sns", "outcome": outcome}
    return shop.gateway_of(app).telemetry.metrics.registry.get_sample_value("gateway_visits_total", labels)


async def test_a_subscription_is_confirmed_after_the_answer(
    app: Starlette,
    hooks: httpx.AsyncClient,
    amazon: Amazon,
    reachable: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "gateway"):
        found = await hooks.post("/sns", content=message(), headers=PROOF)
        assert (found.status_code, found.content) == (200, b"")
        await asyncio.wait_for(amazon.came.wait(), 10)

        async def told() -> bool:
            return counted(app, "answered") == 1

        await shop.until(told)
    [asked] = amazon.asked
    assert asked.startswith(b"GET /?Action=ConfirmSubscription&TopicArn=" + TOPIC.encode() + b"&Token=2336412f37 ")
    assert f"host: {HOST}\r\n".encode() in asked.lower()
    assert b"proof" not in asked.lower()
    assert f"sns: the address at {HOST} that confirms its subscription: answered" in caplog.messages
    assert "2336412f37" not in caplog.text
    assert await stored(app) == []


async def test_only_what_is_verified_and_of_the_named_topic_is_opened(
    app: Starlette, hooks: httpx.AsyncClient, amazon: Amazon, reachable: None
) -> None:
    assert (await hooks.post("/sns", content=message())).status_code == 401
    other = message(TopicArn="arn:aws:sns:eu-west-1:999999999999:theirs")
    assert (await hooks.post("/sns", content=other, headers=PROOF)).json()["status"] == "accepted"
    assert [(webhook.state, webhook.event_type) for webhook in await stored(app)] == [
        ("ignored", "SubscriptionConfirmation")
    ]
    assert amazon.asked == []


async def test_a_message_that_amazon_signed_is_believed_and_a_changed_one_is_not(
    app: Starlette, hooks: httpx.AsyncClient, amazon: Amazon, reachable: None
) -> None:
    def signed(body: bytes) -> bytes:
        return sign(scheme_from("aws_sns"), body=body, headers={}, credential={}.get, now=NOW, private_key=PAIR[0]).body

    real = signed(message())
    forged = real.replace(b"2336412f37", b"0000000000")
    assert (await hooks.post("/signed", content=forged)).status_code == 401
    assert (await hooks.post("/signed", content=message())).status_code == 401
    assert amazon.asked == []
    assert (await hooks.post("/signed", content=real)).status_code == 200
    await asyncio.wait_for(amazon.came.wait(), 10)
    text = json.dumps({"customer": {"id": "c-7"}})
    told = signed(message("Notification", Message=text))
    assert (await hooks.post("/signed", content=told)).json()["status"] == "accepted"


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-west-1.amazonaws.com/?a=1",
        "https://sns.eu-west-1.amazonaws.com.evil.example/?a=1",
        "https://evil.example/sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com@evil.example/",
        "https://evil.example\\@sns.eu-west-1.amazonaws.com/",
        "https://user:x@sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com:8443/",
        "https://sns.eu.west.amazonaws.com/",
        "https://sns..amazonaws.com/",
        "https://sns.amazonaws.com/",
        "https://evilsns.eu-west-1.amazonaws.com/",
        "https://sqs.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com#@evil.example/",
        "https://sns.eu-west-1.amazonaws.com/\r\nX-A: b",
        "https://sns.eu-west-1.amazonaws.com/ HTTP/1.1",
        "https://127.0.0.1/",
        "https://[::1]/",
        "file:///etc/passwd",
        "//sns.eu-west-1.amazonaws.com/",
        "HTTPS://SNS.EU-WEST-1.AMAZONAWS.COM.\u3002evil/",
        "https://sns.eu-west-1.amazonaws.com/?" + "a" * 2_048,
        "",
        7,
        None,
    ],
)
async def test_no_other_address_is_opened(
    app: Starlette, hooks: httpx.AsyncClient, amazon: Amazon, reachable: None, address: object
) -> None:
    found = await hooks.post("/sns", content=message(SubscribeURL=address), headers=PROOF)
    assert found.status_code == 400
    assert len(shop.gateway_of(app).visits) == 0
    assert amazon.asked == []
    assert counted(app, "answered") is None


async def test_china_is_amazon_too(app: Starlette, hooks: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(shop.gateway_of(app).visits, "_open", lambda address: _noted(opened, address))
    address = "https://sns.cn-north-1.amazonaws.com.cn:443/?Action=ConfirmSubscription"
    assert (await hooks.post("/sns", content=message(SubscribeURL=address), headers=PROOF)).status_code == 200

    async def came() -> bool:
        return opened == [address]

    await shop.until(came)


async def _noted(opened: list[str], address: str) -> None:
    opened.append(address)


async def test_a_name_that_leads_into_the_own_network_is_not_opened(
    app: Starlette, hooks: httpx.AsyncClient, amazon: Amazon, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await hooks.post("/sns", content=message(), headers=PROOF)).status_code == 200

    async def told() -> bool:
        return counted(app, "refused") == 1

    await shop.until(told)
    assert amazon.asked == []
    assert "resolves to 127.0.0.1, which is not a public address" in caplog.text


@pytest.mark.parametrize(
    ("status", "outcome"), [("403 Forbidden", "refused"), ("302 Found", "refused"), ("503 Busy", "again")]
)
async def test_an_answer_that_confirms_nothing(
    app: Starlette, hooks: httpx.AsyncClient, amazon: Amazon, reachable: None, status: str, outcome: str
) -> None:
    amazon.answer = f"HTTP/1.1 {status}\r\nlocation: https://127.0.0.1/\r\nconnection: close\r\n\r\n".encode()
    await hooks.post("/sns", content=message(), headers=PROOF)

    async def told() -> bool:
        return counted(app, outcome) == 1

    await shop.until(told)
    assert len(amazon.asked) == 1


async def test_what_follows_is_a_webhook_and_a_farewell_is_never_opened(
    app: Starlette, hooks: httpx.AsyncClient, amazon: Amazon, reachable: None
) -> None:
    text = json.dumps({"customer": {"id": "c-7"}})
    await hooks.post("/sns", content=message("Notification", Message=text), headers=PROOF)
    await hooks.post("/sns", content=message("UnsubscribeConfirmation"), headers=PROOF)
    states = {webhook.event_type: webhook.state for webhook in await stored(app)}
    assert states == {"Notification": "translated", "UnsubscribeConfirmation": "unmatched"}
    assert amazon.asked == []


# -- the worker ----------------------------------------------------------------------------------------------------


async def test_what_fails_for_the_moment_is_tried_some_times() -> None:
    records: list[VisitMade] = []
    pauses: list[float] = []
    failures: list[FetchError] = [FetchUnavailable("busy")] * ATTEMPTS
    done = asyncio.Event()

    async def open(address: str) -> None:
        if failures:
            raise failures.pop()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    def emit(record: VisitMade) -> None:
        records.append(record)
        if record.outcome != "again":
            done.set()

    visits = Visits(open, emit=emit, pause=pause, rng=lambda: 0.5)
    assert visits.add("sns", ADDRESS)
    await asyncio.wait_for(done.wait(), 10)
    assert [record.outcome for record in records] == ["again"] * (ATTEMPTS - 1) + ["given_up"]
    assert pauses == [2, 4, 8, 16, 32]
    assert records[-1].host == HOST
    done.clear()
    failures.append(FetchRefused("no"))
    await asyncio.sleep(0)
    assert visits.add("sns", ADDRESS)
    await asyncio.wait_for(done.wait(), 10)
    assert records[-1].outcome == "refused"


async def test_no_more_than_so_many_wait_and_one_address_is_opened_once() -> None:
    opened: list[str] = []

    async def open(address: str) -> None:
        opened.append(address)
        await asyncio.Event().wait()

    visits = Visits(open, emit=lambda record: None)
    for number in range(MOST):
        assert visits.add("sns", f"https://{HOST}/{number}")
    assert visits.add("sns", f"https://{HOST}/0")
    assert not visits.add("sns", f"https://{HOST}/more")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(opened) == AT_A_TIME
    await visits.stop()
    await visits.stop()
    assert visits.add("sns", f"https://{HOST}/more")
    await visits.stop()


async def test_an_address_without_an_end_is_not_waited_for(
    amazon: Amazon, reachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.inbound.api_client.OPEN_TIMEOUT", 0.2)
    amazon.answer = b"HTTP/1.1 200 OK\r\n"
    client = APIClient(credential={}.get)
    try:
        with pytest.raises(FetchUnavailable):
            await client.open(ADDRESS)
        amazon.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n" + b"x" * 70_000
        with pytest.raises(FetchRefused, match="over 65,536 bytes"):
            await client.open(ADDRESS)
    finally:
        await client.aclose()
