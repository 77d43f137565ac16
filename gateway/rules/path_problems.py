"""Where in a path jsonpath-ng's refusal belongs, and what its author more likely meant."""

from __future__ import annotations

import re

_BARE_NAME = re.compile(r"\.([A-Za-z_][\w-]*(?: +[A-Za-z_][\w-]*)+)")
_UNQUOTED = re.compile(r"(?:==?|!=|[<>]=?)\s*([A-Za-z_][\w-]*)")
_PLACES = (
    ("arithmetic", re.compile(r"(?<=[\w\])\s])\s*([-+*/])\s*(?=[$\d(@])")),
    ("=~", re.compile(r"(=~)")),
    ("text in a comparison", _UNQUOTED),
    ("write && between", re.compile(r"(?<!&)(&)(?!&)")),
    ("= in a comparison", re.compile(r"\[\?.*?[^=!<>](=)[^=~]")),
    ("a field of the element", re.compile(r"(?:\[\?|&&|\|\|)[(\s!]*()(?=[^@$(!\s])")),
    ("what is compared", re.compile(r"(?:\[\?|&&|\|\|)[(\s!]*()(?=[^@$(!\s])")),
    ("use the filter", re.compile(r"\.?(`)")),
    ("`", re.compile(r"\.?(`)")),
    ("use [?()]", re.compile(r"\s(where)\s")),
    ("the step of a slice", re.compile(r":(\s*0)\s*\]")),
    ("@ stands for", re.compile(r"(@)")),
)

_IN_SELECTION = (
    (re.compile(r"[^=!<>](=)(?=\s+=(?!=))"), "'= =' is written '=='"),
    (re.compile(r"[=!](==)"), "'===' and '!==' are those of JavaScript; write == or !="),
    (re.compile(r"\s(and)\s", re.IGNORECASE), "'and' between conditions is written &&"),
    (re.compile(r"\s(or)\s", re.IGNORECASE), "'or' between conditions is written ||"),
    (re.compile(r"[(\s](not)\s", re.IGNORECASE), "'not' before a condition is written !"),
    (re.compile(r"\s(in)\s", re.IGNORECASE), "'in' is not in the language; write @.a == 'x' || @.a == 'y'"),
    (re.compile(r"(\b[a-z]+\()"), "functions are not in the language; select with the filter where, or test in when"),
)
"""What other languages write inside ``[?()]``."""


def path_problem(text: str, message: str, at: int) -> tuple[str, int]:
    """A better message and position (in ``text``, from 0) for what was said about a path."""
    if message.startswith("not a path"):
        return _unreadable(text, message, at)
    for beginning, place in _PLACES:
        if message.startswith(beginning):
            found = place.search(text)
            if found and message.startswith("use"):
                part = re.match(r"`[^`]*`?|\w+", text[found.start(1) :])
                return f"'{part[0] if part else '`'}' is not in the language; {message}", found.start(1)
            if beginning == "text in a comparison" and found:
                return f"{found[1]} is text, and text in a comparison stands in quotes: '{found[1]}'", found.start(1)
            return message, found.start(1) if found else at
    return message, at


def _unreadable(text: str, message: str, at: int) -> tuple[str, int]:
    spaced = _BARE_NAME.search(text)
    if spaced and "[?" not in text[: spaced.start()]:
        before = text[: spaced.start()]
        return f"a name with a space needs quotes and brackets: {before}['{spaced[1]}']", spaced.start(1)
    if (empty := text.find("[]")) >= 0:
        return "[] is empty; all elements are [*], the first is [0]", empty
    if text.endswith("."):
        return "a path does not end with a dot; a name follows it", len(text) - 1
    if (dots := text.find("...")) >= 0:
        return "two dots at most: .. looks at every depth", dots
    if (selection := text.find("[?")) >= 0:
        for pattern, said in _IN_SELECTION:
            found = pattern.search(_unquoted(text), selection)
            if found:
                return said, found.start(1)
    return message, at


def _unquoted(text: str) -> str:
    """The text with blanks for what stands in quotes, so that no word of it is taken for an operator."""
    return re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", lambda quoted: "_" * len(quoted[0]), text)
