"""Short words for the values that these tests store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.model import Attempt, Command, CommandState, Outcome, Webhook, WebhookState, command_id, new_webhook_id
from gateway.store import Claim, Reception, Store, Verdict

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
GAP = timedelta(milliseconds=500)
LEASE = timedelta(seconds=60)
ANSWERS = {
    CommandState.DELIVERED: Outcome.ACCEPTED,
    CommandState.FAILED: Outcome.REFUSED,
    CommandState.HELD: Outcome.UNKNOWN,
    CommandState.UNKNOWN: Outcome.UNKNOWN,
}


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def webhook(**fields: Any) -> Webhook:
    given = {"id": new_webhook_id(), "source": "shop", "received_at": NOW, "state": WebhookState.TRANSLATED}
    return Webhook(**(given | fields))


def command(of: Webhook, **fields: Any) -> Command:
    given = {
        "webhook_id": of.id,
        "source": of.source,
        "rule": "Order confirmation",
        "command": "send_email",
        "action": "track",
        "destination": "default",
        "user_id": "customer",
        "body": b'{"userId":"customer"}',
        "created_at": of.received_at,
    }
    given |= fields
    given.setdefault("id", command_id(of.id, given["rule"], given.get("element", ""), given["command"]))
    return Command(**given)


async def received(store: Store, *commands: dict[str, Any], **fields: Any) -> list[Command]:
    """Receive one webhook with a command for each mapping of fields; the commands as they were given."""
    hook = webhook(**fields)
    made = [command(hook, **({"element": str(number)} | given)) for number, given in enumerate(commands)]
    await store.receive(Reception(webhook=hook, commands=tuple(made)))
    return made


async def claimed(store: Store, *, at: float = 0, limit: int = 100, destination: str = "default") -> list[Claim]:
    return list((await store.claim(destination, limit=limit, lease=LEASE, now=after(at))).claims)


async def one(store: Store, *, at: float = 0) -> Claim:
    """The only command that may be claimed."""
    (claim,) = await claimed(store, at=at)
    return claim


def attempt(claim: Claim, *, at: float = 0, outcome: Outcome = Outcome.ACCEPTED, **fields: Any) -> Attempt:
    return Attempt(number=claim.command.attempts, at=after(at), outcome=outcome, **fields)


async def ended(
    store: Store, claim: Claim, state: CommandState = CommandState.DELIVERED, *, at: float = 0, **verdict: Any
) -> bool:
    """Record one attempt that came to ``state``."""
    tried = attempt(claim, at=at, outcome=ANSWERS.get(state, Outcome.UNAVAILABLE))
    return await store.record(claim, tried, Verdict(state=state, **verdict), now=after(at))


async def state_of(store: Store, of: Command) -> CommandState:
    return (await store.command(of.id)).state
