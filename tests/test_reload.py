"""Hot reload through the front door: files are changed while webhooks are posted, and every one is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from gateway.folders import load_rules
from gateway.intilery.sandbox import Sandbox, create_sandbox
from gateway.reload import Reloader, ReloadRecord, RulesRefused, RulesServed
from gateway.rules import Ruleset
from gateway.running import Gateway
from gateway.settings import Settings
from tests import shop
from tests.servers import running

SECOND = shop.RULES.replace("202601", "202602").replace("A shop", "The second shop")
BAD = shop.RULES.replace("userId: $.customer.id", "usrId: $.customer.id", 1)


@pytest.fixture
async def intilery() -> AsyncIterator[tuple[str, Sandbox]]:
    app = create_sandbox(identify_delay=0.0)
    async with running(app) as url:
        yield url, app.state.sandbox


@pytest.fixture
def app(tmp_path: Path, intilery: tuple[str, Sandbox]) -> Starlette:
    return shop.shop_app(tmp_path, intilery=intilery[0])


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


@pytest.fixture
def parts(app: Starlette) -> Gateway:
    return shop.gateway_of(app)


@pytest.fixture
def rules(tmp_path: Path, app: Starlette) -> Path:
    return tmp_path / "rules"


class Poster:
    """Posts webhooks one after the other, each another one, and keeps what was answered."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.answers: list[tuple[int, str]] = []
        self.stopping = False

    async def post(self) -> None:
        number = len(self.answers)
        body = shop.order(number=f"#{number}")
        answer = await self._client.post(
            "/hooks/shop", content=body, headers=shop.headers(body, event=f"{id(self)}-{number}")
        )
        self.answers.append((answer.status_code, answer.json().get("id", answer.text)))

    async def keep_posting(self) -> None:
        while not self.stopping:
            await self.post()


@contextlib.asynccontextmanager
async def posting(client: httpx.AsyncClient) -> AsyncIterator[list[Poster]]:
    """Three that post while the block runs; behind it all they posted is answered, and the store counts no more."""
    posters = [Poster(client) for _ in range(3)]
    tasks = [asyncio.create_task(poster.keep_posting()) for poster in posters]
    try:
        yield posters
    finally:
        for poster in posters:
            poster.stopping = True
        await asyncio.wait(tasks)
    for task in tasks:
        task.result()


async def becomes(parts: Gateway, title: str) -> str:
    """The version once the shop's rules of this title are served."""

    async def served() -> bool:
        return parts.ruleset.sources["shop"].title == title

    await shop.until(served)
    return parts.ruleset.version.version


async def status(client: httpx.AsyncClient) -> Any:
    return (await client.get("/api/status", headers=shop.bearer())).json()


def titled(number: int) -> str:
    return shop.RULES.replace("A shop", f"Shop {number}") + "# so long that it is not written at once\n" * 200


def write(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path, to: str) -> Path:
    return path.replace(path.with_name(to))


# -- ways of saving -----------------------------------------------------------------------------------------------


async def in_place(path: Path, text: str) -> None:
    write(path, text)


async def beside_and_renamed(path: Path, text: str) -> None:
    swap = path.with_name(f".{path.name}.swp")
    write(swap, "half")
    new = path.with_name(f"{path.name}.new")
    write(new, text)
    rename(new, path.name)
    remove(swap)


async def deleted_and_written(path: Path, text: str) -> None:
    remove(path)
    await asyncio.sleep(0.7)  # longer than the files must be quiet: in between the folder is whole, without the shop
    write(path, text)


async def backed_up_and_written(path: Path, text: str) -> None:
    backup = rename(path, f"{path.name}~")
    write(path, text)
    remove(backup)


async def in_halves(path: Path, text: str) -> None:
    half = text.index("send_email:") + 20
    with path.open("w") as file:
        file.write(text[:half])
        file.flush()
        await asyncio.sleep(0.7)  # in between the file is wrong
        file.write(text[half:])


SAVING = [in_place, beside_and_renamed, deleted_and_written, backed_up_and_written, in_halves]


