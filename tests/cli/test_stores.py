"""``gateway backup`` and ``inspect``: the store itself, also while it is written to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.model import CommandState
from gateway.store import CommandFilter, open_store
from gateway.store.sqlite import backup as copying
from tests.cli.test_reader import Past, past, read, run
from tests.store.making import received

__all__ = ["past"]  # a fixture


def test_a_backup_is_the_store_as_it_was(past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "backup.db"
    view = read("backup", str(file))
    assert view == {"file": str(file), "bytes": file.stat().st_size, "checked": True}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("backup.db*")] == ["backup.db"], "one file alone is everything"
    whole = read("webhooks")
    monkeypatch.setenv("GATEWAY_STORE", f"sqlite:///{file}")
    assert read("webhooks") == whole
    assert read("show", past.delivered)["commands"][1]["state"] == "delivered"


def test_a_backup_is_written_over_nothing(past: Past, tmp_path: Path) -> None:
    file = tmp_path / "there.db"
    file.write_text("precious")
    result = run("backup", str(file))
    assert (result.exit_code, "written over none" in result.stderr) == (2, True)
    assert file.read_text() == "precious"
    assert run("backup", str(tmp_path / "no" / "such.db")).exit_code == 2


@pytest.mark.parametrize(
    ("store", "says"), [("sqlite:///nowhere.db", "no such file"), ("postgresql://host/db", "pg_dump")]
)
def test_what_can_not_be_copied_is_said(past: Past, tmp_path: Path, store: str, says: str) -> None:
    result = run("backup", str(tmp_path / "copy.db"), "--store", store)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (tmp_path / "copy.db").exists()


def test_a_damaged_store_is_no_backup(past: Past, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    result = run("backup", str(tmp_path / "copy.db"), "--store", f"sqlite:///{path}")
    assert result.exit_code == 1
    assert "can't be copied" in result.stderr
    assert not (tmp_path / "copy.db").exists()


async def test_a_store_that_is_written_to_all_the_time_is_copied_at_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 1)
    source, target = tmp_path / "gateway.db", tmp_path / "copy.db"
    store = open_store(f"sqlite:///{source}")
    await store.open()
    for _ in range(20):
        await received(store, {}, {})
    done = asyncio.Event()
    written = 20

    async def write() -> None:
        nonlocal written
        while not done.is_set():
            await received(store, {}, {})
            written += 1

    writing = asyncio.create_task(write())
    steps: list[tuple[int, int]] = []

    def copy() -> int:
        return copying.back_up(source, target, progress=lambda now, total: steps.append((now, total)))

    await asyncio.to_thread(copy)
    done.set()
    await writing
    await store.close()
    assert [now for now, _ in steps] == list(range(1, steps[-1][1] + 1)), "never begun anew"
    kept = open_store(f"sqlite:///{target}")
    await kept.open(serving=False)
    commands = await kept.count(CommandFilter(state=CommandState.PENDING))
    await kept.close()
    assert 40 <= commands <= 2 * written
    assert commands % 2 == 0, "a webhook and its commands together, or not at all"


def test_inspect_counts_what_there_is(past: Past, tmp_path: Path) -> None:
    view = read("inspect")
    assert view["webhooks"] == {"count": 3, "by_state": {"translated": 1, "unmatched": 1, "unparseable": 1}}
    assert view["commands"] == {"count": 2, "by_state": {"delivered": 2}}
    assert [(row["name"], row["webhooks"]) for row in view["sources"]] == [("shop", 3)]
    assert (view["rules_versions"], view["quarantined"], view["replays"]) == (1, 0, 0)
    assert view["files"]["gateway.db"] > 0
    told = run("inspect").stdout
    for part in ("3  webhooks", "1    translated", "2  commands", "bytes in gateway.db", "shop    3"):
        assert part in told, part
    assert "no such file" in run("inspect", "--store", "sqlite:///nowhere.db").stderr
