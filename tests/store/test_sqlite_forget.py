"""SQLite: of what was erased no byte is left in the file or in its log."""

from __future__ import annotations

from pathlib import Path

from gateway.store import Reception, open_store
from tests.store.making import NOW, command, webhook


def anywhere(folder: Path, secret: bytes) -> bool:
    return any(secret in file.read_bytes() for file in folder.iterdir())


async def test_no_byte_of_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store = open_store(f"sqlite:///{path}")
    await store.open()
    secret = b"marmalade-4711"
    for number in range(50):
        hook = webhook(body=b"x" * 3000 + b" " + secret + b" " + str(number).encode())
        await store.receive(Reception(webhook=hook, commands=(command(hook, user_id=f"u{number}"),)))
    assert anywhere(tmp_path, secret)
    assert (await store.forget("nobody", [secret.decode()], now=NOW)).webhooks == 50
    assert not anywhere(tmp_path, secret)
    await store.close()
    assert not anywhere(tmp_path, secret)
