"""What rules say of time and number, through the front door: rules as YAML in, the sandbox out, a clock that is turned
by hand. The real app and a real store; nothing here waits for a real clock to come anywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.intilery.sandbox import Call, Faults, Sandbox, create_sandbox
from gateway.model import CommandState
from gateway.running import Gateway
from tests import shop
from tests.servers import running

DELIVERING, UNKNOWN = CommandState.DELIVERING, CommandState.UNKNOWN
MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SMS = "send_sms: {userId: $.user, assetId: REMINDER, number: $.number}"


class House:
    """A gateway with one source, the sandbox behind it, and the clock that both go by."""

    def __init__(self) -> None:
        self.now = MONDAY
        self._events = count(1)
        self.gateway: Gateway
        self.sandbox: Sandbox
        self.client: httpx.AsyncClient
        self.token: Path
        """The file with the destination's token."""

    async def hook(self, **body: Any) -> str:
        """A webhook arrives; return its id when all that is due now has come to rest."""
        given = {"event": next(self._events), "user": "u", "number": "#1"} | body
        answer = await self.client.post("/hooks/inn", json=given)
        assert answer.status_code == 200, answer.text
        await self.rest()
        return str(answer.json()["id"])

    async def at(self, moment: datetime) -> None:
        """Turn the clock to a moment, and wait until all that is due by then has come to rest."""
        assert moment >= self.now
        self.now = moment
        self.gateway.wake()
        await self.rest()

    async def after(self, **length: float) -> None:
        """Turn the clock on."""
        await self.at(self.now + timedelta(**length))

    async def rest(self) -> None:
        """Wait until nothing is on its way and nothing is due."""

        looks = 0

        async def quiet() -> bool:
            nonlocal looks
            status = self.gateway.dispatcher.status()["default"]
            due = await self.gateway.store.next_due("default")
            going = (await self.gateway.store.backlog()).get("default", {}).keys() & {DELIVERING, UNKNOWN}
            resting = not going and status["in_flight"] == 0 and (due is None or due > self.now or status["paused"])
            looks = looks + 1 if resting else 0
            return looks == 2  # what was between two states at the first look has come to the next one

        await shop.until(quiet)

    async def got(self, path: str, **asked: Any) -> Any:
        answer = await self.client.get(path, params=asked, headers=shop.bearer())
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def replay(self, id: str) -> Any:
        answer = await self.client.post("/api/replay", json={"id": id}, headers=shop.bearer())
        assert answer.status_code == 200, answer.text
        await self.rest()
        return answer.json()

    async def commands(self, id: str) -> list[Any]:
        """What a webhook became."""
        found: list[Any] = (await self.got(f"/api/webhooks/{id}"))["commands"]
        return found

    async def command(self, id: str) -> Any:
        (found,) = await self.commands(id)
        return found

    async def sends(self) -> bool:
        """Whether the destination is open."""
        self.gateway.wake()
        return self.gateway.dispatcher.status()["default"]["paused"] is None

    @property
    def sent(self) -> list[Call]:
        return self.sandbox.calls

    def numbers(self) -> list[str]:
        """Of the messages that the sandbox accepted."""
        return [call.body["number"] for call in self.sent if "number" in call.body]

    async def is_seen(self, id: str, state: str, reason: str) -> None:
        """That a command ended so, and why, stands in the list, in the trace and in the metrics."""
        items = (await self.got("/api/commands", state=state, webhook=id))["items"]
        assert [item["reason"] for item in items] == [reason]
        assert "finished_at" in items[0]
        trace = (await self.got(f"/api/webhooks/{id}"))["trace"]
        assert any(reason in line["why"] and state in line["why"] for line in trace), trace
        metrics = (await self.client.get("/metrics", headers=shop.bearer())).text
        series = f'gateway_commands_total{{command="send_sms",destination="default",state="{state}"}}'
        assert f"{series} 1.0" in metrics, [line for line in metrics.splitlines() if "commands_total" in line]


Opened = Callable[..., Any]


