"""How much the tests that try at random try, and how often those that kill a process do so.

``TEST_EFFORT=quick``, which ``make test`` sets, is a third of it; anything else, and so .ci/run, ``make coverage`` and
``make prove``, is all of it. What is asserted is the same.
"""

from __future__ import annotations

import os

from hypothesis import settings

QUICK = os.environ.get("TEST_EFFORT") == "quick"


def tries(full: int, *, quick: int | None = None) -> int:
    """This many, or the ``quick`` number: a third of it unless the test says otherwise."""
    if not QUICK:
        return full
    return -(-full // 3) if quick is None else quick


def choose_profile() -> None:
    """Hypothesis' own numbers follow too. No example has a deadline: a busy machine is no mistake of ours."""
    settings.register_profile("gateway", settings(), max_examples=tries(settings().max_examples), deadline=None)
    settings.load_profile("gateway")
