"""TLS to the server: with ``sslmode=verify-full`` nobody else can take its place, and a failure says why.

The wheel's server is built without TLS. Before it stands what ends TLS as the protocol asks for it:
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import conninfo_to_dict

from gateway.errors import StoreUnavailable
from gateway.store import open_store
from tests.store.making import GAP, claimed, received

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
"""The first message of a client that wants a connection that is encrypted."""


def authority(folder: Path, name: str) -> tuple[x509.Name, ec.EllipticCurvePrivateKey, Path]:
    """Who signs certificates: its name, its key, and the file that clients know it by."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    file = folder / f"{name}.pem"
    file.write_bytes(signed(subject, key, subject, key, None).public_bytes(serialization.Encoding.PEM))
    return subject, key, file


def signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    host: str | None,
) -> x509.Certificate:
    """A certificate for a server ``host``, or for who signs."""
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    )
    if host is not None:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return made.sign(by, hashes.SHA256())


class Front:
    """Ends TLS before the server of the tests."""

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._server = conninfo_to_dict(server)
        self._context = context
        self.spoken: list[str | None] = []
        """The version of TLS of each connection."""
        self._serving: set[asyncio.Task[None]] = set()

    async def ended(self) -> None:
        """Return when no connection is left."""
        while self._serving:
            await asyncio.wait(self._serving)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        plain = writer.transport
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went, as it should where this is not the server that it looks for
        finally:
            plain.abort()
            await asyncio.sleep(0)
            self._serving.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while struct.unpack("!II", await reader.readexactly(8))[1] != SSL_REQUEST:
            writer.write(b"N")
        writer.write(b"S")
        await writer.start_tls(self._context)
        self.spoken.append(writer.get_extra_info("ssl_object").version())
        behind_reader, behind_writer = await self._behind()
        await asyncio.gather(pump(reader, behind_writer), pump(behind_reader, writer))

    async def _behind(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._server["host"]), int(self._server.get("port", 5432))
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def front(tmp_path: Path, postgres_server: str) -> AsyncIterator[tuple[Front, int]]:
    """With a certificate for ``localhost``, signed by ``ours.pem``; and its port."""
    issuer, by, _ = authority(tmp_path, "ours")
    authority(tmp_path, "others")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    pem = serialization.Encoding.PEM
    (tmp_path / "server.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed(subject, key, issuer, by, "localhost").public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    made = Front(postgres_server, context)
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        yield made, server.sockets[0].getsockname()[1]
        await made.ended()


def address(store_url: str, host: str, port: int, **options: Any) -> str:
    given = conninfo_to_dict(store_url)
    words = "&".join(f"{name}={value}" for name, value in options.items())
    password = f":{given['password']}" if "password" in given else ""
    return f"postgresql://{given['user']}{password}@{host}:{port}/{given['dbname']}?{words}"


async def test_a_server_that_proves_who_it_is(store_url: str, tmp_path: Path, front: tuple[Front, int]) -> None:
    made, port = front
    url = address(store_url, "localhost", port, sslmode="verify-full", sslrootcert=tmp_path / "ours.pem")
    store = open_store(url, identify_gap=GAP)
    await store.open()
    try:
        await received(store, {})
        assert len(await claimed(store)) == 1
    finally:
        await store.close()
    assert len(made.spoken) >= 3
    assert set(made.spoken) == {"TLSv1.3"}


@pytest.mark.parametrize(
    ("host", "known", "said"),
    [
        ("localhost", "others.pem", "certificate verify failed"),
        ("127.0.0.1", "ours.pem", 'server certificate for "localhost".* does not match host name "127.0.0.1"'),
        ("localhost", "none.pem", 'root certificate file ".*none.pem" does not exist'),
    ],
)
async def test_a_server_that_does_not_is_not_spoken_to(
    store_url: str, tmp_path: Path, front: tuple[Front, int], host: str, known: str, said: str
) -> None:
    url = address(store_url, host, front[1], sslmode="verify-full", sslrootcert=tmp_path / known)
    with pytest.raises(StoreUnavailable, match=said):
        await open_store(url, identify_gap=GAP).open()


async def test_a_server_without_tls_where_it_is_asked_for(store_url: str) -> None:
    async def decline(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await writer.drain()
        await reader.read()
        writer.close()
        declined.set()

    declined = asyncio.Event()
    async with await asyncio.start_server(decline, "127.0.0.1", 0) as server:
        url = address(store_url, "127.0.0.1", server.sockets[0].getsockname()[1], sslmode="require")
        with pytest.raises(StoreUnavailable, match="server does not support SSL, but SSL was required"):
            await open_store(url, identify_gap=GAP).open()
        await declined.wait()
