"""``gateway send``: play a source. Sign a payload as it would, post it to a running gateway, say what to do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec

from gateway.cli.group import FOUND
from gateway.cli.output import json_option, print_json, printable, styled_state
from gateway.cli.samples import Sample, signed
from gateway.errors import GatewayError, SettingsError
from gateway.inbound.arrival import named_parts
from gateway.inbound.needs import secrets_of
from gateway.rules import Source
from gateway.settings import Settings

ADDRESS = "http://127.0.0.1:8080"
PATIENCE = 30.0
"""Seconds for the answer."""


@click.command(short_help="Sign a payload as its source would, and post it.")
@click.argument("source")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--url", metavar="URL", help=f"The gateway, or the whole address of a hook [GATEWAY_URL; {ADDRESS}].")
@click.option("--header", "headers", metavar="NAME:VALUE", multiple=True, help="A header of the request; repeatable.")
@click.option("--query", metavar="TEXT", default="", help="The query, as a=1&b=2.")
@click.option("--path", metavar="TEXT", default="", help="What stands behind /hooks/SOURCE/, where it has a path.")
@click.option("--id", "id_", metavar="TEXT", help="The message's id, where its sender signs one; a new one otherwise.")
@click.option("--at", metavar="TIME", help="Sign as of this moment: 2026-01-05T10:00:00Z; now otherwise.")
@click.option(
    "--private-key",
    type=click.Path(exists=True, dir_okay=False),
    help="PEM of a private key, where the source is verified with its public half.",
)
@click.option("--rules", metavar="DIR", help="The rules folder [GATEWAY_RULES].")
@json_option
def send(
    source: str,
    file: str,
    url: str | None,
    headers: Sequence[str],
    query: str,
    path: str,
    id_: str | None,
    at: str | None,
    private_key: str | None,
    rules: str | None,
    as_json: bool,
) -> None:
    """Sign a payload as its source would, and post it to a running gateway.

    SOURCE is a source's name, FILE the payload (- for stdin). The secrets are read from the environment, by the names
    that the rules file gives them. The exit status is 1 where the answer is not 2xx.

    \b
    Example:
      gateway send shopify order.json --header X-Shopify-Topic:orders/create --path uk
    """
    from gateway.credentials import Credentials
    from gateway.folders import load_rules

    settings = Settings.from_environ(os.environ, rules=rules)
    served = load_rules(settings).sources
    if source not in served:
        raise SettingsError(f"no rules file has source: {source[:60]!a}; there are: {', '.join(served) or 'none'}")
    found = served[source]
    body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    given = dict(header_of(header) for header in headers)
    if not any(name.lower() == "content-type" for name in given):
        given["content-type"] = _content_type(body)
    behind = path.strip("/")
    if named_parts(found.path, behind) is None:
        raise SettingsError(f"source {source} is at /hooks/{source}/{found.path or ''}; say --path as that asks for")
    sample = Sample(source=found, name=file, path=behind, query=query, headers=given, body=body)
    sent = signed(
        sample,
        credential=Credentials(settings.environ),
        now=_moment(at),
        id_=id_,
        private_key=Path(private_key).read_text(encoding="utf-8") if private_key else None,
    )
    address = _address(url or settings.url or ADDRESS, sent)
    answer = _post(address, sent)
    told = _told(answer, found)
    if as_json:
        print_json({"status": answer.status_code, "url": address, "answer": _body(answer), "next": told})
    else:
        click.echo(f"{_summary(answer)}\n{told}")
    if not answer.is_success:
        raise SystemExit(FOUND)


def header_of(text: str) -> tuple[str, str]:
    """The name and the value of a ``--header``."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is no header; allowed: NAME:VALUE", param_hint="--header")
    return name.strip(), value.strip()


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter(f"{text!r} is no moment; allowed: 2026-01-05T10:00:00Z", param_hint="--at")
    return moment.astimezone(UTC)


def _content_type(body: bytes) -> str:
    begins = body.lstrip()[:1]
    if begins in (b"{", b"["):
        return "application/json"
    if begins == b"<":
        return "application/xml"
    return "application/x-www-form-urlencoded" if b"=" in body and b"\n" not in body.strip() else "text/plain"


def _address(url: str, sent: Sample) -> str:
    """The hook at a gateway's address; an address that names a hook is taken as it is, with the query behind it."""
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"--url {url[:200]!r}: allowed is an address that starts with http:// or https://")
    if "/hooks/" not in url:
        return url.rstrip("/") + sent.address
    return url.partition("?")[0] + (f"?{sent.query}" if sent.query else "")


def _post(address: str, sent: Sample) -> httpx.Response:
    try:
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            return client.post(address, content=sent.body, headers=sent.headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise GatewayError(
            f"{address.partition('?')[0]}: no answer: {reason}; is a gateway running there? Start one: gateway serve"
        ) from None


def _body(answer: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return answer.text[:1_000]


def _summary(answer: httpx.Response) -> str:
    body = _body(answer)
    if isinstance(body, dict) and {"id", "status"} <= body.keys():
        return f"{answer.status_code} {styled_state(str(body['status']))}: webhook {body['id']}"
    if isinstance(body, dict) and "title" in body:
        return f"{answer.status_code} {printable(body['title'])}: {printable(body.get('detail', ''))}"
    return f"{answer.status_code} {printable(answer.text[:200])}"


def _told(answer: httpx.Response, source: Source) -> str:
    """What to do next."""
    body = _body(answer)
    if answer.is_success and isinstance(body, dict) and "id" in body:
        look = f"gateway show {body['id']}"
        if body.get("status") == "duplicate":
            return f"its dedup key is known already: change what it is made of to send another one; {look} is the first"
        return f"what became of it: {look}"
    match answer.status_code:
        case 401:
            names = ", ".join(secrets_of(source.verify)) or "the proof"
            return (
                f"the gateway can't verify it: compare {names} and public_url here and there; "
                "its log says which part failed, and the request is in its quarantine"
            )
        case 404:
            return "the gateway serves no such source or path: gateway check there"
        case 413 | 408 | 429 | 503:
            return "nothing was kept: send it again later; the gateway's log says why"
        case status if status < 300:
            return "the answer is one that the source asked for; gateway webhooks lists what came in"
        case _:
            return "nothing was kept; the gateway's log says why"
