"""Thin webhooks through the real service: a little API of a shop, real sockets, the real store."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.app import create_app
from gateway.model import WebhookState
from gateway.settings import Settings
from tests import shop
from tests.servers import acting, read_request, running

TOKEN = "token-that-nobody-may-see"
OK = "rules:\n  - name: Order\n    send_email:\n      userId: $fetch.order.customer\n      assetId: E-1\n"

Handler = Callable[[Request], Awaitable[Response]]


class API:
    """What the sender has: answers by path, one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.answers: dict[str, list[Any]] = {}
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])

    def says(self, path: str, *answers: Any) -> None:
        """JSON, a response, or a handler."""
        self.answers[path] = list(answers)

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]

    async def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        self.bodies.append(await request.body())
        answers = self.answers.get(request.url.path)
        if not answers:
            return JSONResponse({"message": "no such thing"}, 404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer) and not isinstance(answer, Response):
            answer = await answer(request)
        return answer if isinstance(answer, Response) else JSONResponse(answer)


@pytest.fixture
async def api() -> AsyncIterator[API]:
    api = API()
    async with running(api.app) as url:
        api.url = url
        yield api


def written(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.glob("gateway.db*")]


class Hooks:
    """A running gateway whose source ``thin`` fetches."""

    def __init__(self, app: Starlette, client: httpx.AsyncClient) -> None:
        self.app, self.client = app, client

    @property
    def gateway(self) -> Any:
        return shop.gateway_of(self.app)

    async def send(self, body: Any = None, **headers: str) -> str:
        answer = await self.client.post("/hooks/thin", json={"id": 7} if body is None else body, headers=headers)
        assert answer.status_code == 200, answer.text
        id: str = answer.json()["id"]
        return id

    async def view(self, id: str) -> Any:
        answer = await self.client.get(f"/api/webhooks/{id}", headers=shop.bearer())
        assert answer.status_code == 200
        assert TOKEN not in answer.text
        return answer.json()

    async def replay(self, id: str, **options: Any) -> Any:
        answer = await self.client.post("/api/replay", json={"id": id, **options}, headers=shop.bearer())
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, id: str) -> Any:
        """The webhook once it is no longer fetching."""

        async def fetched() -> bool:
            return (await self.gateway.store.webhook(id)).state is not WebhookState.FETCHING

        await shop.until(fetched)
        return await self.view(id)

    async def tried(self, id: str, attempts: int = 1) -> Any:
        """The webhook once it was tried so often, and is still fetching."""

        async def failed() -> bool:
            fetching = await self.gateway.store.fetching(id)
            return fetching is not None and bool(fetching.fetches) and fetching.fetches[-1].attempts >= attempts

        await shop.until(failed)
        return await self.view(id)


@pytest.fixture
def serve(tmp_path: Path, api: API) -> Any:
    """Serves a source ``thin``; ``rules`` holds SHOP for the address of the sender's API."""

    def app_of(rules: str, environ: Mapping[str, str]) -> Starlette:
        text = "source: thin\nverify: none\n" + rules.replace("SHOP/", f"{api.url}/")
        shop.write_rules(tmp_path / "rules", rules={"thin.yaml": text, "destinations.yaml": shop.DESTINATIONS})
        return create_app(Settings.from_environ(shop.environ(tmp_path, API_TOKEN=TOKEN, **environ)))

    class Serving:
        def __init__(self, rules: str, **environ: str) -> None:
            # Nothing is sent: what is on its way at a replay is left as it is.
            self.app = app_of(rules, {"GATEWAY_RELOAD": "off", "GATEWAY_ROLE": "receive", **environ})

        async def __aenter__(self) -> Hooks:
            self.running = running(self.app)
            url = await self.running.__aenter__()
            self.client = httpx.AsyncClient(base_url=url, timeout=10)
            return Hooks(self.app, self.client)

        async def __aexit__(self, *error: Any) -> None:
            await self.client.aclose()
            await self.running.__aexit__(None, None, None)

    return Serving


