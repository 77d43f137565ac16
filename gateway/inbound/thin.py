"""A stored webhook that points to something: which of its answers are there, and what is still to be asked."""

from __future__ import annotations

from typing import Any

from gateway.inbound.exact_json import read_json
from gateway.model import Fetched, Fetching
from gateway.rules.fetches import FetchRequest
from gateway.rules.fetching import Answer
from gateway.rules.scope import UNSET
from gateway.rules.values import MISSING


def is_final(fetched: Fetched) -> bool:
    """Whether nobody has to ask again: an answer came, or it is not there."""
    return fetched.missing or fetched.answer is not None


def kept_answers(fetching: Fetching | None) -> Answer:
    """Answers out of what the store kept; each serves the request that it was given to, and no other."""
    kept = {} if fetching is None else {(one.name, one.digest): one for one in fetching.fetches if is_final(one)}

    def answer(request: FetchRequest) -> Any:
        found = kept.get((request.fetch.name, request.digest))
        if found is None:
            return UNSET
        return MISSING if found.answer is None else read_json(found.answer)

    return answer
