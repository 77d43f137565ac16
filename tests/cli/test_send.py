"""``gateway send``: what it signs is taken in by a real gateway behind a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.app import create_app
from gateway.cli import main
from gateway.settings import Settings
from tests import shop
from tests.inbound.pairs import pair_for
from tests.servers import running

PRIVATE, PUBLIC = pair_for("ed25519")
RULES = {
    "pay.yaml": "source: pay\nverify: stripe\ndedup_key: $.id\n",
    "brands.yaml": 'source: brands\npath: "{brand}"\npublic_url: https://hooks.example.com/hooks/brands/{brand}\n'
    "verify:\n  square: {secret: $env.BRAND_SECRET, per: $path.brand}\n",
    "phone.yaml": "source: phone\nverify: telnyx\n",
    "calls.yaml": "source: calls\npublic_url: https://hooks.example.com/hooks/calls\nverify: twilio\n",
    "token.yaml": "source: token\nverify:\n  query: {name: token, secret: $env.QUERY_SECRET}\n"
    "  body: {path: meta.key, secret: $env.BODY_SECRET}\n",
    "soap.yaml": 'source: soap\nverify: none\nrespond: {status: 202, body: "<ack/>"}\n',
    "pairs.yaml": "source: pairs\nverify: adyen_payments\n",
}
SECRETS = {
    "STRIPE_SECRET": "s3cret-of-pay", "BRAND_SECRET_UK": "s3cret-of-uk", "TELNYX_PUBLIC_KEY": PUBLIC,
    "TWILIO_SECRET": "s3cret-of-calls", "QUERY_SECRET": "s3cret in the query", "BODY_SECRET": "s3cret-in-the-body",
    "ADYEN_PAYMENTS_SECRET": "00ff" * 16,
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Rules and payloads in the working directory, the secrets in the environment."""
    shop.write_rules(tmp_path / "rules", rules=RULES)
    shop.write_rules(tmp_path / "other", rules={"new.yaml": "source: new\nverify: none\n"})
    environ = shop.environ(tmp_path, GATEWAY_ROLE="receive", **SECRETS)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    payloads = {"event.json": '{"id": "evt_1", "total": 0.10}', "form.txt": "From=%2B44&Body=caf%C3%A9"}
    for name, text in {**payloads, "private.pem": PRIVATE}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Settings.from_environ(environ)


@pytest.fixture
async def address(settings: Settings) -> AsyncIterator[str]:
    async with running(create_app(settings)) as url:
        yield url


async def sending(*words: str, environ: dict[str, str] | None = None) -> Result:
    """The command on a thread of its own, since the gateway runs in this one."""
    result = await asyncio.to_thread(CliRunner().invoke, main, ["send", *words], env=environ)
    assert "s3cret" not in result.output
    return result


@pytest.mark.parametrize(
    "words",
    [
        ("pay", "event.json"),
        ("pay", "event.json", "--id", "msg_7"),
        ("brands", "event.json", "--path", "uk"),
        ("phone", "event.json", "--private-key", "private.pem"),
        ("calls", "form.txt"),
        ("calls", "event.json", "--query", "shop=1"),
        ("token", "event.json"),
        ("token", "event.json", "--query", "a=1"),
    ],
    ids=" ".join,
)
async def test_what_is_sent_is_signed_as_its_source_would(words: tuple[str, ...], address: str) -> None:
    result = await sending(*words, "--url", address)
    assert result.exit_code == 0, result.output
    first, after = result.output.splitlines()
    assert first.startswith("200 accepted: webhook ")
    assert after == f"what became of it: gateway show {first.split()[-1]}"


async def test_a_repeat_is_told_as_one(address: str) -> None:
    await sending("pay", "event.json", "--url", address)
    result = await sending("pay", "event.json", "--url", f"{address}/hooks/pay")
    assert result.exit_code == 0
    assert result.output.startswith("200 duplicate: webhook ")
    assert "its dedup key is known already" in result.output


async def test_what_the_gateway_refuses_says_what_to_compare(address: str) -> None:
    result = await sending("pay", "event.json", "--url", address, environ={"STRIPE_SECRET": "another"})
    assert result.exit_code == 1
    assert result.output.splitlines()[0] == "401 Authentication failed: The request could not be authenticated."
    assert "compare STRIPE_SECRET and public_url here and there" in result.output


async def test_signed_as_of_an_earlier_moment_it_is_too_old(address: str) -> None:
    long_ago = (datetime.now(UTC) - timedelta(minutes=6)).isoformat()
    assert (await sending("pay", "event.json", "--url", address, "--at", long_ago)).exit_code == 1
    just_now = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert (await sending("pay", "event.json", "--url", address, "--at", just_now)).exit_code == 0


async def test_json_is_the_answer_and_nothing_else(address: str) -> None:
    result = await sending("pay", "event.json", "--url", address, "--json")
    told = json.loads(result.output)
    assert told["status"] == 200
    assert told["url"] == f"{address}/hooks/pay"
    assert told["answer"]["status"] == "accepted"
    result = await sending("soap", "event.json", "--url", address, "--json")
    assert json.loads(result.output) | {"next": ""} == {
        "status": 202, "url": f"{address}/hooks/soap", "answer": "<ack/>", "next": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (("shop", "event.json"), 2, "no rules file has source: 'shop'; there are: brands, calls, "),
        (("brands", "event.json"), 2, "source brands is at /hooks/brands/{brand}; say --path"),
        (("phone", "event.json"), 2, "the sender signs with a private key"),
        (("phone", "event.json", "--private-key", "event.json"), 2, "the private key is no PEM text"),
        (
            ("pairs", "event.json"),
            2,
            "can't sign: element 0 of notificationItems.*.NotificationRequestItem is no object",
        ),
        (("pay", "event.json", "--at", "yesterday"), 2, "'yesterday' is no moment; allowed: 2026-01-05T10:00:00Z"),
        (("pay", "event.json", "--header", "X"), 2, "'X' is no header; allowed: NAME:VALUE"),
        (("pay", "event.json", "--url", "example.com"), 2, "starts with http:// or https://"),
        (("pay", "event.json", "--url", "http://127.0.0.1:1"), 1, "is a gateway running there?"),
        (("brands", "event.json", "--path", "fr"), 2, "can't sign: BRAND_SECRET_FR is unset"),
    ],
)
async def test_what_cannot_be_sent_says_why(words: tuple[str, ...], status: int, reason: str, address: str) -> None:
    result = await sending(*(words if "--url" in words else (*words, "--url", address)))
    assert result.exit_code == status
    assert reason in result.output


async def test_a_source_that_the_gateway_does_not_serve(address: str) -> None:
    result = await sending("new", "event.json", "--rules", "other", "--url", address)
    assert result.exit_code == 1
    assert result.output.splitlines()[1] == "the gateway serves no such source or path: gateway check there"