ORDER = "fetch:\n  order:\n    get: SHOP/orders/{{ $.id }}\n    bearer: $env.API_TOKEN\n"
SHORT = ORDER + OK


# -- what comes ------------------------------------------------------------------------------------------------------

TWO_STEPS = """\
event_type: $.scope
dedup_key: $.hash
fetch:
  order:
    get: SHOP/stores/{{ $.producer }}/v2/orders/{{ $.data.id }}
    headers: {X-Auth-Token: $env.API_TOKEN}
    when: {$.scope: {starts_with: store/order/}}
  customer:
    get: SHOP/stores/{{ $.producer }}/v3/customers
    headers: {X-Auth-Token: $env.API_TOKEN}
    query: {"id:in": $fetch.order.customer_id, key: "k-{{ $env.API_TOKEN }}"}
    when: {$fetch.order.customer_id: {gt: 0}}
rules:
  - name: Order
    when: {$.scope: store/order/created}
    send_email:
      userId: $fetch.customer.data[0].id | default($fetch.order.billing.email)
      assetId: E-1
      order:
        number: $fetch.order.id
        total: $fetch.order.total
        name: $fetch.customer.data[0].first_name
"""
PAYLOAD = {"producer": "abc/x", "scope": "store/order/created", "hash": "h1", "data": {"type": "order", "id": 250}}


async def test_it_is_acknowledged_first_then_fetched_in_steps_then_translated(serve: Any, api: API) -> None:
    may_answer = asyncio.Event()

    async def order(request: Request) -> Response:
        await may_answer.wait()
        number = b'{"id": 12345678901234567890123456, "customer_id": 11, "total": 49.90, "billing": {"email": "a@b.c"}}'
        return Response(number, media_type="application/json")

    api.says("/stores/abc/x/v2/orders/250", order)
    api.says("/stores/abc/x/v3/customers", {"data": [{"id": 11, "first_name": "Ada"}]})
    async with serve(TWO_STEPS) as hooks:
        id = await hooks.send(PAYLOAD)
        again = await hooks.client.post("/hooks/thin", json=PAYLOAD)
        assert again.json() == {"id": id, "status": "duplicate"}
        view = await hooks.view(id)
        assert (view["state"], view["commands"], view["event_type"]) == ("fetching", [], "store/order/created")
        assert "being fetched" in view["trace_missing"]
        may_answer.set()
        view = await hooks.ended(id)
        assert view["state"] == "translated"
        assert [line["matched"] for line in view["trace"]] == [True]
        [command] = view["commands"]
        assert command["user_id"] == "11"
        stored = await hooks.gateway.store.command(command["id"])
        assert b'"number":12345678901234567890123456,"total":49.90,"name":"Ada"' in stored.body
        fetches = [(one["name"], one["url"], one["status"], one["attempts"]) for one in view["fetches"]]
        base = api.url
        assert fetches == [
            ("order", f"{base}/stores/abc%2Fx/v2/orders/250", 200, 1),
            ("customer", f"{base}/stores/abc%2Fx/v3/customers?id%3Ain=11&key=k-$env.API_TOKEN", 200, 1),
        ]
    first, second = api.requests
    assert first.scope["raw_path"] == b"/stores/abc%2Fx/v2/orders/250"
    assert first.headers["x-auth-token"] == TOKEN
    assert dict(second.query_params) == {"id:in": "11", "key": f"k-{TOKEN}"}
    assert second.headers["accept"] == "application/json"