@pytest.fixture
def house(tmp_path: Path) -> Opened:
    """Opens a house whose rules are given: of each rule its lines."""

    @asynccontextmanager
    async def opened(*rules: str, source: str = "", start: datetime = MONDAY) -> AsyncIterator[House]:
        text = f"source: inn\nverify: none\ndedup_key: $.event\nzone: Europe/London\n{source}\nrules:\n"
        for number, rule in enumerate(rules):
            lines = [f"name: Rule {number}", *rule.strip().splitlines()]
            text += "  - " + "\n    ".join(lines) + "\n"
        shop.write_rules(tmp_path / "rules", rules={"inn.yaml": text, "destinations.yaml": shop.DESTINATIONS})
        here = House()
        here.now = start
        sandbox = create_sandbox(rate=None, identify_delay=0.5, clock=lambda: here.now.timestamp())
        here.sandbox = sandbox.state.sandbox
        async with running(sandbox) as intilery:
            here.token = tmp_path / "token"
            here.token.write_text("sandbox", encoding="utf-8")
            secret = {"INTILERY_AUTH_TOKEN": "", "INTILERY_AUTH_TOKEN_FILE": str(here.token)}
            app = shop.shop_app(tmp_path, intilery=intilery, now=lambda: here.now, **secret)
            here.gateway = shop.gateway_of(app)
            async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as here.client:
                yield here

    return opened


# -- delay, at, if_past ------------------------------------------------------------------------------------------------


async def test_a_delay_counts_from_the_receipt(house: Opened) -> None:
    async with house(f"delay: 30m\n{SMS}") as inn:
        id = await inn.hook()
        assert (await inn.command(id))["state"] == "waiting"
        await inn.after(minutes=29, seconds=59)
        assert inn.sent == []
        await inn.after(seconds=1)
        assert (await inn.command(id))["state"] == "delivered"
        assert [call.received_at for call in inn.sent] == [(MONDAY + timedelta(minutes=30)).timestamp()]


async def test_a_delayed_command_holds_nobody_up(house: Opened) -> None:
    async with house(f"when: {{$.later: true}}\ndelay: 1h\n{SMS}", f"when: {{$.later: false}}\n{SMS}") as inn:
        await inn.hook(later=True, number="#1")
        await inn.hook(later=False, number="#2")
        assert inn.numbers() == ["#2"]
        await inn.after(hours=1)
        assert inn.numbers() == ["#2", "#1"]


async def test_a_day_of_delay_keeps_the_clock_over_the_change_of_time(house: Opened) -> None:
    saturday = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)  # 9:00 in London; the next day that is 8:00 UTC
    async with house(f"delay: 1d\n{SMS}", start=saturday) as inn:
        await inn.hook()
        await inn.at(saturday + timedelta(hours=22, minutes=59))
        assert inn.sent == []
        await inn.at(saturday + timedelta(hours=23))
        assert inn.numbers() == ["#1"]


async def test_at_is_a_moment_of_the_payload(house: Opened) -> None:
    async with house(f'at: $.starts | date_add("-24h")\n{SMS}') as inn:
        await inn.hook(starts="2026-03-04T18:00:00Z")
        await inn.at(datetime(2026, 3, 3, 17, 59, 59, tzinfo=UTC))
        assert inn.sent == []
        await inn.at(datetime(2026, 3, 3, 18, 0, tzinfo=UTC))
        assert inn.numbers() == ["#1"]


async def test_what_is_due_at_a_moment_that_is_past_is_sent_at_once(house: Opened) -> None:
    async with house(f"at: $.at\n{SMS}") as inn:
        await inn.hook(at="2026-03-02T09:00:00Z")
        assert inn.numbers() == ["#1"]


async def test_or_skipped_where_the_rule_says_so(house: Opened) -> None:
    async with house(f"at: $.at\nif_past: skip\n{SMS}") as inn:
        id = await inn.hook(at="2026-03-02T09:00:00Z")
        assert inn.sent == []
        why = "its time, 2026-03-02T09:00:00.000Z, was past (if_past: skip)"
        await inn.is_seen(id, "suppressed", why)


# -- names -------------------------------------------------------------------------------------------------------------

BOOKING = (
    f'when: {{$.type: booked}}\nname_as: "reminder/{{{{ $.id }}}}"\nat: $.at\n{SMS}',
    'when: {$.type: cancelled}\ncancel: "reminder/{{ $.id }}"',
)


async def test_a_reminder_moves_with_its_booking(house: Opened) -> None:
    async with house(*BOOKING) as inn:
        first = await inn.hook(type="booked", id=7, at="2026-03-05T10:00:00Z")
        second = await inn.hook(type="booked", id=7, at="2026-03-04T10:00:00Z", number="#2")
        other = await inn.hook(type="booked", id=8, at="2026-03-04T10:00:00Z", number="#3")
        replaced, replacing = await inn.command(first), await inn.command(second)
        assert replaced["state"] == "cancelled"
        assert replaced["reason"] == f"replaced by the command {replacing['id']} of the same name"
        await inn.after(days=7)
        assert sorted(inn.numbers()) == ["#2", "#3"]
        assert [(await inn.command(id))["state"] for id in (second, other)] == ["delivered"] * 2


