"""The serving process prunes by itself, by the retention of the rules that are served."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.model import WebhookState, new_webhook_id
from gateway.pruning import PruneMade, Pruner
from gateway.running import Gateway
from gateway.settings import Settings
from gateway.store import Pruned, Reception, WebhookFilter
from tests import shop
from tests.store.making import webhook

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    short = "source: short\nverify: none\nretention: 1d\n"
    shop.write_rules(
        tmp_path / "rules", rules={"short.yaml": short, "shop.yaml": shop.RULES, "destinations.yaml": shop.DESTINATIONS}
    )
    settings = Settings.from_environ(shop.environ(tmp_path, GATEWAY_RETENTION="10d"))
    return Gateway(settings, now=lambda: NOW)


async def keep(gateway: Gateway) -> None:
    for source in ("short", "shop", "gone"):
        for days in (0, 2, 11):
            at = NOW - timedelta(days=days)
            hook = webhook(id=new_webhook_id(), source=source, received_at=at, state=WebhookState.UNMATCHED)
            await gateway.store.receive(Reception(webhook=hook))


async def left(gateway: Gateway) -> list[tuple[str, int]]:
    found = (await gateway.store.webhooks(WebhookFilter())).items
    return sorted((one.source, (NOW - one.received_at).days) for one in found)


async def test_each_source_is_pruned_by_its_own_retention(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    await gateway.start()
    try:
        await keep(gateway)
        with caplog.at_level(logging.INFO):
            await gateway.pruner.prune()
        assert await left(gateway) == [("gone", 0), ("gone", 2), ("shop", 0), ("shop", 2), ("short", 0)]
    finally:
        await gateway.stop()
    assert "pruned: 4 webhooks" in caplog.text
    assert "gateway_webhooks_pruned_total 4.0" in gateway.telemetry.metrics.exposition().decode()


async def test_it_comes_round_by_itself(gateway: Gateway) -> None:
    await gateway.start()
    made: list[PruneMade] = []
    pruner = Pruner(
        gateway.store,
        ruleset=lambda: gateway.ruleset,
        default=timedelta(days=10),
        quarantined=timedelta(days=7),
        emit=made.append,
        now=lambda: NOW,
        first=0.0,
        every=0.0,
    )
    try:
        await keep(gateway)
        pruner.start()

        async def twice() -> bool:
            return len(made) >= 2

        await shop.until(twice)
    finally:
        await pruner.stop()
        await gateway.stop()
    assert made[0] == PruneMade(pruned=Pruned(webhooks=4))
    assert made[1] == PruneMade(pruned=Pruned())
    await pruner.stop()


async def test_a_run_that_ends_in_a_defect_is_told_and_not_the_last(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    await gateway.start()
    made: list[PruneMade] = []
    # Longer than there were dates: no moment is that long ago.
    lengths = iter([timedelta(days=3_000_000)])

    class Lengths(Pruner):
        async def prune(self) -> None:
            self._default = next(lengths, timedelta(days=10))
            await super().prune()

    pruner = Lengths(
        gateway.store,
        ruleset=lambda: gateway.ruleset,
        default=timedelta(days=10),
        quarantined=timedelta(days=7),
        emit=made.append,
        now=lambda: NOW,
        first=0.0,
        every=0.0,
    )
    try:
        await keep(gateway)
        pruner.start()

        async def went_on() -> bool:
            return bool(made)

        await shop.until(went_on)
    finally:
        await pruner.stop()
        await gateway.stop()
    assert made[0] == PruneMade(pruned=Pruned(webhooks=4))
    assert "OverflowError" in caplog.text


async def test_a_store_that_can_not_be_written_is_told_and_tried_again(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    await gateway.store.open()
    await gateway.store.close()
    with caplog.at_level(logging.ERROR):
        await gateway.pruner.prune()
    assert "pruning: " in caplog.text
    assert "the store is closed" in caplog.text
    assert 'gateway_store_errors_total{verb="prune"} 1.0' in gateway.telemetry.metrics.exposition().decode()
    with pytest.raises(StoreUnavailable):
        await gateway.store.prune(now=NOW, default=timedelta(days=1), by_source={})
