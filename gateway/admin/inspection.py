"""What a store holds, counted: behind ``gateway inspect``."""

from __future__ import annotations

from collections import Counter

from gateway.admin.views import View
from gateway.intilery.contract import timestamp
from gateway.model import CommandState, WebhookState
from gateway.store import CommandFilter, Store, WebhookFilter

_VERSIONS = 500


async def inspection(store: Store) -> View:
    """``{"webhooks": {"count", "by_state"}, "commands": {"count", "by_state"}, "sources": [{"name", "webhooks",
    "last_heard"}], "quarantined", "rules_versions", "shadow_candidates", "replays", "unfinished_replays"}``."""
    kept = [state for state in WebhookState if state is not WebhookState.QUARANTINED]
    webhooks = {state.value: await store.count(WebhookFilter(state=state)) for state in kept}
    commands = {state.value: await store.count(CommandFilter(state=state)) for state in CommandState}
    heard = await store.last_heard()
    quarantined: Counter[str] = Counter()
    for one in await store.quarantine_counts():
        quarantined[one.source] += one.count
    replays = await store.replays(limit=500)
    shadows = {count.candidate for count in await store.shadow_counts()}
    return {
        "webhooks": _counted(webhooks),
        "commands": _counted(commands),
        "sources": [
            {
                "name": name,
                "webhooks": await store.count(WebhookFilter(source=name)),
                "last_heard": timestamp(heard[name]) if name in heard else None,
            }
            for name in sorted({*heard, *quarantined})
        ],
        "quarantined": quarantined.total(),
        "rules_versions": len(await store.rules_histories(limit=_VERSIONS)),
        "shadow_candidates": len(shadows),
        "replays": len(replays),
        "unfinished_replays": sum(1 for one in replays if one.finished_at is None),
    }


def _counted(by_state: dict[str, int]) -> View:
    return {
        "count": sum(by_state.values()),
        "by_state": {state: count for state, count in by_state.items() if count},
    }
