"""What a rule says beside its command: once, limit, quiet hours, names. Compiled from its nodes."""

from __future__ import annotations

import re
from collections.abc import Collection
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gateway.rules import traps
from gateway.rules.calls import Call
from gateway.rules.expressions import is_expression
from gateway.rules.keys import LIMIT_KEYS, QUIET_KEYS, check_keys
from gateway.rules.mapping import compile_text
from gateway.rules.model import LimitTerm, NamedTerm, OnceTerm
from gateway.rules.nodes import Node
from gateway.rules.readings import Entries, Reader
from gateway.rules.shapes import refuse_list, value_gives_list
from gateway.rules.zones import zone_hint
from gateway.terms import QuietHours

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\Z")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was compiled; None where the rule does not say it."""

    once: OnceTerm | None = None
    limit: LimitTerm | None = None
    quiet: QuietHours | None = None
    name_as: NamedTerm | None = None
    cancel: NamedTerm | None = None
    identify_once: int | None = None
    """Seconds."""


class TermCompiler:
    """Compiles the terms of one rule. ``looped``: it says ``for_each``; ``inherited``: the keys that it has from
    ``defaults``."""

    def __init__(self, reader: Reader, *, looped: bool, inherited: Collection[str] = ()) -> None:
        self.read = reader
        self.report = reader.report
        self.looped = looped
        self.inherited = inherited

    def compile(self, keys: Entries, call: Call | None) -> Terms:
        """The terms, after reporting what is wrong with them."""
        if "name_as" in keys and call is None:
            self.report(keys["name_as"][0], "name_as names a command, and this rule makes none")
        return Terms(
            once=self._once(keys),
            limit=self._limit(keys),
            quiet=self._quiet(keys),
            name_as=self._named(keys, "name_as"),
            cancel=self._named(keys, "cancel"),
            identify_once=self._identify_once(keys),
        )

    def _identify_once(self, keys: Entries) -> int | None:
        if "identify_once" not in keys:
            return None
        key, node = keys["identify_once"]
        if "identify" not in keys:
            if "identify_once" not in self.inherited:
                self.report(key, "identify_once speaks of an identify, and this rule has none")
            return None
        return self._seconds(node, "identify_once")

    def _seconds(self, node: Node, key: str, *, of: str | None = None) -> int | None:
        """A length of time that needs no calendar."""
        read = self.read.span(node, key)
        if read is not None and read.months:
            self.report(node, f"{of or key} takes weeks, days, hours or minutes, not months")
            return None
        return None if read is None else read.days * 86_400 + read.seconds

    def _named(self, keys: Entries, key: str) -> NamedTerm | None:
        return self._term(keys[key][1], key) if key in keys else None

    def _term(self, node: Node, key: str) -> NamedTerm | None:
        """A key that is the same for every webhook is a mistake, so it must be an expression or a template."""
        if node.kind != "scalar" or not is_expression(node.text):
            takes = "an expression such as $.id, or a template such as 'order/{{ $.id }}'"
            self.report(node, f"{key} takes {takes}; found {node.describe()}")
            return None
        names = self.read.names
        names.reads.clear()
        term = NamedTerm(text=node.text, evaluate=compile_text(node, names, self.report))
        if value_gives_list(node, names):
            self.report(node, str(refuse_list(node.text, f"{key} takes text or a number")))
        reads_element = "item" in names.reads or any(f"let.{name}" in names.reads for name in names.rule_lets)
        if self.looped and not reads_element:
            self.report(node, f"inside for_each, {key} must use $item: else all elements have one key")
        return term

    def _once(self, keys: Entries) -> OnceTerm | None:
        if "once" not in keys:
            for key in ("within", "shared"):
                if key in keys:
                    self.report(keys[key][0], f"{key} belongs to once, and this rule has no once")
            return None
        term = self._term(keys["once"][1], "once")
        within = self.read.span(keys["within"][1], "within") if "within" in keys else None
        shared = self.read.text(keys, "shared")
        return None if term is None else OnceTerm(key=term, within=within, shared=shared)

    def _limit(self, keys: Entries) -> LimitTerm | None:
        if "limit" not in keys:
            return None
        key, node = keys["limit"]
        if node.kind != "map":
            self.report(node, f"limit takes {{per: $.customer.id, at_most: 3, within: 1d}}; found {node.describe()}")
            return None
        entries = check_keys(node, LIMIT_KEYS, "limit", self.report)
        missing = [name for name in LIMIT_KEYS if name not in entries and name != "shared"]
        if missing:
            self.report(key, f"limit needs per, at_most, within; {' and '.join(missing)} {_is(missing)} missing")
            return None
        per = self._term(entries["per"][1], "per")
        most = entries["at_most"][1]
        if not isinstance(most.value, int) or isinstance(most.value, bool) or not 1 <= most.value <= 1_000_000:
            hint = f"; without quotes: {most.text}" if most.quoted and most.text.isdecimal() else ""
            self.report(most, f"at_most takes a whole number from 1; found {most.describe()}{hint}")
            return None
        within = self._seconds(entries["within"][1], "within", of="the within of a limit")
        if per is None or within is None:
            return None
        shared = self.read.text(entries, "shared")
        return LimitTerm(
            per=per,
            at_most=most.value,
            within=within,
            shared=shared,
            of_file="limit" in self.inherited,
        )

    def _quiet(self, keys: Entries) -> QuietHours | None:
        if "quiet_hours" not in keys:
            return None
        key, node = keys["quiet_hours"]
        if node.kind != "map":
            self.report(
                node, f'quiet_hours takes {{from: "21:00", to: "08:00", zone: Europe/London}}; found {node.describe()}'
            )
            return None
        entries = check_keys(node, QUIET_KEYS, "quiet_hours", self.report)
        zone = self.read.names.zone
        missing = [name for name in QUIET_KEYS if name not in entries and (name != "zone" or zone is None)]
        if missing:
            self.report(key, f"quiet_hours needs from, to and a zone; {' and '.join(missing)} {_is(missing)} missing")
            return None
        start, end = self._clock(entries["from"][1]), self._clock(entries["to"][1])
        name = entries["zone"][1].text if "zone" in entries else str(zone)
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            what = f"'{name}' is not a time zone; allowed: names such as Europe/London or UTC"
            self.report(entries["zone"][1], what + zone_hint(name))
            return None
        if start is None or end is None:
            return None
        if start == end:
            self.report(node, "from and to are one time; quiet hours are part of a day")
            return None
        return QuietHours(start=start, end=end, zone=name)

    def _clock(self, node: Node) -> int | None:
        found = _CLOCK.match(node.text)
        if not found:
            what = traps.curly(node.text) if not node.quoted else None
            self.report(node, what or f'takes a time of day in quotes such as "21:00"; found {node.describe()}')
            return None
        return int(found[1]) * 60 + int(found[2])


def _is(names: Collection[str]) -> str:
    return "is" if len(names) == 1 else "are"