async def test_nothing_that_was_stored_or_logged_holds_a_secret(
    serve: Any, api: API, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="gateway")
    api.says("/stores/p/v2/orders/250", {"customer_id": 11, "billing": {"email": "a@b.c"}})
    api.says("/stores/p/v3/customers", PlainTextResponse(f"the key k-{TOKEN} is wrong", 401))
    async with serve(TWO_STEPS) as hooks:
        view = await hooks.ended(await hooks.send({**PAYLOAD, "producer": "p"}))
        assert view["state"] == "untranslatable"
        assert view["reason"] == (
            "fetch customer: 127.0.0.1 answered 401: header X-Auth-Token $env.API_TOKEN, query key $env.API_TOKEN "
            "is not accepted"
        )
    assert "refused" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN.encode() not in b"".join(written(tmp_path))


async def test_a_condition_that_does_not_hold_fetches_nothing(serve: Any, api: API) -> None:
    async with serve(TWO_STEPS) as hooks:
        id = await hooks.send({**PAYLOAD, "scope": "store/product/updated"})
        view = await hooks.view(id)
        assert view["state"] == "unmatched"
        assert "fetches" not in view
        api.says("/stores/p/v2/orders/1", {"customer_id": 0, "id": 1, "billing": {"email": "guest@b.c"}})
        view = await hooks.ended(await hooks.send({**PAYLOAD, "producer": "p", "data": {"id": 1}, "hash": "h2"}))
        assert [command["user_id"] for command in view["commands"]] == ["guest@b.c"]
        assert [one["name"] for one in view["fetches"]] == ["order"]
    assert api.asked == ["GET /stores/p/v2/orders/1"]


async def test_what_is_ignored_is_not_fetched_for(serve: Any, api: API) -> None:
    async with serve("ignore: {$.test: true}\n" + SHORT) as hooks:
        assert (await hooks.view(await hooks.send({"id": 7, "test": True})))["state"] == "ignored"
    assert api.asked == []


async def test_what_is_not_there_is_missing(serve: Any, api: API) -> None:
    rules = (
        ORDER
        + "rules:\n  - name: R\n    send_email: {userId: \"$fetch.order.customer | default('nobody')\", assetId: E}\n"
    )
    async with serve(rules) as hooks:
        view = await hooks.ended(await hooks.send())
        assert (view["state"], view["commands"][0]["user_id"]) == ("translated", "nobody")
        [fetch] = view["fetches"]
        assert (fetch["status"], fetch["missing"], "answer" in fetch) == (404, True, False)
        # Known to be missing: a replay does not ask again, unless it is told to.
        assert (await hooks.replay(id=view["id"]))["state"] == "translated"
        api.says("/orders/7", {"customer": 8})
        assert (await hooks.replay(view["id"], fetch=True))["state"] == "fetching"
        view = await hooks.ended(view["id"])
        assert [command["user_id"] for command in view["commands"]] == ["8"]
    assert len(api.requests) == 2


async def test_an_empty_answer_is_null(serve: Any, api: API) -> None:
    api.says("/orders/7", Response(b"", 204))
    rules = ORDER + "rules:\n  - name: R\n    when: {$fetch.order: null}\n    track: {userId: u, event: E}\n"
    async with serve(rules) as hooks:
        assert (await hooks.ended(await hooks.send()))["state"] == "translated"


async def test_post_basic_and_form(serve: Any, api: API) -> None:
    rules = """\
fetch:
  order:
    post: SHOP/search
    body: {query: "{{ $.id }}!", deep: [1.10, true]}
    basic: {user: me, password: $env.API_TOKEN}
    headers: {X-Tenant: "t-{{ $.tenant }}", X-None: $.none}
  form:
    post: SHOP/form
    headers: {Content-Type: application/x-www-form-urlencoded}
    body: {a: "x y&z", b: [1, 2]}
"""
    api.says("/search", {"customer": 1})
    api.says("/form", {})
    async with serve(rules + OK) as hooks:
        assert (await hooks.ended(await hooks.send({"id": 7, "tenant": 3})))["state"] == "translated"
    first, second = api.requests
    assert api.bodies == [b'{"query":"7!","deep":[1.10,true]}', b"a=x+y%26z&b=1&b=2"]
    assert base64.b64decode(first.headers["authorization"].removeprefix("Basic ")) == f"me:{TOKEN}".encode()
    assert (first.headers["content-type"], first.headers["x-tenant"]) == ("application/json", "t-3")
    assert "x-none" not in first.headers
    assert "authorization" not in second.headers