async def test_a_reminder_goes_with_its_booking_unless_it_has_left(house: Opened) -> None:
    async with house(*BOOKING) as inn:
        id = await inn.hook(type="booked", id=7, at="2026-03-05T10:00:00Z")
        await inn.hook(type="cancelled", id=7)
        cancelled = await inn.command(id)
        assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "cancelled by rule 'Rule 1'")
        left = await inn.hook(type="booked", id=8, at="2026-03-03T10:00:00Z")
        await inn.after(days=2)
        await inn.hook(type="cancelled", id=8)
        assert (await inn.command(left))["state"] == "delivered"
        await inn.after(days=5)
        assert inn.numbers() == ["#1"]


# -- expires -----------------------------------------------------------------------------------------------------------

LATE = "not sent: it was only to be sent before 2026-03-02T12:00:00+00:00"


async def test_what_is_late_by_its_own_delay_is_never_made(house: Opened) -> None:
    async with house(f"delay: 3h\nexpires: 2h\n{SMS}") as inn:
        id = await inn.hook()
        why = "it expires at 2026-03-02T12:00:00.000Z and could leave at 2026-03-02T13:00:00.000Z"
        await inn.is_seen(id, "expired", why)


async def test_expiry_is_looked_at_when_it_would_leave(house: Opened) -> None:
    async with house(f"expires: 2h\n{SMS}") as inn:
        inn.token.write_text("", encoding="utf-8")  # the destination is paused, its queue waits
        inn.gateway.wake()
        first = await inn.hook(user="u")
        second = await inn.hook(user="v", number="#2")
        assert (await inn.command(first))["state"] == "pending"
        await inn.after(hours=2)
        late = await inn.hook(user="w", number="#3")
        inn.token.write_text("sandbox", encoding="utf-8")
        await shop.until(inn.sends)
        await inn.rest()
        assert inn.numbers() == ["#3"]
        assert (await inn.command(late))["state"] == "delivered"
        states = [(await inn.command(id))["state"] for id in (first, second)]
        assert states == ["expired", "expired"]
        assert (await inn.command(second))["reason"] == LATE


async def test_a_retry_that_would_come_too_late_is_not_waited_for(house: Opened) -> None:
    async with house(f"expires: 2h\n{SMS}") as inn:
        inn.sandbox.faults = Faults(answer_status=503, retry_after="3000", next=1)
        first = await inn.hook()
        await inn.after(minutes=90)
        assert (await inn.command(first))["state"] == "delivered"
        inn.sandbox.faults = Faults(answer_status=503, retry_after="3000")  # the third would be due after 150 minutes
        second = await inn.hook(number="#2")
        for _ in range(60):
            await inn.after(minutes=5)
        ended = await inn.command(second)
        assert ended["state"] == "expired"
        assert ended["reason"].startswith("not known to be delivered before it expires at 2026-03-02T13:30:00+00:00; ")
        assert inn.numbers() == ["#1"]


@pytest.mark.parametrize("expires", ["2h", "$.until"])
async def test_a_replay_never_sends_stale_mail(house: Opened, expires: str) -> None:
    async with house(f"expires: {expires}\n{SMS}") as inn:
        inn.sandbox.faults = Faults(success_false=True, next=1)
        id = await inn.hook(until="2026-03-02T12:00:00Z")
        assert (await inn.command(id))["state"] == "failed"
        await inn.after(hours=1)
        await inn.replay(id)
        assert inn.numbers() == ["#1"]
        inn.sandbox.faults = Faults(success_false=True, next=1)
        stale = await inn.hook(until="2026-03-02T12:00:00Z", number="#2")
        await inn.after(hours=3)
        await inn.replay(stale)
        assert inn.numbers() == ["#1"]
        expired = await inn.command(stale)
        assert expired["state"] == "expired"
        refused = await inn.client.post("/api/commands/retry", json={"ids": [expired["id"]]}, headers=shop.bearer())
        assert refused.status_code == 409, refused.text


async def test_a_person_can_not_send_again_what_has_expired(house: Opened) -> None:
    async with house(f"expires: 2h\n{SMS}") as inn:
        inn.sandbox.faults = Faults(success_false=True, next=1)
        id = await inn.hook()
        failed = await inn.command(id)
        await inn.after(hours=2)
        answer = await inn.client.post("/api/commands/retry", json={"ids": [failed["id"]]}, headers=shop.bearer())
        assert answer.status_code == 409
        assert "was only to be sent before 2026-03-02T12:00:00+00:00" in answer.json()["detail"]
        assert inn.sent == []


