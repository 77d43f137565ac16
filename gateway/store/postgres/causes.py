"""Lists by cause: how many webhooks or commands are in one state for one reason, each with an example."""

from __future__ import annotations

from gateway.store import Cause, CommandFilter, WebhookFilter
from gateway.store.causes import words
from gateway.store.postgres.lists import rows_of
from gateway.store.postgres.statements import Connection, fetch
from gateway.store.rows import loaded, maybe_text, moment

# The server adds up what is the same to the letter; what differs only in values is put together here. Messages of
# mapping errors lie in JSON that its own functions refuse where a payload brought a NUL.
_ALIKE = """
SELECT {state}, source, {rule}, reason, {errors}, count(*), max(seq) FROM {table} WHERE {conditions}
GROUP BY 1, 2, 3, 4, 5
"""
_EXAMPLES = "SELECT seq, id, {at} FROM {table} WHERE seq = ANY(%s::bigint[])"
_OF_WEBHOOKS = {"state": "state", "rule": "''", "errors": "errors", "at": "received_at"}
_OF_QUARANTINE = {"state": "'quarantined'", "rule": "''", "errors": "NULL", "at": "received_at"}
_OF_COMMANDS = {"state": "state", "rule": "rule", "errors": "NULL", "at": "created_at"}


async def list_causes(db: Connection, filter: WebhookFilter | CommandFilter, *, limit: int) -> list[Cause]:
    table, where = rows_of(filter)
    columns = {"webhooks": _OF_WEBHOOKS, "quarantine": _OF_QUARANTINE}.get(table, _OF_COMMANDS)
    columns = columns | {"table": table, "conditions": str(where)}
    counts: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for state, source, rule, reason, errors, number, newest in await fetch(
        db, _written(_ALIKE, columns), where.parameters
    ):
        said = maybe_text(reason)
        if errors is not None:
            first = loaded(errors)[0]
            rule, said = first.get("rule", ""), first["message"]
        key = (state, source, rule, words(said or ""))
        before, seq = counts.get(key, (0, 0))
        counts[key] = (before + number, max(seq, newest))
    most = sorted(counts.items(), key=lambda counted: counted[1], reverse=True)[:limit]
    seqs = [seq for _, (_, seq) in most]
    examples = {seq: (id, at) for seq, id, at in await fetch(db, _written(_EXAMPLES, columns), (seqs,))}
    return [
        Cause(
            state=state,
            source=source,
            rule=rule,
            cause=cause,
            count=number,
            example=examples[seq][0],
            newest=moment(examples[seq][1]),
        )
        for (state, source, rule, cause), (number, seq) in most
        if seq in examples  # pruned meanwhile
    ]


def _written(query: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        query = query.replace(f"{{{name}}}", word)
    return query
