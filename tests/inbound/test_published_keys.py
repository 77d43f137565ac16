"""Keys that senders publish: fetched beside the requests from where the rules file says, over real sockets."""

from __future__ import annotations

import asyncio
import datetime as dates
import json
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import NotVerifiable
from gateway.inbound import published_keys
from gateway.inbound.authentication import scheme_from, sign
from gateway.inbound.published_keys import PublishedKeys
from tests.inbound.hooks import Hooks, serving
from tests.inbound.pairs import pair_for
from tests.servers import acting, running

BODY = b'{"id": 1}'


def jwk(pem: str, kid: str) -> dict[str, Any]:
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}


class Publisher:
    """A sender's own server with its keys."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.app = Starlette(routes=[Route("/keys.json", self._keys), Route("/moved", self._moved)])

    async def _keys(self, request: Request) -> Response:
        self.asked += 1
        return Response(json.dumps({"keys": self.keys}), media_type="application/json")

    async def _moved(self, request: Request) -> Response:
        return Response(status_code=302, headers={"location": "/keys.json"})


def token(private: str, kid: str, hooks: Hooks, **claims: Any) -> Mapping[str, str]:
    payload = {"exp": int(hooks.now.timestamp()) + 60, "aud": "us", **claims}
    return {"Authorization": f"Bearer {jwt.encode(payload, private, algorithm='RS256', headers={'kid': kid})}"}


async def until_verified(hooks: Hooks, source: str, headers: Mapping[str, str], body: bytes = BODY) -> int:
    """As a sender does: as long as it is told to come again it comes again."""
    async with asyncio.timeout(60):
        while True:
            if (status := await hooks.status(source, body, headers)) != 503:
                return status
            await asyncio.sleep(0.01)


def rules(address: str) -> dict[str, str]:
    return {
        "s.yaml": f"source: s\nverify:\n  jwt: {{algorithms: [RS256], jwks: {address}, audience: us}}\n",
    }


async def test_a_set_of_keys_is_fetched_before_the_first_request_and_not_for_each(tmp_path: Path) -> None:
    private, public = pair_for("rsa")
    stranger, _ = pair_for("rsa", number=1)
    publisher = Publisher(jwk(public, "one"))
    async with running(publisher.app) as url, serving(tmp_path, rules(f"{url}/keys.json")) as hooks:
        assert await until_verified(hooks, "s", token(private, "one", hooks)) == 200
        assert await hooks.status("s", BODY, token(stranger, "one", hooks)) == 401
        assert await hooks.status("s", BODY, token(private, "one", hooks, aud="others")) == 401
        assert publisher.asked == 1


async def test_a_key_that_is_new_is_asked_for_once_and_made_up_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = pair_for("rsa")
    publisher = Publisher()
    async with running(publisher.app) as url, serving(tmp_path, rules(f"{url}/keys.json")) as hooks:
        publisher.keys.append(jwk(pair_for("rsa", number=2)[1], "old"))
        assert await until_verified(hooks, "s", token(private, "new", hooks)) == 401
        asked = publisher.asked
        assert await hooks.status("s", BODY, token(private, "made-up", hooks)) == 401
        assert publisher.asked == asked, "nobody makes us ask twice in a minute"
        monkeypatch.setattr(published_keys, "AGAIN", 0.0)
        publisher.keys.append(jwk(public, "new"))
        assert await until_verified(hooks, "s", token(private, "new", hooks)) == 200


async def test_a_sender_whose_keys_are_out_of_reach_is_told_to_come_again(tmp_path: Path) -> None:
    private, _ = pair_for("rsa")
    publisher = Publisher()
    async with running(publisher.app) as url, serving(tmp_path, rules(f"{url}/moved")) as hooks:
        answer = await hooks.client.post("s", content=BODY, headers=token(private, "one", hooks))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert answer.json()["detail"] == "The request can't be verified now."
        await asyncio.sleep(0)
        assert await hooks.status("s", BODY, token(private, "one", hooks)) == 503
        assert publisher.asked == 0, "a redirect is not followed"


def certificate(folder: Path) -> tuple[str, str, Path]:
    """A private key and a certificate of its own for 127.0.0.1, and the file of both for a server."""
    private, _ = pair_for("rsa", number=3)
    key = serialization.load_pem_private_key(private.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begins = dates.datetime.now(dates.UTC) - dates.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dates.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    both = folder / "server.pem"
    both.write_text(private + pem, encoding="utf-8")
    return private, pem, both


async def test_a_certificate_is_fetched_only_from_a_host_that_the_rules_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, pem, both = certificate(tmp_path)
    (tmp_path / "ca.pem").write_text(pem, encoding="utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        body = pem.encode()
        if asked[-1] == "/repeats":
            # As the APIs of Amazon and others repeat what anybody has stored there.
            body = b"<Response><UserData>%s</UserData></Response>" % body
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async with acting(answer, tls=tls) as port:
        declared = {"rsa": {"header": "X-Sig", "published": {"header": "X-Cert", "hosts": [f"127.0.0.1:{port}"]}}}
        files = {"s.yaml": f"source: s\nverify: {json.dumps(declared)}\n"}
        async with serving(tmp_path, files) as hooks:
            made = sign(
                scheme_from(declared), body=BODY, headers={}, credential={}.get, now=hooks.now, private_key=private
            )
            good = {**made.headers, "X-Cert": f"https://127.0.0.1:{port}/cert-1"}
            assert await hooks.status("s", BODY, good) == 503
            assert await until_verified(hooks, "s", good) == 200
            assert await hooks.status("s", BODY + b" ", good) == 401
            for other in (
                f"https://127.0.0.2:{port}/cert-1", f"http://127.0.0.1:{port}/c", "https://127.0.0.1/c", "file:///c",
                f"https://127.0.0.1:{port}@example.com/", f"https://user@127.0.0.1:{port}/c", "https://[::1", "",
                f"https://127.0.0.1:{port}/\t", f"https://127.0.0.1:{port}/?Action=GetEndpointAttributes",
                f"https://127.0.0.1:{port}/cert-1#x", f"https://127.0.0.1:{port}/cert-1?",
            ):  # fmt: skip
                assert await hooks.status("s", BODY, {**made.headers, "X-Cert": other}) == 401
            repeated = {**made.headers, "X-Cert": f"https://127.0.0.1:{port}/repeats"}
            assert await until_verified(hooks, "s", repeated) == 401, "a certificate within something else"
    assert asked == ["/cert-1", "/repeats"]


async def test_addresses_that_strangers_make_up_get_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Publisher().app) as url:
        keys = PublishedKeys(monotonic=lambda: 0.0)
        for number in range(published_keys.MAX_ASKING):
            with pytest.raises(NotVerifiable):
                keys.text(f"{url}/made-up-{number}")
        async with asyncio.timeout(60):
            for number in range(published_keys.MAX_ASKING):
                while True:
                    with pytest.raises(NotVerifiable) as told:
                        keys.text(f"{url}/made-up-{number}")
                    if "404" in str(told.value):
                        break
                    await asyncio.sleep(0.01)
        await keys.stop()
    assert len([text for text in caplog.messages if "could not be fetched" in text]) == 2


async def test_addresses_that_strangers_make_up_push_out_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_keys, "MAX_KEPT", 4)
    clock = [0.0]
    publisher = Publisher()
    async with running(publisher.app) as url:
        keys = PublishedKeys(addresses=lambda: [f"{url}/keys.json"], monotonic=lambda: clock[0])
        await keys.start()
        for number in range(50):
            clock[0] += 1
            with pytest.raises(NotVerifiable):
                keys.text(f"{url}/made-up-{number}")
            await asyncio.sleep(0.002)
        async with asyncio.timeout(60):
            while True:
                try:
                    assert keys.text(f"{url}/keys.json") == '{"keys": []}'
                    break
                except NotVerifiable:
                    await asyncio.sleep(0.01)
        assert publisher.asked == 1
        clock[0] += published_keys.LONGEST
        with pytest.raises(NotVerifiable):
            keys.text(f"{url}/keys.json")
        await keys.stop()