# -- quiet hours -------------------------------------------------------------------------------------------------------

QUIET = f'quiet_hours: {{from: "21:00", to: "08:00"}}\n{SMS}'


@pytest.mark.parametrize(
    ("arrives", "leaves"),
    [
        (datetime(2026, 3, 2, 20, 59, 59, tzinfo=UTC), datetime(2026, 3, 2, 20, 59, 59, tzinfo=UTC)),
        (datetime(2026, 3, 2, 21, 0, tzinfo=UTC), datetime(2026, 3, 3, 8, 0, tzinfo=UTC)),
        (datetime(2026, 3, 3, 7, 59, 59, tzinfo=UTC), datetime(2026, 3, 3, 8, 0, tzinfo=UTC)),
        # The clocks of London go forward at 1:00 of the 29th: 8:00 is an hour earlier than the day before.
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), datetime(2026, 3, 29, 7, 0, tzinfo=UTC)),
        # And back at 2:00 of 25 October: the night has an hour more.
        (datetime(2026, 10, 24, 21, 0, tzinfo=UTC), datetime(2026, 10, 25, 8, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 8, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 8, 0, tzinfo=UTC)),
    ],
)
async def test_nobody_is_woken(house: Opened, arrives: datetime, leaves: datetime) -> None:
    async with house(QUIET, start=arrives) as inn:
        await inn.hook()
        if leaves > arrives:
            await inn.at(leaves - timedelta(seconds=1))
            assert inn.sent == []
            await inn.at(leaves)
        assert [call.received_at for call in inn.sent] == [leaves.timestamp()]


async def test_what_its_delay_or_a_retry_brings_into_the_night_waits_for_the_morning(house: Opened) -> None:
    evening, morning = datetime(2026, 3, 2, 20, 30, tzinfo=UTC), datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
    async with house(
        f"when: {{$.late: true}}\ndelay: 1h\n{QUIET}", f"when: {{$.late: false}}\n{QUIET}", start=evening
    ) as inn:
        await inn.hook(late=True, number="#1")
        inn.sandbox.faults = Faults(answer_status=503, retry_after="3000", next=1)
        id = await inn.hook(late=False, user="v", number="#2")
        await inn.after(hours=2)
        waiting = await inn.command(id)
        assert (waiting["state"], waiting["reason"]) == ("waiting", "quiet hours: it waits for the morning")
        await inn.at(morning - timedelta(seconds=1))
        assert inn.sent == []
        await inn.at(morning)
        assert sorted(inn.numbers()) == ["#1", "#2"]


async def test_the_night_is_that_of_its_zone(house: Opened) -> None:
    tokyo = f'quiet_hours: {{from: "22:00", to: "07:00", zone: Asia/Tokyo}}\n{SMS}'
    async with house(tokyo, start=datetime(2026, 3, 2, 13, 0, tzinfo=UTC)) as inn:
        await inn.hook()
        assert inn.sent == []
        await inn.at(datetime(2026, 3, 2, 22, 0, tzinfo=UTC))
        assert inn.numbers() == ["#1"]


async def test_what_would_be_late_in_the_morning_expires(house: Opened) -> None:
    async with house(f"expires: 6h\n{QUIET}", start=datetime(2026, 3, 2, 23, 0, tzinfo=UTC)) as inn:
        id = await inn.hook()
        why = "it expires at 2026-03-03T05:00:00.000Z and could leave at 2026-03-03T08:00:00.000Z"
        await inn.is_seen(id, "expired", why)


# -- limit and once ----------------------------------------------------------------------------------------------------


async def test_a_limit_per_person_counts_what_leaves(house: Opened) -> None:
    async with house(f"limit: {{per: $.user, at_most: 2, within: 1d}}\n{SMS}") as inn:
        for number in ("#1", "#2"):
            await inn.hook(number=number)
            await inn.after(hours=1)
        over = await inn.hook(number="#3")
        await inn.hook(user="v", number="#4")
        assert inn.numbers() == ["#1", "#2", "#4"]
        await inn.is_seen(over, "suppressed", "limit: 'u' had 2 of at most 2 within 1 day")
        await inn.at(MONDAY + timedelta(days=1))
        await inn.hook(number="#5")
        assert inn.numbers() == ["#1", "#2", "#4", "#5"]