# -- what fails and works later ----------------------------------------------------------------------------------------


async def test_429_waits_as_long_as_it_is_told(serve: Any, api: API) -> None:
    api.says("/orders/7", Response(status_code=429, headers={"retry-after": "1"}), {"customer": 5})
    async with serve(SHORT) as hooks:
        view = await hooks.tried(await hooks.send())
        if view["state"] == "fetching":
            [fetch] = view["fetches"]
            assert (fetch["status"], fetch["message"]) == (429, "127.0.0.1 answered 429 and asks to wait 1 s")
            wait = datetime.fromisoformat(view["next_try"]) - datetime.fromisoformat(fetch["at"])
            assert wait.total_seconds() >= 1
        view = await hooks.ended(view["id"])
        assert (view["state"], view["fetches"][0]["attempts"]) == ("translated", 2)
        assert hooks.gateway.api_client.closed_for(api.url) == 0


async def test_a_host_that_asks_to_wait_is_left_alone_by_all(serve: Any, api: API) -> None:
    api.says("/orders/7", Response(status_code=429, headers={"retry-after": "3600"}))
    api.says("/orders/8", {"customer": 5})
    async with serve(SHORT) as hooks:
        await hooks.tried(await hooks.send())
        other = await hooks.send({"id": 8})
        await asyncio.sleep(0.05)
        assert (await hooks.view(other))["state"] == "fetching"
        assert hooks.gateway.fetcher.status() == {"thin": {"waiting": 2, "in_flight": 0}}
        status = (await hooks.client.get("/api/status", headers=shop.bearer())).json()
        assert status["fetching"] == {"thin": {"waiting": 2, "in_flight": 0}}
    assert api.asked == ["GET /orders/7"]


@pytest.mark.parametrize("status", [500, 503, 408])
async def test_trouble_is_tried_again(serve: Any, api: API, status: int) -> None:
    api.says("/orders/7", Response(status_code=status), {"customer": 5})
    async with serve(SHORT) as hooks:
        view = await hooks.ended(await hooks.send())
        assert view["commands"][0]["user_id"] == "5"
        [fetch] = view["fetches"]
        assert (fetch["attempts"], fetch["status"], "message" in fetch) == (2, 200, False)
        metrics = (await hooks.client.get("/metrics", headers=shop.bearer())).text
        assert 'gateway_fetches_total{fetch="order",outcome="again",source="thin"} 1.0' in metrics
        assert 'gateway_fetches_total{fetch="order",outcome="answered",source="thin"} 1.0' in metrics
        assert 'gateway_commands_made_total{source="thin"} 1.0' in metrics


async def test_an_answer_that_takes_too_long_is_asked_for_again(serve: Any, api: API) -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(30)
        return Response()

    api.says("/orders/7", slow, {"customer": 5})
    async with serve(ORDER + "    timeout: 1s\n" + OK) as hooks:
        id = await hooks.send()
        view = await hooks.tried(id)
        if view["state"] == "fetching":
            assert view["fetches"][0]["message"] == "127.0.0.1 gave no answer within 1 s"
        assert (await hooks.ended(id))["fetches"][0]["attempts"] == 2


