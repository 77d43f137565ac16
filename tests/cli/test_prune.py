"""``gateway prune``: what it would take out, and what it takes out."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.model import WebhookState, new_webhook_id
from gateway.store import Reception, WebhookFilter, open_store
from tests import shop
from tests.store.making import webhook


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="gateway")


async def _store(url: str, *ages: int) -> list[int]:
    """Keep webhooks of these ages in days; how many there are then."""
    store = open_store(url)
    await store.open()
    for days in ages:
        at = datetime.now(UTC) - timedelta(days=days, minutes=1)
        hook = webhook(id=new_webhook_id(), received_at=at, state=WebhookState.UNMATCHED)
        await store.receive(Reception(webhook=hook))
    found = (await store.webhooks(WebhookFilter())).items
    await store.close()
    return sorted((datetime.now(UTC) - one.received_at).days for one in found)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in shop.environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    shop.write_rules(tmp_path / "rules", rules={"shop.yaml": shop.RULES + "retention: 60d\n"} | {
        "destinations.yaml": shop.DESTINATIONS
    })  # fmt: skip
    found = f"sqlite:///{tmp_path / 'gateway.db'}"
    asyncio.run(_store(found, 0, 40, 70))
    return found


def test_a_dry_run_only_counts(url: str) -> None:
    done = run("prune", "--dry-run")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("would take out\n          1  webhooks, with their bodies\n")
    assert asyncio.run(_store(url)) == [0, 40, 70]


def test_it_takes_out_what_is_old_by_the_rules(url: str) -> None:
    done = run("prune", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["webhooks"] == 1
    assert told["dry_run"] is False
    assert asyncio.run(_store(url)) == [0, 40]


def test_the_default_is_for_sources_that_say_nothing(url: str, tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules", rules={"shop.yaml": shop.RULES})
    assert run("prune", "--retention", "50d").exit_code == 0
    assert asyncio.run(_store(url)) == [0, 40]
    assert run("prune").exit_code == 0
    assert asyncio.run(_store(url)) == [0]


def test_rules_that_do_not_load_keep_everything(url: str, tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules", rules={"shop.yaml": "source: shop\nretention: soon\n"})
    done = run("prune")
    assert done.exit_code == 1
    assert "retention" in done.stderr
    assert asyncio.run(_store(url)) == [0, 40, 70]


def test_no_store_is_made_to_be_pruned(url: str, tmp_path: Path) -> None:
    done = run("prune", "--store", f"sqlite:///{tmp_path / 'other.db'}")
    assert done.exit_code == 2
    assert "no such file (gateway serve makes it)" in done.stderr
    assert not (tmp_path / "other.db").exists()
