"""The language's texts as regular expressions, for the JSON Schema: an editor marks a misspelt filter as it is typed.

They are written in what JavaScript and Python read alike. A pattern judges the form only: which names are known where
is for ``gateway check``.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.rules.filters import FILTERS
from gateway.rules.roots import FACTS, ROOTS

_QUOTED: Final = r"'(?:[^'\\]|\\[\s\S])*'|\"(?:[^\"\\]|\\[\s\S])*\""
_BARE: Final = r"[^'\"()\[\]{}]"


def _brackets(levels: int) -> str:
    """What stands in brackets, up to so many deep; no person nests deeper."""
    inner = f"(?:{_BARE}|{_QUOTED})*" if levels == 1 else f"(?:{_BARE}|{_QUOTED}|{_brackets(levels - 1)})*"
    return rf"[(\[{{]{inner}[)\]}}]"


_NAMED: Final = tuple(root for root in ROOTS if root not in ("item", "outer", "batch", "webhook", "env"))
_ROOT: Final = (
    r"\$(?:"
    r"(?=[.\[]|\s*(?:\||\}\}|$))"  # the body
    r"|(?:item|outer|batch)(?=[.\[]|\s*(?:\||\}\}|$))"
    rf"|(?:{'|'.join(_NAMED)})(?=\.[^.\s|]|\[)"
    rf"|webhook\.(?:{'|'.join(FACTS)})(?=\s*(?:\||\}}\}}|$)))"
)
_PATH: Final = rf"{_ROOT}(?:[^'\"()\[\]{{}}|]|{_QUOTED}|{_brackets(4)})*"
_CALL: Final = rf"\s*(?:{'|'.join(sorted(FILTERS))})\s*(?:{_brackets(4)}\s*)?"
_EXPRESSION: Final = rf"{_PATH}(?:\|{_CALL})*"
_TEMPLATE: Final = rf"(?:[^{{]|\{{(?!\{{)|\{{\{{\s*{_EXPRESSION}\}}\}})*"

EXPRESSION: Final = rf"^\s*{_EXPRESSION}$"
"""A path, then filters by their names."""
DYNAMIC: Final = rf"^(?:\s*{_EXPRESSION}|(?=[\s\S]*\{{\{{){_TEMPLATE})$"
"""An expression, or a template that holds one."""
TEXT: Final = rf"^(?:(?!\$)(?![\s\S]*\{{\{{)[\s\S]*|\s*{_EXPRESSION}|(?=[\s\S]*\{{\{{){_TEMPLATE})$"
"""Plain text, an expression or a template."""
ENVIRONMENT: Final = r"^\$env\.[A-Za-z_][A-Za-z0-9_]*$"
SPAN: Final = r"^\+?(?:[0-9]{1,9}\s*(?:mo|[ywdhms])\s*)+$"
CLOCK: Final = r"^(?:[01]?[0-9]|2[0-3]):[0-5][0-9]$"
SOURCE_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
NAME: Final = r"^[A-Za-z_][A-Za-z0-9_-]*$"
ADDRESS: Final = (
    r"^/?(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z0-9_.~-]+)(?:/(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z0-9_.~-]+))*/?$"
)

_FILTERS: Final = "filters: " + ", ".join(sorted(FILTERS))


def of(pattern: str, says: str) -> dict[str, Any]:
    """A text of this form; ``says`` is what an editor shows where it is not."""
    return {"type": "string", "pattern": pattern, "patternErrorMessage": says}


TEXT_SAYS: Final = (
    "text, a template, or an expression: a path such as $.customer.email, then filters such as | lower. "
    f"Text that starts with $ is written {{$literal: …}}. {_FILTERS}"
)


def snippets() -> list[dict[str, Any]]:
    """What an editor offers where an expression may stand: one for each filter."""
    return [
        {
            "label": f"$. | {name}",
            "description": one.summary,
            "body": r"\$.${1:name} | " + name + ("($2)" if any(param.required for param in one.params) else ""),
        }
        for name, one in FILTERS.items()
    ]


def definitions() -> dict[str, Any]:
    """The texts that other parts of the schema refer to, by name."""
    path = "a path such as $.customer.email, then filters such as | lower"
    return {
        # Without a type: said of values that may be numbers, lists or objects too.
        "text": {"pattern": TEXT, "patternErrorMessage": TEXT_SAYS},
        "given": {
            "pattern": EXPRESSION,
            "patternErrorMessage": "an object is written out, or an expression such as $let.traits gives it",
        },
        "expression": of(EXPRESSION, f"an expression is {path}. {_FILTERS}"),
        "dynamic": {
            **of(DYNAMIC, f"an expression ({path}) or a template ('order/{{{{ $.id }}}}'). {_FILTERS}"),
            "examples": ["$.id", "order/{{ $.id }}"],
        },
        "span": of(SPAN, "a length of time: 90s, 30m, 2h, 1h30m, 7d, 2w, 3mo"),
        "environment": of(ENVIRONMENT, "a secret never stands in a file: $env.NAME"),
    }