async def test_an_answer_that_breaks_off_is_asked_for_again(serve: Any, api: API) -> None:
    async def broken(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b'{"customer":'
            raise ConnectionResetError

        return StreamingResponse(parts(), headers={"content-length": "500"})

    api.says("/orders/7", broken, {"customer": 5})
    async with serve(SHORT) as hooks:
        assert (await hooks.ended(await hooks.send()))["fetches"][0]["attempts"] == 2


async def test_after_a_day_of_trying_it_is_given_up_and_can_be_replayed(serve: Any, api: API) -> None:
    api.says("/orders/7", Response(status_code=500))
    async with serve(SHORT, GATEWAY_GIVE_UP="500ms") as hooks:
        view = await hooks.ended(await hooks.send())
        assert view["state"] == "untranslatable"
        assert view["reason"].startswith("fetch order: given up after 0.000138889 h and ")
        assert view["reason"].endswith(" attempts: 127.0.0.1 answered 500")
        assert view["trace_missing"] == "what it points to was not fetched"
        api.says("/orders/7", {"customer": 5})
        assert (await hooks.replay(view["id"]))["state"] == "fetching"
        assert (await hooks.ended(view["id"]))["commands"][0]["user_id"] == "5"


# -- what fails for good -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (PlainTextResponse("<html>"), "127.0.0.1 answered 200 with what is not JSON: the body is not JSON: "),
        (Response(b'{"a":1', media_type="application/json"), "127.0.0.1 answered 200 with what is not JSON: "),
        (JSONResponse({}, 401), "127.0.0.1 answered 401: bearer $env.API_TOKEN is not accepted"),
        (JSONResponse({}, 403), "127.0.0.1 answered 403: bearer $env.API_TOKEN is not accepted"),
        (JSONResponse({}, 400), "127.0.0.1 answered 400"),
        (JSONResponse({}, 422), "127.0.0.1 answered 422"),
        (Response(b"x" * 2001), "127.0.0.1 answered 200 with over 2,000 bytes; allowed by max_size: 2,000"),
        (
            Response(gzip.compress(b" " * 1_000_000), headers={"content-encoding": "gzip"}),
            "127.0.0.1 answered 200 with over 2,000 bytes; allowed by max_size: 2,000",
        ),
        (Response(b"{}", headers={"content-encoding": "br"}), "127.0.0.1 compressed its answer as 'br'; allowed: gzip"),
        (RedirectResponse("http://localhost:1/orders/7"), "127.0.0.1 answered 307 with a redirect to another host, "),
        (RedirectResponse("https://127.0.0.1:1/x"), "127.0.0.1 answered 307 with a redirect to another host, https://"),
        (RedirectResponse("/orders/7"), "127.0.0.1 redirects more than 3 times"),
        (Response(status_code=304), "127.0.0.1 answered 304"),
    ],
)
async def test_what_asking_again_would_not_change_is_untranslatable_at_once(
    serve: Any, api: API, answer: Response, reason: str
) -> None:
    api.says("/orders/7", answer)
    async with serve(ORDER + "    max_size: 2000\n" + OK) as hooks:
        view = await hooks.ended(await hooks.send())
        assert view["state"] == "untranslatable"
        assert view["reason"].startswith(f"fetch order: {reason}")
        assert view["fetches"][0]["message"].startswith(reason)
        assert view["fetches"][0]["attempts"] == 1


async def test_an_endless_answer_is_left_behind(serve: Any) -> None:
    left = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        try:
            while True:
                writer.write(b" " * 100_000)
                await writer.drain()
        except ConnectionError:
            left.set()

    async with acting(endless) as port, serve(SHORT.replace("SHOP/", f"http://127.0.0.1:{port}/")) as hooks:
        view = await hooks.ended(await hooks.send())
        assert "with over 1,000,000 bytes" in view["reason"]
        await asyncio.wait_for(left.wait(), 10)


async def test_a_gzipped_answer_is_read(serve: Any, api: API) -> None:
    body = gzip.compress(json.dumps({"customer": 9}).encode())
    api.says("/orders/7", Response(body, headers={"content-encoding": "gzip"}))
    async with serve(SHORT) as hooks:
        assert (await hooks.ended(await hooks.send()))["commands"][0]["user_id"] == "9"


