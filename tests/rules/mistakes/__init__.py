"""Mistakes in rules files, each with everything that is said about it."""

from __future__ import annotations

from tests.rules.mistakes.arguments import ARGUMENTS
from tests.rules.mistakes.doubts import DOUBTS
from tests.rules.mistakes.keys import KEYS
from tests.rules.mistakes.lists import LISTS
from tests.rules.mistakes.names import NAMES
from tests.rules.mistakes.newcomers import NEWCOMERS
from tests.rules.mistakes.paths import PATHS
from tests.rules.mistakes.proofs import PROOFS
from tests.rules.mistakes.requests import REQUESTS
from tests.rules.mistakes.rule_bodies import RULE_BODIES
from tests.rules.mistakes.senders import SENDERS
from tests.rules.mistakes.verification import VERIFICATION
from tests.rules.mistakes.yaml_text import YAML_TEXT

MISTAKES = (
    *KEYS, *NAMES, *ARGUMENTS, *PATHS, *VERIFICATION, *PROOFS, *RULE_BODIES, *YAML_TEXT, *DOUBTS, *REQUESTS, *SENDERS,
    *NEWCOMERS, *LISTS,
)  # fmt: skip