async def test_no_way_of_saving_makes_a_webhook_fail(
    client: httpx.AsyncClient, parts: Gateway, rules: Path, caplog: pytest.LogCaptureFixture
) -> None:
    versions = [parts.ruleset.version.version]
    async with posting(client) as posters:
        for number, save in enumerate(SAVING):
            await save(rules / "shop.yaml", titled(number))
            versions.append(await becomes(parts, f"Shop {number}"))
            sent = [len(poster.answers) for poster in posters]

            async def passed(sent: list[int] = sent) -> bool:
                return all(len(poster.answers) > before + 2 for poster, before in zip(posters, sent, strict=True))

            await shop.until(passed)
    answers = [answer for poster in posters for answer in poster.answers]
    assert {code for code, _ in answers} == {200}
    met = [(await parts.store.webhook(id)).rules_version for _, id in answers]
    assert set(met) == set(versions)
    # One after the other: whoever was received later met the same version or a later one.
    for poster in posters:
        order = [versions.index((await parts.store.webhook(id)).rules_version) for _, id in poster.answers]
        assert order == sorted(order)
    histories = {history.version.version: history for history in await parts.store.rules_histories()}
    assert list(histories) == versions[::-1]
    assert {version: history.webhooks["shop"] for version, history in histories.items()} == {
        version: met.count(version) for version in versions
    }
    spans = [histories[version].served for version in versions]
    assert all(len(span) == 1 for span in spans)
    assert [span.until for (span,) in spans] == [span.since for (span,) in spans[1:]] + [None]
    assert not [record for record in caplog.records if record.levelname == "ERROR"], "a moment was reported"


async def test_a_webhook_in_flight_keeps_the_rules_that_it_began_with(
    client: httpx.AsyncClient, parts: Gateway, rules: Path
) -> None:
    first = parts.ruleset.version.version
    body = shop.order()

    async def slow_body() -> AsyncIterator[bytes]:
        yield body[:10]
        (rules / "shop.yaml").write_text(SECOND.replace("202602", "202601"))
        await becomes(parts, "The second shop")
        yield body[10:]

    answer = await client.post("/hooks/shop", content=slow_body(), headers=shop.headers(body))
    webhook = await parts.store.webhook(answer.json()["id"])
    assert webhook.rules_version == first != parts.ruleset.version.version


async def test_what_does_not_change_the_text_does_nothing(
    client: httpx.AsyncClient, parts: Gateway, rules: Path
) -> None:
    first = parts.ruleset
    (rules / "shop.yaml").touch()
    (rules / "notes.md").write_text("no rules")
    (rules / ".shop.yaml.swp").write_text("half")
    (rules / "shop.yaml").write_text(shop.RULES)
    await asyncio.sleep(0.7)
    assert parts.ruleset is first
    (rules / "shop.yaml").write_text(titled(1))
    await becomes(parts, "Shop 1")
    assert len(await parts.store.rules_histories()) == 2


# -- bad files ----------------------------------------------------------------------------------------------------