async def test_a_redirect_on_the_host_is_followed_without_credentials(serve: Any, api: API) -> None:
    api.says("/orders/7", RedirectResponse("/moved?x=1", 302))
    api.says("/moved", {"customer": 4})
    async with serve(SHORT) as hooks:
        assert (await hooks.ended(await hooks.send()))["commands"][0]["user_id"] == "4"
        first, second = api.requests
        assert first.headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in second.headers
        api.says("/moved", Response(status_code=401))
        view = await hooks.ended(await hooks.send({"id": 7, "again": True}))
        assert "credentials don't follow a redirect" in view["reason"]


async def test_a_redirect_elsewhere_is_not_followed(serve: Any, api: API) -> None:
    other = API()
    async with running(other.app) as elsewhere:
        api.says("/orders/7", RedirectResponse(f"{elsewhere}/orders/7"))
        async with serve(SHORT) as hooks:
            assert (await hooks.ended(await hooks.send()))["state"] == "untranslatable"
    assert other.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::ffff:127.0.0.1"])
async def test_a_name_of_a_private_address_is_not_asked(
    serve: Any, api: API, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolve = socket.getaddrinfo

    def resolved(host: Any, *args: Any, **options: Any) -> Any:
        # What a hostile DNS server says; all else is asked as ever.
        return resolve(address if host == "api.shop.example" else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    rules = ORDER.replace("SHOP/", f"https://api.shop.example:{httpx.URL(api.url).port}/")
    async with serve(rules + OK) as hooks:
        view = await hooks.ended(await hooks.send())
        assert view["reason"] == (
            f"fetch order: api.shop.example resolves to {address}, which is not a public address; "
            "a file that means it writes the address itself"
        )
    assert api.requests == []


async def test_localhost_written_in_the_file_is_asked(serve: Any, api: API) -> None:
    api.says("/orders/7", {"customer": 2})
    port = httpx.URL(api.url).port
    rules = ORDER.replace("SHOP/orders", f"http://localhost:{port}/orders")
    async with serve(rules + OK) as hooks:
        # Where the name means ::1 first, nobody listens there; 127.0.0.1 is next.
        assert (await hooks.ended(await hooks.send()))["state"] == "translated"


@pytest.mark.parametrize("id", ["..", "%2e%2e", None, ""])
async def test_a_value_that_leads_elsewhere_is_untranslatable_when_it_is_received(
    serve: Any, api: API, id: Any
) -> None:
    async with serve(SHORT) as hooks:
        view = await hooks.view(await hooks.send({"id": id, "x": 1}))
        assert view["state"] == "untranslatable"
        assert view["reason"].startswith("fetch order: $.id is ")
    assert api.requests == []


async def test_a_refused_credential_is_mended_and_the_webhook_replayed(serve: Any, api: API, tmp_path: Path) -> None:
    async def order(request: Request) -> Response:
        good = request.headers["authorization"] == "Bearer good"
        return JSONResponse({"customer": 3}) if good else Response(status_code=401)

    api.says("/orders/7", order)
    secret = tmp_path / "secret"
    secret.write_text("bad")
    rules = ORDER.replace("API_TOKEN", "FILED")
    async with serve(rules + OK, FILED_FILE=str(secret)) as hooks:
        view = await hooks.ended(await hooks.send())
        assert view["state"] == "untranslatable"
        secret.write_text("good\n")
        replayed = await hooks.replay(view["id"])
        assert (replayed["state"], replayed["created"]) == ("fetching", [])
        assert (await hooks.ended(view["id"]))["commands"][0]["user_id"] == "3"


async def test_a_source_whose_credential_is_unset_takes_nothing_in(serve: Any) -> None:
    async with serve(ORDER.replace("API_TOKEN", "NOT_THERE") + OK) as hooks:
        answer = await hooks.client.post("/hooks/thin", json={"id": 7})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "300")
        status = (await hooks.client.get("/api/status", headers=shop.bearer())).json()
        assert status["sources"][0]["unset"] == ["NOT_THERE"]


# -- durable -----------------------------------------------------------------------------------------------------------


async def test_what_a_stopped_gateway_left_is_fetched_by_the_next(serve: Any, api: API) -> None:
    arrived = asyncio.Event()

    async def never(request: Request) -> Response:
        arrived.set()
        await asyncio.sleep(30)
        return Response()

    api.says("/orders/7", never, {"customer": 6})
    api.says("/orders/8", Response(status_code=500), {"customer": 6})
    async with serve(SHORT) as hooks:
        ids = [await hooks.send(), await hooks.send({"id": 8})]
        await arrived.wait()
        await hooks.tried(ids[1])
    async with serve(SHORT) as hooks:
        for id in ids:
            view = await hooks.ended(id)
            assert (view["state"], view["commands"][0]["user_id"]) == ("translated", "6")
    assert api.asked.count("GET /orders/7") == 2


async def test_a_replay_uses_what_was_fetched_and_asks_only_for_what_is_new(serve: Any, api: API) -> None:
    api.says("/orders/7", {"customer": 6, "total": 1.10})
    async with serve(ORDER + OK.replace("customer", "nothing")) as hooks:
        view = await hooks.ended(await hooks.send())
        assert (view["state"], view["errors"][0]["field"]) == ("untranslatable", "userId")
    api.says("/orders/7", Response(status_code=500))
    async with serve(SHORT) as hooks:
        replayed = await hooks.replay(view["id"])
        assert (replayed["state"], len(replayed["created"])) == ("translated", 1)
        assert (await hooks.view(view["id"]))["trace"][0]["matched"]
    # Another address is another question.
    api.says("/v2/orders/7", {"customer": 60})
    async with serve(SHORT.replace("SHOP/", "SHOP/v2/")) as hooks:
        assert (await hooks.replay(view["id"]))["state"] == "fetching"
        view = await hooks.ended(view["id"])
        assert view["commands"][0]["user_id"] == "60"
    assert api.asked == ["GET /orders/7", "GET /v2/orders/7"]


async def test_the_rules_are_those_served_when_it_is_translated(serve: Any, api: API) -> None:
    may_answer, arrived = asyncio.Event(), asyncio.Event()

    async def order(request: Request) -> Response:
        arrived.set()
        await may_answer.wait()
        return JSONResponse({"customer": 6})

    api.says("/orders/7", order)
    newer = serve(SHORT.replace("E-1", "E-2")).app
    async with serve(SHORT) as hooks:
        id = await hooks.send()
        await arrived.wait()
        await hooks.gateway.serve(shop.gateway_of(newer).ruleset)
        may_answer.set()
        view = await hooks.ended(id)
        assert view["rules_version"] == hooks.gateway.ruleset.version.version
        assert view["commands"][0]["body"]["assetId"] == "E-2"


async def test_a_replay_beside_the_gateway_is_found(serve: Any, api: API) -> None:
    api.says("/orders/7", Response(status_code=400), {"customer": 6})
    async with serve(SHORT) as hooks:
        view = await hooks.ended(await hooks.send())
        from gateway.model import Fetching

        store = hooks.gateway.store
        now = hooks.gateway.now()
        assert await store.note_fetching(view["id"], Fetching(since=now, due_at=now), again=True)
        hooks.gateway.fetcher.look()
        assert (await hooks.ended(view["id"]))["state"] == "translated"


# -- how much, and who asks --------------------------------------------------------------------------------------------


async def test_an_answer_is_used_again_while_it_may_be(serve: Any, api: API) -> None:
    api.says("/shops/1", {"customer": 6}, {"customer": 7})
    rules = ORDER.replace("/orders/{{ $.id }}", "/shops/{{ $.shop }}") + "    cache: 5m\n" + OK
    async with serve(rules) as hooks:
        first = await hooks.ended(await hooks.send({"shop": 1, "n": 1}))
        second = await hooks.ended(await hooks.send({"shop": 1, "n": 2}))
        assert [view["commands"][0]["user_id"] for view in (first, second)] == ["6", "6"]
        assert [view["fetches"][0]["attempts"] for view in (first, second)] == [1, 0]
        # What is not there is not remembered: it may come into being.
        for number in range(2):
            view = await hooks.ended(await hooks.send({"shop": 2, "n": number}))
            assert view["fetches"][0]["missing"]
    assert api.asked == ["GET /shops/1", "GET /shops/2", "GET /shops/2"]


async def test_a_host_is_asked_at_its_rate(serve: Any, api: API) -> None:
    at: list[float] = []

    async def order(request: Request) -> Response:
        at.append(asyncio.get_running_loop().time())
        return JSONResponse({"customer": 1})

    for number in range(4):
        api.says(f"/orders/{number}", order)
    async with serve(ORDER + "    rate: 10\n" + OK) as hooks:
        for id in [await hooks.send({"id": number}) for number in range(4)]:
            await hooks.ended(id)
    assert at[-1] - at[0] >= 0.25, "three turns of a tenth of a second, less what the first was late"


OAUTH = """\
fetch:
  order:
    get: SHOP/orders/{{ $.id }}
    oauth: {token_url: SHOP/token, client_id: me, client_secret: $env.API_TOKEN, scope: read all}
"""


async def test_a_token_is_asked_for_once_and_again_when_it_is_refused(serve: Any, api: API) -> None:
    api.says("/token", {"access_token": "t1", "expires_in": 3600}, {"access_token": "t2", "expires_in": "3600"})
    good = "t1"

    async def order(request: Request) -> Response:
        right = request.headers["authorization"] == f"Bearer {good}"
        return JSONResponse({"customer": 6}) if right else Response(status_code=401)

    for number in range(4):
        api.says(f"/orders/{number}", order)
    async with serve(OAUTH + OK) as hooks:
        for id in [await hooks.send({"id": number}) for number in range(3)]:
            assert (await hooks.ended(id))["state"] == "translated"
        assert api.asked.count("POST /token") == 1
        good = "t2"
        view = await hooks.ended(await hooks.send({"id": 3}))
        assert (view["state"], view["fetches"][0]["attempts"]) == ("translated", 1)
        assert api.asked.count("POST /token") == 2
    request = next(one for one in api.requests if one.url.path == "/token")
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == f"me:{TOKEN}".encode()
    assert api.bodies[api.requests.index(request)] == b"grant_type=client_credentials&scope=read%20all"


async def test_a_token_that_soon_ends_is_not_used_for_long(serve: Any, api: API) -> None:
    api.says("/token", {"access_token": "t1", "expires_in": 0.001}, {"access_token": "t2"})
    api.says("/orders/1", {"customer": 6})
    api.says("/orders/2", {"customer": 6})
    async with serve(OAUTH.replace("scope: read all", "send: body") + OK) as hooks:
        await hooks.ended(await hooks.send({"id": 1}))
        await hooks.ended(await hooks.send({"id": 2}))
    assert api.asked.count("POST /token") == 2
    body = api.bodies[0].decode()
    assert body == f"grant_type=client_credentials&client_id=me&client_secret={TOKEN}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (JSONResponse({"error": "invalid_client"}, 401), "the client's id or secret is not accepted"),
        (JSONResponse({}), "answered 200 without an access_token"),
        (PlainTextResponse("no"), "answered 200 without an access_token"),
        (JSONResponse(["x"]), "answered 200 without an access_token"),
    ],
)
async def test_a_token_that_is_not_given_is_a_persons_to_mend(
    serve: Any, api: API, answer: Response, reason: str
) -> None:
    api.says("/token", answer)
    async with serve(OAUTH + OK) as hooks:
        view = await hooks.ended(await hooks.send())
        assert view["state"] == "untranslatable"
        assert reason in view["reason"]
    assert api.asked == ["POST /token"]
