"""The sandbox over real HTTP: the documented answers, limits and delays, reads, faults, and the client against it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, NamedTuple

import httpx
import pytest

from gateway.errors import DeliveryError, Refused, Throttled, Unauthorised, Unavailable, UnknownOutcome
from gateway.intilery.client import Accepted, Client
from gateway.intilery.contract import MAX_BODY, Destination, encode
from gateway.intilery.sandbox import Faults, Sandbox, create_sandbox
from gateway.intilery.sandbox.profiles import Profiles
from tests.servers import running

SEND: dict[str, Any] = {"userId": "ABC/123", "event": "SEND_SMS", "assetId": "A-1", "messageId": "m-1"}
IDENTIFY: dict[str, Any] = {"userId": "ABC/123", "event": "identify", "traits": {"email": "a@example.com"}}
PATH = "/track/acme/acmeuk/ACMEUK/v1"
TOKEN = {"auth-token": "sandbox"}


class Clock:
    """Seconds since the epoch, turned by hand."""

    def __init__(self) -> None:
        self.now = 1_772_366_400.0  # 2026-03-01T12:00:00Z

    def __call__(self) -> float:
        return self.now


class Served(NamedTuple):
    """A sandbox behind a real port: what it knows, plain HTTP to it, and the gateway's client to it."""

    sandbox: Sandbox
    http: httpx.AsyncClient
    client: Client
    destination: Destination
    clock: Clock

    async def post(self, action: str, body: Any, *, path: str = PATH, **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else encode(body)
        sent = {"content-type": "application/json", **TOKEN, **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.http.post(f"{path}/{action}", content=raw, headers=sent)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(f"{PATH}/{path}", params=query, headers=TOKEN)

    async def send(self, body: Any = SEND, *, action: str = "track", token: str = "sandbox") -> Accepted:
        return await self.client.send(self.destination, token=token, action=action, body=encode(body))

    async def failure(self, body: Any = SEND, *, token: str = "sandbox") -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            await self.send(body, token=token)
        return caught.value


@contextlib.asynccontextmanager
async def served(**options: Any) -> AsyncIterator[Served]:
    clock = Clock()
    app = create_sandbox(**{"rate": None, "clock": clock, **options})
    async with (
        running(app) as url,
        httpx.AsyncClient(base_url=url) as http,
        Client(read_timeout=5.0) as client,
    ):
        destination = Destination(
            name="uk", client_id="acme", account_id="acmeuk", brand_id="ACMEUK", auth_token="T", url=url
        )
        yield Served(app.state.sandbox, http, client, destination, clock)


@pytest.fixture
async def sandbox() -> AsyncIterator[Served]:
    async with served() as here:
        yield here


# Calls


async def test_a_command_is_accepted_in_either_case_and_kept_exactly(sandbox: Served) -> None:
    raw = b'{"userId":"u","event":"SEND_SMS","assetId":"A","total":0.10,"order":12345678901234567890123456}'
    answer = await sandbox.post("track", raw)
    await sandbox.send({**SEND, "event": "send_sms"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"success": True, "eventId": sandbox.sandbox.calls[0].event_id}
    first, second = sandbox.sandbox.calls
    assert (first.event, second.event) == ("send_sms", "send_sms")
    assert (first.account, first.action, first.user_id) == ("acme/acmeuk/ACMEUK", "track", "u")
    assert first.raw == raw
    assert first.body["total"] == Decimal("0.10")
    assert first.body["order"] == 12345678901234567890123456
    assert second.message_id == "m-1"


async def test_unknown_events_are_plain_events(sandbox: Served) -> None:
    assert (await sandbox.post("track", {"anonymousId": "a", "event": "Order Completed"})).status_code == 200
    call = sandbox.sandbox.calls[0]
    assert (call.event, call.user_id, call.reached, call.why) == ("Order Completed", "a", None, None)
    assert sandbox.sandbox.counts == {"accepted": 1, "track": 1}


async def test_a_refusal_says_why_in_the_documented_form(sandbox: Served) -> None:
    answer = await sandbox.post("track", {**SEND, "userId": ""})
    assert (answer.status_code, answer.json()) == (400, {"success": False, "message": "userId must not be empty"})
    assert (await sandbox.post("track", b'{"userId": ')).json()["message"] == "body must be valid JSON"
    assert (await sandbox.post("track", b"[" * 5000)).json()["message"] == "body must be valid JSON"
    answer = await sandbox.post("track", SEND, content_type="text/plain")
    assert (answer.status_code, answer.json()["message"]) == (400, "content-type must be application/json")
    assert sandbox.sandbox.calls == []
    assert sandbox.sandbox.counts["refused"] == 3


async def test_a_call_over_a_megabyte_is_413(sandbox: Served) -> None:
    fits = encode({**SEND, "tag": "x" * (MAX_BODY - len(encode({**SEND, "tag": ""})))})
    assert (await sandbox.post("track", fits)).status_code == 200
    assert (await sandbox.post("track", fits + b" ")).status_code == 413
    assert len(sandbox.sandbox.calls) == 1


async def test_a_body_that_breaks_off_is_no_call(sandbox: Served) -> None:
    reader, writer = await asyncio.open_connection(sandbox.http.base_url.host, sandbox.http.base_url.port)
    body = encode(SEND)
    head = f"POST {PATH}/track HTTP/1.1\r\nhost: x\r\nauth-token: sandbox\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body) + 1}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()
    assert await reader.read() == b""
    await sandbox.send({**SEND, "messageId": "whole"})
    assert [call.message_id for call in sandbox.sandbox.calls] == ["whole"]


async def test_token_and_address_are_checked(sandbox: Served) -> None:
    answer = await sandbox.http.post(f"{PATH}/track", json=SEND)
    assert (answer.status_code, answer.json()["success"]) == (401, False)
    assert (await sandbox.post("track", SEND, auth_token="wrong")).status_code == 401
    for path in (
        "/track/Acme/acmeuk/ACMEUK/v1",
        "/track/acme/AcmeUK/ACMEUK/v1",
        "/track/acme/acmeuk/acmeuk/v1",
        "/track/acme/acmeuk/ACMEUK/v2",
        "/track/acme",
    ):
        assert (await sandbox.post("track", SEND, path=path)).status_code == 404, path
    assert (await sandbox.post("send", SEND)).status_code == 404
    assert (await sandbox.http.put(f"{PATH}/track", json=SEND, headers=TOKEN)).status_code == 405
    assert sandbox.sandbox.calls == []


async def test_accounts_have_their_own_tokens() -> None:
    async with served(accounts={"acme/acmeuk/ACMEUK": "uk", "acme/acmede/ACMEDE": "de"}) as here:
        assert (await here.post("track", SEND, auth_token="uk")).status_code == 200
        assert (await here.post("track", SEND, auth_token="de")).status_code == 403
        assert (await here.post("track", SEND, auth_token="sandbox")).status_code == 401
        other = await here.post("track", SEND, path="/track/acme/acmefr/ACMEFR/v1", auth_token="uk")
        assert other.status_code == 404


async def test_over_the_rate_is_429_with_the_wait() -> None:
    async with served(rate=0.5, burst=2) as here:
        assert [(await here.post("track", SEND)).status_code for _ in range(3)] == [200, 200, 429]
        answer = await here.get("events")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        assert answer.json()["error"]["code"] == "limit_exceeded"
        error = await here.failure()
        assert (type(error), error.retry_after) == (Throttled, 2.0)
        here.clock.now += 2
        assert (await here.post("track", SEND)).status_code == 200
        elsewhere = await here.post("track", SEND, path="/track/acme/acmede/ACMEDE/v1")
        assert elsewhere.status_code == 200
        here.clock.now += 1000
        assert [(await here.post("track", SEND)).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_batch_takes_calls_and_no_commands(sandbox: Served) -> None:
    answer = await sandbox.post("batch", {"batch": [IDENTIFY, {"userId": "u", "event": "Seen", "n": Decimal("1.50")}]})
    identify, seen = sandbox.sandbox.calls
    assert answer.json() == {"success": True, "eventId": identify.event_id}
    assert (identify.action, identify.event, seen.action, seen.event) == ("identify", "identify", "track", "Seen")
    assert seen.raw.endswith(b'"n":1.50}')
    answer = await sandbox.post("batch", {"batch": [IDENTIFY, SEND]})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("batch[1].event must not be a command")
    assert len(sandbox.sandbox.calls) == 2


# Identify before command


async def test_a_command_reaches_only_whom_an_identify_named_half_a_second_before(sandbox: Served) -> None:
    await sandbox.send()
    await sandbox.send(IDENTIFY, action="identify")
    sandbox.clock.now += 0.375
    await sandbox.send()
    sandbox.clock.now += 0.125
    await sandbox.send()
    never, identify, early, late = sandbox.sandbox.calls
    assert (never.reached, never.why) == (False, "customer was never identified")
    assert identify.reached is None
    assert (early.reached, early.why) == (False, "customer was identified 375 ms before; processing takes 0.5 s")
    assert (late.reached, late.why) == (True, None)
    assert sandbox.sandbox.counts["unreached"] == 2


async def test_a_second_identify_does_not_make_a_customer_unknown_again(sandbox: Served) -> None:
    await sandbox.send(IDENTIFY, action="identify")
    sandbox.clock.now += 1
    await sandbox.send({**IDENTIFY, "traits": {"phone": "1"}}, action="identify")
    await sandbox.send()
    assert sandbox.sandbox.calls[-1].reached is True


async def test_an_identify_at_one_account_counts_for_that_account(sandbox: Served) -> None:
    await sandbox.post("identify", IDENTIFY, path="/track/acme/acmede/ACMEDE/v1")
    sandbox.clock.now += 1
    await sandbox.send()
    assert sandbox.sandbox.calls[-1].reached is False


async def test_strict_identify_refuses_the_command() -> None:
    async with served(strict_identify=True) as here:
        error = await here.failure()
        assert (type(error), error.message) == (Refused, "userId must be identified before a command")
        await here.send(IDENTIFY, action="identify")
        here.clock.now += 0.5
        assert (await here.send()).status == 200
        assert [call.event for call in here.sandbox.calls] == ["identify", "send_sms"]


def test_the_oldest_customer_is_forgotten_beyond_the_limit() -> None:
    profiles = Profiles(delay=0, keep=2)
    for user in ("a", "b", "a", "c"):
        profiles.identify("x", user, {"email": f"{user}@example.com"}, now=0)
    assert profiles.unreachable("x", "a", now=1) == "customer was never identified"
    assert profiles.unreachable("x", "b", now=1) is None
    assert profiles.user("x", "email:c@example.com") == "c"
    assert profiles.user("y", "email:c@example.com") is None


# Reads


async def test_a_profiles_events_are_read_newest_first(sandbox: Served) -> None:
    await sandbox.send(IDENTIFY, action="identify")
    await sandbox.send({"userId": "other", "event": "Seen"})
    sandbox.clock.now += 1
    await sandbox.send()
    for identity in ("userId:ABC/123", "email:a@example.com"):
        events = (await sandbox.get(f"profiles/{identity}/events")).json()["data"]
        assert [event["event"] for event in events] == ["send_sms", "identify"]
    assert events[0]["messageId"] == "m-1"
    assert events[0]["eventId"] == sandbox.sandbox.calls[-1].event_id
    assert events[0]["receivedAt"] == "2026-03-01T12:00:01.000Z"
    assert len((await sandbox.get("profiles/userId:ABC%2F123/events", size=1)).json()["data"]) == 1


async def test_a_profile_that_is_not_known_is_not_found(sandbox: Served) -> None:
    await sandbox.send()
    answer = await sandbox.get("profiles/userId:ABC/123/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert (await sandbox.get("profiles/email:b@example.com/events")).status_code == 404
    assert (await sandbox.get("profiles/phone:1/events")).status_code == 400
    assert (await sandbox.get("profiles")).status_code == 404


async def test_an_accounts_events_are_filtered(sandbox: Served) -> None:
    for name in ("Seen", "Bought", "Seen"):
        await sandbox.send({"userId": "u", "event": name})
        sandbox.clock.now += 60
    await sandbox.post("track", SEND, path="/track/acme/acmede/ACMEDE/v1")

    async def names(**query: Any) -> list[str]:
        return [event["event"] for event in (await sandbox.get("events", **query)).json()["data"]]

    assert await names() == ["Seen", "Bought", "Seen"]
    assert await names(include="Bought,Sold") == ["Bought"]
    assert await names(start="2026-03-01T12:01:00Z") == ["Seen", "Bought"]
    assert await names(end="2026-03-01T12:01:00") == ["Bought", "Seen"]
    assert await names(size=1) == ["Seen"]
    for query in ({"size": "0"}, {"size": "101"}, {"size": "x"}, {"start": "noon"}):
        answer = await sandbox.get("events", **query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_reads_need_the_token_too(sandbox: Served) -> None:
    answer = await sandbox.http.get(f"{PATH}/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


async def test_a_read_may_hide_the_message_id_and_lag_behind() -> None:
    async with served(shows_message_id=False, shows_after=30) as here:
        await here.send()
        assert (await here.get("events")).json()["data"] == []
        here.clock.now += 30
        (event,) = (await here.get("events")).json()["data"]
        assert "messageId" not in event
        assert event["eventId"] == here.sandbox.calls[0].event_id


# Faults


async def test_the_probe_passes_and_fails_with_the_token(sandbox: Served) -> None:
    await sandbox.client.probe(sandbox.destination, token="sandbox")
    with pytest.raises(Unauthorised):
        await sandbox.client.probe(sandbox.destination, token="wrong")
    sandbox.sandbox.faults = Faults(unauthorised=True)
    with pytest.raises(Unauthorised):
        await sandbox.client.probe(sandbox.destination, token="sandbox")
    assert type(await sandbox.failure()) is Unauthorised


async def test_a_status_can_be_answered_for_the_next_calls_only(sandbox: Served) -> None:
    sandbox.sandbox.faults = Faults(answer_status=503, retry_after="7", next=2)
    for _ in range(2):
        error = await sandbox.failure()
        assert (type(error), error.status, error.retry_after) == (Unavailable, 503, 7.0)
    await sandbox.client.probe(sandbox.destination, token="sandbox")
    assert (await sandbox.send()).status == 200
    assert sandbox.sandbox.counts["failed"] == 2
    assert len(sandbox.sandbox.calls) == 1


async def test_the_probability_of_a_fault_is_kept() -> None:
    async with served(faults=Faults(answer_status=500, probability=0.25), seed=1) as here:
        answers = [(await here.post("track", SEND)).status_code for _ in range(200)]
        assert set(answers) == {200, 500}
        assert 25 <= answers.count(500) <= 75
        here.sandbox.faults = Faults(answer_status=500, probability=0)
        assert (await here.post("track", SEND)).status_code == 200


async def test_an_accepted_call_can_go_unanswered(sandbox: Served, caplog: pytest.LogCaptureFixture) -> None:
    await sandbox.send({**SEND, "messageId": "before"})
    sandbox.sandbox.faults = Faults(accept_then_drop=True, next=1)
    assert type(await sandbox.failure({**SEND, "userId": ""})) is Refused  # what is refused is answered
    error = await sandbox.failure()
    assert (type(error), error.status) == (UnknownOutcome, None)
    assert (await sandbox.send({**SEND, "messageId": "after"})).status == 200
    assert [call.message_id for call in sandbox.sandbox.calls] == ["before", "m-1", "after"]
    assert sandbox.sandbox.counts["accepted_then_dropped"] == 1
    assert caplog.records == []  # uvicorn took it for an ordinary disconnect


async def test_a_call_can_be_dropped_unaccepted(sandbox: Served) -> None:
    sandbox.sandbox.faults = Faults(drop=True, next=1)
    error = await sandbox.failure()
    assert (type(error), error.status) == (UnknownOutcome, None)
    assert sandbox.sandbox.calls == []
    assert sandbox.sandbox.counts == {"dropped": 1}


async def test_where_the_connection_is_out_of_reach_the_answer_breaks_off() -> None:
    app = create_sandbox(faults=Faults(accept_then_drop=True))
    destination = Destination(name="x", client_id="a", account_id="a", brand_id="A", auth_token="T", url="http://x")
    async with Client(transport=httpx.ASGITransport(app)) as client:
        with pytest.raises(UnknownOutcome):
            await client.send(destination, token="sandbox", action="track", body=encode(SEND))
    assert len(app.state.sandbox.calls) == 1


async def test_success_can_be_false(sandbox: Served) -> None:
    sandbox.sandbox.faults = Faults(success_false=True)
    error = await sandbox.failure()
    assert (type(error), error.status, error.message) == (Refused, 200, "the sandbox was told to refuse")
    assert sandbox.sandbox.calls == []


async def test_some_customers_can_be_refused(sandbox: Served) -> None:
    sandbox.sandbox.faults = Faults(refuse_users=("ABC/123",))
    assert (await sandbox.failure()).message == "userId ABC/123 is refused"
    assert (await sandbox.post("batch", {"batch": [{"userId": "u", "event": "Seen"}, IDENTIFY]})).status_code == 400
    assert (await sandbox.send({**SEND, "userId": "other"})).status == 200


async def test_a_slow_answer_is_unknown_and_the_call_was_accepted(sandbox: Served) -> None:
    sandbox.sandbox.faults = Faults(delay=0.3)
    async with Client(read_timeout=0.05) as hasty:
        with pytest.raises(UnknownOutcome):
            await hasty.send(sandbox.destination, token="sandbox", action="track", body=encode(SEND))
    assert (await sandbox.send()).duration_ms >= 250
    assert len(sandbox.sandbox.calls) == 2


# The controls


async def test_faults_are_switched_over_http(sandbox: Served) -> None:
    assert (await sandbox.http.get("/_sandbox/faults")).json() == {}
    answer = await sandbox.http.post("/_sandbox/faults", json={"answer_status": 500, "next": 1})
    assert answer.json() == {"answer_status": 500, "next": 1}
    assert sandbox.sandbox.faults == Faults(answer_status=500, next=1)
    for wrong in ({"answer_status": 200}, {"probability": 2}, {"typo": 1}):
        answer = await sandbox.http.post("/_sandbox/faults", json=wrong)
        assert answer.status_code == 400, wrong
        assert next(iter(wrong)) in answer.json()["error"]["message"]
    assert sandbox.sandbox.faults.answer_status == 500
    await sandbox.http.post("/_sandbox/faults", json={})
    assert sandbox.sandbox.faults == Faults()


async def test_accepted_calls_are_shown_newest_first_and_forgotten_on_reset(sandbox: Served) -> None:
    await sandbox.send(IDENTIFY, action="identify")
    await sandbox.send()
    shown = (await sandbox.http.get("/_sandbox/calls")).json()
    assert shown["counts"] == {"accepted": 2, "identify": 1, "send_sms": 1, "unreached": 1}
    command = shown["calls"][0]
    assert command == {
        "eventId": sandbox.sandbox.calls[1].event_id,
        "receivedAt": "2026-03-01T12:00:00Z",
        "account": "acme/acmeuk/ACMEUK",
        "action": "track",
        "event": "send_sms",
        "userId": "ABC/123",
        "messageId": "m-1",
        "reached": False,
        "why": "customer was identified 0 ms before; processing takes 0.5 s",
        "body": SEND,
    }
    for query, found in (({"size": 1}, 1), ({"messageId": "m-1"}, 1), ({"userId": "ABC/123"}, 2), ({"userId": "x"}, 0)):
        assert len((await sandbox.http.get("/_sandbox/calls", params=query)).json()["calls"]) == found, query
    assert (await sandbox.http.get("/_sandbox/calls?size=x")).status_code == 400
    assert (await sandbox.http.post("/_sandbox/reset")).status_code == 204
    assert (await sandbox.http.get("/_sandbox/calls")).json() == {"counts": {}, "calls": []}
    assert (await sandbox.get("profiles/userId:ABC/123/events")).status_code == 404


async def test_the_log_is_bounded_and_the_counts_are_not() -> None:
    async with served(calls_kept=3) as here:
        for number in range(5):
            await here.send({**SEND, "messageId": str(number)})
        assert [call.message_id for call in here.sandbox.calls] == ["2", "3", "4"]
        assert here.sandbox.counts["accepted"] == 5
