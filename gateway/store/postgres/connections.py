"""What an open store holds: three connections that write, a few that read, and one that tells others and hears them."""

from __future__ import annotations

import msgspec

from gateway.store.postgres.commit import Writer
from gateway.store.postgres.reader import Reader
from gateway.store.postgres.waking import Waker


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Receptions, deliveries and housekeeping are written each on a connection of their own."""

    intake: Writer
    delivery: Writer
    house: Writer
    reader: Reader
    waker: Waker
    lease: str
    """How every lease begins that this store gives."""

    async def close(self) -> None:
        await self.reader.close()
        await self.waker.close()
        for writer in (self.intake, self.delivery, self.house):
            await writer.close()