async def test_a_broken_folder_keeps_serving_and_says_so_until_it_is_mended(
    client: httpx.AsyncClient, parts: Gateway, rules: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = parts.ruleset.version.version
    async with posting(client) as posters:
        (rules / "shop.yaml").write_text(BAD)
        (rules / "brands.yaml").write_text("source: brands\nrules: 1\n")

        async def refused() -> bool:
            return (await status(client))["rules"]["reload_failed"] is not None

        await shop.until(refused)
        told = (await status(client))["rules"]
        assert told["version"] == first
        since = told["reload_failed"]["since"]
        files = {Path(problem.split(":")[0]).name for problem in told["reload_failed"]["problems"]}
        assert files == {"shop.yaml", "brands.yaml"}
        assert any("usrId" in problem for problem in told["reload_failed"]["problems"])
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["reasons"] == []
        [warning] = ready.json()["warnings"]
        assert f"since {since}" in warning
        assert " at brands.yaml:" in warning
        assert "usrId" not in ready.text  # nobody has shown a token
        metrics = (await client.get("/metrics", headers=shop.bearer())).text.splitlines()
        assert "gateway_rules_reload_failed 1.0" in metrics
        assert any(line.startswith(f'gateway_rules_info{{revision="",version="{first}"}}') for line in metrics)
        logged = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert set(told["reload_failed"]["problems"]) == {line.removeprefix("rules: ") for line in logged[1:]}

        # Half mended: it is told anew, and since when is as before.
        shop.write_rules(rules, rules={"brands.yaml": shop.BRANDS})

        async def told_anew() -> bool:
            found = (await status(client))["rules"]["reload_failed"]
            return found is not None and all("brands.yaml" not in problem for problem in found["problems"])

        await shop.until(told_anew)
        assert (await status(client))["rules"]["reload_failed"]["since"] == since
        (rules / "shop.yaml").write_text(titled(1))
        second = await becomes(parts, "Shop 1")
        assert (await status(client))["rules"]["reload_failed"] is None
        assert (await client.get("/readyz")).json() == {"status": "ready", "reasons": []}
        await posters[0].post()
    metrics = (await client.get("/metrics", headers=shop.bearer())).text.splitlines()
    assert "gateway_rules_reload_failed 0.0" in metrics
    answers = [answer for poster in posters for answer in poster.answers]
    assert {code for code, _ in answers} == {200}
    assert {(await parts.store.webhook(id)).rules_version for _, id in answers} == {first, second}


async def test_going_back_to_what_is_served_mends_it_too(
    client: httpx.AsyncClient, parts: Gateway, rules: Path
) -> None:
    async def failed() -> bool:
        return parts.reloader.failure is not None

    async def mended() -> bool:
        return parts.reloader.failure is None

    (rules / "shop.yaml").write_text(BAD)
    await shop.until(failed)
    (rules / "shop.yaml").write_text(shop.RULES)
    await shop.until(mended)
    assert len(await parts.store.rules_histories()) == 1
    # A folder that is gone, and back.
    away = rename(rules, "away")
    await shop.until(failed)
    rename(away, rules.name)
    await shop.until(mended)
    (rules / "shop.yaml").write_text(titled(1))
    await becomes(parts, "Shop 1")


async def test_rules_that_the_store_cannot_keep_are_not_served_before_it_can(
    client: httpx.AsyncClient, parts: Gateway, rules: Path
) -> None:
    first = parts.ruleset
    await parts.store.close()
    (rules / "shop.yaml").write_text(titled(1))

    async def failed() -> bool:
        return parts.reloader.failure is not None

    await shop.until(failed)
    assert parts.ruleset is first
    assert "could not be kept" in str(parts.reloader.failure)
    await parts.store.open()
    version = await becomes(parts, "Shop 1")
    assert (await parts.store.rules_version(version)).files["shop.yaml"] == titled(1)
    assert parts.reloader.failure is None


class Bench:
    """A reloader over the shop's folder, whose loading a test can change, and what it served and told."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = shop.write_rules(tmp_path / "rules")
        self.settings = Settings.from_environ(shop.environ(tmp_path))
        self.served = load_rules(self.settings)
        self.records: list[ReloadRecord] = []

    def reloader(self, load: Callable[[], Ruleset]) -> Reloader:
        return Reloader(
            self.folder,
            load=load,
            served=lambda: self.served,
            serve=self.serve,
            emit=self.records.append,
            now=lambda: datetime.now(UTC),
        )

    async def serve(self, ruleset: Ruleset) -> None:
        self.served = ruleset

    async def told(self, reloader: Reloader) -> ReloadRecord:
        """The first record."""
        reloader.start()

        async def is_told() -> bool:
            return bool(self.records)

        await shop.until(is_told)
        await reloader.stop()
        return self.records[0]


async def test_what_was_read_while_it_was_written_is_read_again(tmp_path: Path) -> None:
    """A set that is half of before and half of after loads well, and is not what anybody wrote."""
    bench = Bench(tmp_path)
    pending = [shop.BRANDS.replace("One file", "A file for")]

    def load() -> Ruleset:
        ruleset = load_rules(bench.settings)
        if pending:
            (bench.folder / "brands.yaml").write_text(pending.pop())
        return ruleset

    (bench.folder / "shop.yaml").write_text(titled(1))
    record = await bench.told(bench.reloader(load))
    assert isinstance(record, RulesServed)
    assert record.changed == ("brands.yaml", "shop.yaml")


RENAMED = (
    "the rule 'Order mail' was 'Order confirmation' before. What was sent, and its once keys, are known by the rule's "
    "id, so a repeat or a replay may send it again; to keep them, write id: Order confirmation"
)


async def test_a_rule_that_only_has_another_name_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (bench.folder / "shop.yaml").write_text(shop.RULES.replace("name: Order confirmation", "name: Order mail"))
    record = await bench.told(bench.reloader(lambda: load_rules(bench.settings)))
    assert isinstance(record, RulesServed)
    (warning,) = record.renamed
    assert (warning.file, warning.message) == ("shop.yaml", RENAMED)


async def test_it_is_told_at_the_next_start_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(shop.shop_app(tmp_path)):
        pass
    (tmp_path / "rules" / "shop.yaml").write_text(shop.RULES.replace("name: Order confirmation", "name: Order mail"))
    for told in (1, 0):
        caplog.clear()
        async with running(shop.shop_app(tmp_path)):
            pass
        assert sum(RENAMED in record.getMessage() for record in caplog.records) == told


async def test_a_defect_of_loading_is_told_and_leaves_what_is_served(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    before = bench.served

    def load() -> Ruleset:
        raise ZeroDivisionError("a defect")

    (bench.folder / "shop.yaml").write_text(titled(1))
    record = await bench.told(bench.reloader(load))
    assert isinstance(record, RulesRefused)
    assert str(record.failure) == "loading broke off: ZeroDivisionError: a defect"
    assert bench.served is before


async def test_asking_after_a_commit_gives_the_same_text_its_revision(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    committed = msgspec.structs.replace(bench.served.version, revision="0123456789ab")
    reloader = bench.reloader(lambda: msgspec.structs.replace(bench.served, version=committed))
    reloader.ask()
    record = await bench.told(reloader)
    assert isinstance(record, RulesServed)
    assert record.changed == ()
    assert bench.served.version == committed


# -- where the files are ------------------------------------------------------------------------------------------


async def test_the_destinations_file_elsewhere_is_watched(tmp_path: Path) -> None:
    elsewhere = shop.write_rules(tmp_path / "config", rules={"production.yaml": shop.DESTINATIONS}) / "production.yaml"
    app = shop.shop_app(tmp_path, GATEWAY_DESTINATIONS=str(elsewhere))
    parts = shop.gateway_of(app)
    async with app.router.lifespan_context(app):
        elsewhere.write_text(shop.DESTINATIONS.replace("    client_id: acme", "    rate: 7\n    client_id: acme", 1))

        async def faster() -> bool:
            return parts.ruleset.destinations["default"].rate == 7

        await shop.until(faster)


@pytest.mark.parametrize("moved", ["the folder", "a link in it"])
async def test_a_link_that_is_moved_is_a_change(tmp_path: Path, moved: str) -> None:
    for number in (1, 2):
        shop.write_rules(tmp_path / f"release-{number}")
        (tmp_path / f"release-{number}" / "shop.yaml").write_text(titled(number))
    rules = tmp_path / "rules"
    if moved == "the folder":
        link = rules
        link.symlink_to("release-1")
    else:  # as a ConfigMap is mounted
        rules.mkdir()
        link = rules / "..data"
        link.symlink_to("../release-1")
        for file in (tmp_path / "release-1").iterdir():
            (rules / file.name).symlink_to(f"..data/{file.name}")
    app = shop.shop_app(tmp_path)
    parts = shop.gateway_of(app)
    async with app.router.lifespan_context(app):
        new = link.with_name("..new")
        new.symlink_to(str(link.readlink()).replace("1", "2"))
        new.replace(link)
        await becomes(parts, "Shop 2")
        # The new folder is watched as the old one was.
        (tmp_path / "release-2" / "brands.yaml").write_text(shop.BRANDS.replace("Welcome", "Good day"))

        async def greeted() -> bool:
            return parts.ruleset.sources["brands"].rules[0].name == "Good day"

        await shop.until(greeted)
        shutil.rmtree(tmp_path / "release-1")


async def test_switched_off_only_asking_makes_it_look(tmp_path: Path) -> None:
    app = shop.shop_app(tmp_path, GATEWAY_RELOAD="off")
    parts = shop.gateway_of(app)
    async with app.router.lifespan_context(app):
        assert (await parts.status())["rules"]["watched"] is False
        (tmp_path / "rules" / "shop.yaml").write_text(titled(1))
        await asyncio.sleep(0.7)
        assert parts.ruleset.sources["shop"].title == "A shop"
        parts.reloader.ask()
        await becomes(parts, "Shop 1")


# -- destinations -------------------------------------------------------------------------------------------------


@pytest.fixture
def token(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "uk-token"
    path.write_text("")
    yield path
    assert path.read_text() == "sandbox"


def with_uk_token(tmp_path: Path, intilery: str, token: Path) -> Starlette:
    """A shop whose destination uk has a token of its own, which is not there yet."""
    if not (tmp_path / "rules").exists():
        shop.write_rules(tmp_path / "rules")
        text = shop.DESTINATIONS.replace(
            "account_id: acmeuk\n    auth_token: $env.INTILERY_AUTH_TOKEN",
            "account_id: acmeuk\n    auth_token: $env.UK_TOKEN",
        )
        assert text != shop.DESTINATIONS
        (tmp_path / "rules" / "destinations.yaml").write_text(text)
    return shop.shop_app(tmp_path, intilery=intilery, UK_TOKEN_FILE=str(token))


async def welcome(client: httpx.AsyncClient, brand: str, user: str) -> str:
    answer = await client.post(f"/hooks/brands/{brand}", json={"user": user})
    assert answer.status_code == 200
    webhook_id: str = answer.json()["id"]
    return webhook_id


async def delivered(client: httpx.AsyncClient, webhook_id: str) -> None:
    async def all_are() -> bool:
        view = (await client.get(f"/api/webhooks/{webhook_id}", headers=shop.bearer())).json()
        return bool(view["commands"]) and all(command["state"] == "delivered" for command in view["commands"])

    await shop.until(all_are)


async def test_a_new_destination_gets_what_is_made_for_it(
    client: httpx.AsyncClient, parts: Gateway, rules: Path, intilery: tuple[str, Sandbox]
) -> None:
    text = shop.DESTINATIONS + shop.DESTINATIONS[shop.DESTINATIONS.index("  uk:") :].replace("uk", "us")
    (rules / "destinations.yaml").write_text(text)

    async def known() -> bool:
        return "us" in parts.ruleset.destinations

    await shop.until(known)
    id = await welcome(client, "us", "u1")
    await delivered(client, id)
    [call] = intilery[1].newest()
    assert call.account == "acme/acmeus/ACMEUS"


async def test_a_changed_rate_takes_effect(client: httpx.AsyncClient, parts: Gateway, rules: Path) -> None:
    text = shop.DESTINATIONS.replace("    client_id: acme\n    auth", "    client_id: acme\n    rate: 10\n    auth", 1)
    (rules / "destinations.yaml").write_text(text)

    async def slower() -> bool:
        return bool((await status(client))["destinations"][0]["rate"] == 9.95)  # 0.5 % below, see gateway/pacing.py

    await shop.until(slower)


async def test_what_waits_for_a_removed_destination_is_delivered_there(
    tmp_path: Path, intilery: tuple[str, Sandbox], token: Path
) -> None:
    app = with_uk_token(tmp_path, intilery[0], token)
    parts = shop.gateway_of(app)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        first = await welcome(client, "uk", "u1")
        text = shop.DESTINATIONS[: shop.DESTINATIONS.index("  uk:")]
        (tmp_path / "rules" / "destinations.yaml").write_text(text)

        async def removed() -> bool:
            return "uk" not in parts.ruleset.destinations

        await shop.until(removed)
        shown = {destination["name"]: destination for destination in (await status(client))["destinations"]}
        assert shown["uk"]["removed"] is True
        assert shown["uk"]["backlog"] == {"pending": 1}
        assert "removed" not in shown["default"]
        # What comes now finds no such destination: it is kept with its reason.
        refused = await client.post("/hooks/brands/uk", json={"user": "u2"})
        assert (await parts.store.webhook(refused.json()["id"])).state == "untranslatable"
        write(token, "sandbox")
        await delivered(client, first)
        assert [destination["name"] for destination in (await status(client))["destinations"]] == ["default"]
    assert {call.account for call in intilery[1].newest()} == {"acme/acmeuk/ACMEUK"}


async def test_a_restart_does_not_forget_a_removed_destination(
    tmp_path: Path, intilery: tuple[str, Sandbox], token: Path
) -> None:
    app = with_uk_token(tmp_path, intilery[0], token)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        id = await welcome(client, "uk", "u1")
    text = shop.DESTINATIONS[: shop.DESTINATIONS.index("  uk:")]
    (tmp_path / "rules" / "destinations.yaml").write_text(text)
    app = with_uk_token(tmp_path, intilery[0], token)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        write(token, "sandbox")
        await delivered(client, id)
        listed = (await client.get("/api/webhooks", headers=shop.bearer())).json()
        assert json.dumps(listed).count(id) == 1
