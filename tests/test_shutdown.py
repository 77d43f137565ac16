"""SIGTERM: a real process takes nothing more, ends what is on its way, and leaves nothing under a lease."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx
import pytest

from gateway.intilery.sandbox import Faults, create_sandbox
from gateway.model import CommandState
from gateway.store import CommandFilter, open_store
from tests import shop
from tests.servers import running
from tests.serving import Serving, eventually

COMMANDS = 12
DESTINATIONS = """\
destinations:
  default: {client_id: acme, auth_token: $env.INTILERY_AUTH_TOKEN, rate: 5000, burst: 8}
"""
RULES = """\
source: shop
verify:
  hmac: {header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}
dedup_key: $header.X-Shop-Event
rules:
  - name: Confirmation
    send_email: {userId: $.customer.id, assetId: CONFIRMATION}
"""


@pytest.mark.parametrize(("grace", "cut_off"), [("30s", False), ("200ms", True)])
async def test_what_is_on_its_way_is_ended_within_the_grace(tmp_path: Path, grace: str, cut_off: bool) -> None:
    intilery = create_sandbox(rate=None, identify_delay=0.0)
    sandbox = intilery.state.sandbox
    sandbox.faults = Faults(delay=2.0)  # accepted, and answered late
    shop.write_rules(tmp_path / "rules", rules={"shop.yaml": RULES, "destinations.yaml": DESTINATIONS})
    async with running(intilery) as url:
        environ = shop.environ(tmp_path, intilery=url, GATEWAY_GRACE=grace)
        async with Serving(tmp_path, environ=environ) as gateway:
            await gateway.start()
            async with gateway.client() as http:
                for number in range(COMMANDS):
                    body = shop.order(customer={"id": f"u-{number}"})
                    headers = shop.headers(body, event=f"e{number}")
                    answer = await http.post(f"{gateway.address}/hooks/shop", content=body, headers=headers)
                    assert answer.status_code == 200

            async def on_their_way() -> str | None:
                return None if len(sandbox.calls) >= 2 else f"{len(sandbox.calls)} calls at the sandbox"

            await eventually(on_their_way)
            address = gateway.address
            assert await gateway.stop() == 0
            with pytest.raises(httpx.ConnectError):
                async with httpx.AsyncClient(trust_env=False) as http:
                    await http.post(f"{address}/hooks/shop", content=body, headers=headers)
            sent = len(sandbox.calls)
            store = open_store(environ["GATEWAY_STORE"])
            await store.open(serving=False)
            try:
                made = (await store.commands(CommandFilter(), limit=100)).items
            finally:
                await store.close()
            states = Counter(command.state for command in made)
            assert sum(states.values()) == COMMANDS
            assert sent < COMMANDS
            if cut_off:
                # What was cut off is on its way as far as the store knows: the next start finds it, as after a crash.
                assert states[CommandState.DELIVERING] >= 1
            else:
                assert states == {CommandState.DELIVERED: sent, CommandState.PENDING: COMMANDS - sent}

            sandbox.faults = Faults()
            await gateway.start()

            async def all_delivered() -> str | None:
                async with gateway.client() as http:
                    answer = await http.get(f"{gateway.address}/api/commands?state=delivered", headers=shop.bearer())
                count = len(answer.json()["items"])
                return None if count == COMMANDS else f"{count} of {COMMANDS} delivered"

            await eventually(all_delivered)
    repeats = Counter(call.message_id for call in sandbox.calls)
    assert len(repeats) == COMMANDS
    # Nothing goes twice but what was cut off with its answer on the way.
    assert cut_off or set(repeats.values()) == {1}
