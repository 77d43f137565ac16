"""The rules language: a webhook becomes commands.

The door: :func:`load` a folder into a :class:`Ruleset`, then :func:`translate` with one of its sources. Translating is
pure: no I/O, the same answer for the same webhook, and no exception.
"""

from __future__ import annotations

from gateway.rules.load import FILE_ENDS, load, load_files, paths_of, version_of
from gateway.rules.model import Arrival, Ruleset, Source, TraceLine, Translation
from gateway.rules.problems import Problem
from gateway.rules.renamed import renames
from gateway.rules.translate import translate

__all__ = [
    "FILE_ENDS",
    "Arrival",
    "Problem",
    "Ruleset",
    "Source",
    "TraceLine",
    "Translation",
    "load",
    "load_files",
    "paths_of",
    "renames",
    "translate",
    "version_of",
]