async def test_once_holds_for_its_time_from_the_first_receipt(house: Opened) -> None:
    async with house(f"once: $.number\nwithin: 7d\n{SMS}") as inn:
        first = await inn.command(await inn.hook())
        again = await inn.hook()
        await inn.is_seen(again, "suppressed", f"once: the command {first['id']} was made for '#1' already")
        await inn.at(MONDAY + timedelta(days=7) - timedelta(seconds=1))
        await inn.hook()
        assert inn.numbers() == ["#1"]
        await inn.at(MONDAY + timedelta(days=7))
        await inn.hook()
        assert inn.numbers() == ["#1", "#1"]


async def test_a_key_is_given_back_by_what_reaches_nobody(house: Opened) -> None:
    async with house(f"once: $.number\n{SMS}") as inn:
        inn.sandbox.faults = Faults(success_false=True, next=1)
        await inn.hook()
        assert inn.sent == []
        await inn.hook()
        await inn.hook()
        assert inn.numbers() == ["#1"]


# -- identify ----------------------------------------------------------------------------------------------------------

IDENTIFY = "identify: {userId: $.user, traits: {email: $.email}}"


async def test_the_command_follows_its_identify_by_the_gap(house: Opened) -> None:
    async with house(f"{IDENTIFY}\n{SMS}") as inn:
        id = await inn.hook(email="a@example.com")
        assert [call.action for call in inn.sent] == ["identify"]
        await inn.after(milliseconds=499)
        assert len(inn.sent) == 1
        await inn.after(milliseconds=1)
        identify, sms = inn.sent
        assert sms.received_at - identify.received_at == pytest.approx(0.5)
        assert sms.reached
        assert [one["state"] for one in await inn.commands(id)] == ["delivered"] * 2


async def test_what_a_delay_or_the_night_holds_back_is_the_command_and_not_its_identify(house: Opened) -> None:
    async with house(f"delay: 1h\n{IDENTIFY}\n{SMS}") as inn:
        await inn.hook(email="a@example.com")
        await inn.after(minutes=59)
        assert [call.action for call in inn.sent] == ["identify"]
        await inn.after(minutes=1)
        assert inn.numbers() == ["#1"]


async def test_a_refused_identify_holds_its_command_with_the_reason(house: Opened) -> None:
    async with house(f"{IDENTIFY}\n{SMS}") as inn:
        inn.sandbox.faults = Faults(success_false=True, next=1)
        id = await inn.hook(email="a@example.com")
        identify, sms = await inn.commands(id)
        assert identify["state"] == "failed"
        assert (sms["state"], sms["reason"]) == ("held", "its identify was refused: the sandbox was told to refuse")
        assert inn.sent == []
        await inn.client.post("/api/commands/retry", json={"filter": {"webhook": id}}, headers=shop.bearer())
        await inn.rest()
        await inn.after(milliseconds=500)
        assert [call.event for call in inn.sent] == ["identify", "send_sms"]


async def test_identical_identifies_are_sent_once_and_their_commands_all(house: Opened) -> None:
    async with house(f"{IDENTIFY}\n{SMS}", source="defaults: {identify_once: 10m}") as inn:
        for number, email in (("#1", "a@example.com"), ("#2", "a@example.com"), ("#3", "b@example.com")):
            await inn.hook(number=number, email=email)
            await inn.after(seconds=1)
        again = await inn.hook(number="#4", email="b@example.com")
        needless, sms = await inn.commands(again)
        assert (needless["state"], sms["state"]) == ("suppressed", "delivered"), (needless, sms)
        assert "said the same and was accepted at 2026-03-02T10:00:02+00:00" in needless["reason"]
        await inn.after(minutes=10)
        await inn.hook(number="#5", email="b@example.com")
        await inn.after(seconds=1)
        identified = [call.body["traits"]["email"] for call in inn.sent if call.action == "identify"]
        assert identified == ["a@example.com", "b@example.com", "b@example.com"]
        assert inn.numbers() == ["#1", "#2", "#3", "#4", "#5"]
        assert all(call.reached for call in inn.sent if call.action == "track")


async def test_the_gap_counts_from_the_acceptance_of_the_identify_that_was_sent(house: Opened) -> None:
    async with house(f"{IDENTIFY}\n{SMS}", source="defaults: {identify_once: 10m}") as inn:
        await inn.hook(number="#1", email="a@example.com")
        await inn.after(milliseconds=200)
        await inn.hook(number="#2", email="a@example.com")
        await inn.after(milliseconds=299)
        assert inn.numbers() == []
        await inn.after(milliseconds=1)
        assert inn.numbers() == ["#1", "#2"]
        assert json.loads(inn.sent[0].raw)["traits"] == {"email": "a@example.com"}
