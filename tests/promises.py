"""What holds when everything has come to rest, whatever happened: checked on what the store and the sandbox hold.

``acted`` says what a person did to a command; who settles, sends again or cancels takes part of the promise over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta

from gateway.intilery.sandbox import Call
from gateway.model import FINAL_STATES, Attempt, Command, CommandState, Outcome, Webhook
from gateway.store import Act, CommandFilter, Store, WebhookFilter

_NOT_AT_ITS_TIME = ("found by its", "the gateway stopped", "no result was recorded while its lease")
"""How the messages of attempts begin that are recorded when nothing is sent."""
Acted = Mapping[str, Sequence[Act]]


class Ending:
    """What the store and the sandbox hold at the end."""

    def __init__(
        self,
        webhooks: Sequence[Webhook],
        commands: Sequence[Command],
        attempts: Mapping[str, Sequence[Attempt]],
        calls: Sequence[Call],
    ) -> None:
        self.webhooks, self.attempts = webhooks, attempts
        self.commands = commands
        """In the order of translation."""
        self.arrivals = Counter(str(call.message_id) for call in calls)
        self.first: dict[str, Call] = {}
        """By command: its first arrival, the first one first."""
        for call in calls:
            self.first.setdefault(str(call.message_id), call)

    def outcomes(self, one: Command, outcome: Outcome) -> list[Attempt]:
        return [attempt for attempt in self.attempts[one.id] if attempt.outcome is outcome]

    def of_customers(self) -> Iterator[list[Command]]:
        """The commands of each customer."""
        by_customer: defaultdict[str, list[Command]] = defaultdict(list)
        for one in self.commands:
            by_customer[one.user_id].append(one)
        yield from by_customer.values()


async def ending_of(store: Store, calls: Sequence[Call]) -> Ending:
    webhooks = (await store.webhooks(WebhookFilter(), limit=1_000_000)).items
    commands = (await store.commands(CommandFilter(), limit=1_000_000)).items[::-1]
    attempts = {one.id: await store.attempts(one.id) for one in commands}
    return Ending(webhooks, commands, attempts, calls)


def the_promises_hold(end: Ending, answered: Collection[str], *, acted: Acted) -> None:
    """Every webhook that was answered is there, every command ended once, in order, in time, and not too often.

    ``answered`` are the ids that senders were given, one for each thing that happened; they insisted until then.
    """
    every_webhook_is_accounted_for(end, answered)
    for one in end.commands:
        it_ended_once(end, one, acted.get(one.id, ()))
        it_kept_its_time(end, one)
    for mine in end.of_customers():
        they_left_in_order(end, mine, acted)
    nobody_got_it_twice(end)


def every_webhook_is_accounted_for(end: Ending, answered: Collection[str]) -> None:
    assert set(answered) == {one.id for one in end.webhooks}, "lost after its 200, or one too many"
    assert len(set(answered)) == len(answered), "two things that happened were given one id"
    assert set(end.arrivals) <= {one.id for one in end.commands}, "made up"


def it_ended_once(end: Ending, one: Command, acts: Sequence[Act]) -> None:
    """In a final state, as its attempts say, sent no more often than unknown outcomes explain."""
    assert one.state in FINAL_STATES, one
    accepted, unknown = end.outcomes(one, Outcome.ACCEPTED), end.outcomes(one, Outcome.UNKNOWN)
    answered = [attempt for attempt in accepted if attempt.status is not None]
    told = Act.DELIVERED in acts
    assert len(answered) <= end.arrivals[one.id] <= len(answered) + len(unknown), (one, end.attempts[one.id])
    if one.state is CommandState.DELIVERED:
        assert len(accepted) == 1 or (told and not accepted)
        assert end.arrivals[one.id] >= 1 or told
        assert one.reason is None or told
    else:
        assert accepted == []
        assert one.reason, f"nobody knows why it is {one.state}"
    numbers = [attempt.number for attempt in end.attempts[one.id] if attempt not in accepted or attempt in answered]
    assert numbers == list(range(1, one.attempts + 1))


def it_kept_its_time(end: Ending, one: Command) -> None:
    """It was sent not before its time and not after it. What a killed gateway sent is recorded by the next one."""
    for attempt in end.attempts[one.id]:
        if attempt.message is None or not attempt.message.startswith(_NOT_AT_ITS_TIME):
            assert one.not_before is None or attempt.at >= one.not_before
            assert one.expires_at is None or attempt.at < one.expires_at


def they_left_in_order(end: Ending, mine: Sequence[Command], acted: Acted) -> None:
    """Those that joined the line as they were made arrived in that order; what waits for an identify came after it."""
    joined = {one.id for one in mine if one.not_before is None and one.after is None and one.id not in acted}
    arrived = [id for id in end.first if id in joined]
    assert arrived == [one.id for one in mine if one.id in joined and one.id in end.first]
    for one in mine:
        if one.after is not None and one.id in end.first and not {one.id, one.after} & acted.keys():
            assert end.first[one.id].reached, end.first[one.id].why


def nobody_got_it_twice(end: Ending) -> None:
    """Of one once key, one command arrived."""
    by_key = Counter(one.once for one in end.commands if one.once is not None and end.arrivals[one.id])
    assert all(number == 1 for number in by_key.values()), by_key


def nobody_got_too_many(end: Ending) -> None:
    """In the length of time of a limit, no more of its commands left and were delivered than it allows."""
    left = defaultdict(list)
    for one in end.commands:
        if one.limit is not None and one.state is CommandState.DELIVERED:
            sent = [attempt.at for attempt in end.attempts[one.id] if attempt.message is None]
            if sent:
                left[one.limit].append(max(sent))
    for limit, moments in left.items():
        moments.sort()
        for first, last in zip(moments, moments[limit.at_most :], strict=False):
            assert last - first >= timedelta(seconds=limit.within)
