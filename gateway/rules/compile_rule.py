"""One rule of a rules file, from its node to a :class:`~gateway.rules.model.Rule`."""

from __future__ import annotations

from gateway.rules.calls import Call
from gateway.rules.conditions import All, compile_conditions
from gateway.rules.expressions import Expression, is_expression
from gateway.rules.keys import RULE_KEYS, SENDING_KEYS, check_keys
from gateway.rules.mapping import compile_elements, compile_value
from gateway.rules.model import AT_ONCE, Rule, Timing
from gateway.rules.nodes import Node
from gateway.rules.problems import choices, did_you_mean
from gateway.rules.readings import Entries, Reader
from gateway.rules.recipes import compile_call
from gateway.rules.rule_terms import TermCompiler
from gateway.rules.scope import Codes, Evaluate, Names


class RuleCompiler:
    """Compiles the rules of one file."""

    def __init__(
        self,
        reader: Reader,
        *,
        defaults: Entries,
        destination: str | Expression | None,
        codes: dict[str, Codes],
        destination_unread: bool = False,
    ) -> None:
        """``destination`` is the source's; ``destination_unread`` says that it stands there and is wrong."""
        self.read = reader
        self.report = reader.report
        self.defaults = defaults
        self.destination = destination
        self.destination_unread = destination_unread
        self.codes = codes

    def rule(self, node: Node) -> Rule | None:
        """The rule, or None after reporting why it can't be one."""
        own = check_keys(node, RULE_KEYS, "a rule", self.report)
        keys = {**self.defaults, **own}
        for one, other in (("delay", "at"), ("at", "delay")):
            # A rule's own delay replaces a default at, not joins it.
            if one in own and other not in own:
                keys.pop(other, None)
        name = self.read.text(keys, "name")
        if name is None:
            if not node.partial and "name" not in keys:
                self.report(node, "the rule has no name; name: says what it is for")
            name = f"line {node.line}"
        problems = len(self.read.yaml.problems)
        self.read.names.rule_lets = {}
        looped = "for_each" in keys
        if not looped:
            self.read.lets(keys, self.read.names.rule_lets)
        when = compile_conditions(keys["when"][1], self.read.names, self.report) if "when" in keys else All(())
        for_each, text = self._for_each(keys)
        outer = self.read.names
        self.read.names = inner = outer.in_loop() if looped else outer
        try:
            if looped:
                self.read.lets(keys, inner.rule_lets)
            before = len(inner.codes)
            inner.in_call = True
            call, identify = self._calls(node, keys, inner)
            inner.in_call = False
            destination = self._rule_destination(node, keys, call or identify)
            self._check_codes(destination, inner.codes[before:])
            self._check_names(destination, keys)
            timing = self._timing(keys)
            terms = TermCompiler(self.read, looped=looped, inherited=keys.keys() - own.keys()).compile(keys, call)
            key = compile_value(keys["key"][1], inner, self.report) if "key" in keys else None
        finally:
            self.read.names = outer
        rule = Rule(
            id=self.read.text(keys, "id") or name,
            name=name,
            line=node.line,
            when=when,
            for_each=for_each,
            for_each_text=text,
            key=key,
            lets=len(inner.rule_lets),
            call=call,
            identify=identify,
            identify_once=terms.identify_once,
            destination=destination or "",
            timing=timing,
            once=terms.once,
            limit=terms.limit,
            quiet=terms.quiet,
            name_as=terms.name_as,
            cancel=terms.cancel,
            priority=self.read.integer(keys, "priority"),
            on_unknown=self.read.on_unknown(keys),
            stop=self.read.boolean(keys, "stop", False),
            enabled=self.read.boolean(keys, "enabled", True),
            mode=self.read.mode(keys),
        )
        return None if len(self.read.yaml.problems) > problems or destination is None else rule

    def _for_each(self, keys: Entries) -> tuple[Evaluate | None, str]:
        if "for_each" not in keys:
            if "key" in keys:
                self.report(keys["key"][0], "key identifies an element of for_each, and this rule has no for_each")
            return None, ""
        _, node = keys["for_each"]
        evaluate = compile_elements(node, self.read.names, self.report)
        if node.kind == "scalar" and not is_expression(node.text):
            self.report(node, f"for_each takes an expression such as $.items[*]; found {node.describe()}")
        return evaluate, node.text

    def _calls(self, node: Node, keys: Entries, names: Names) -> tuple[Call | None, Call | None]:
        sending = [name for name in (*SENDING_KEYS, "cancel") if name in keys]
        if len(sending) > 1:
            key = keys[sending[1]][0]
            self.report(key, f"a rule makes one command; this one has {' and '.join(sending)}; write a second rule")
        unread = node.partial or any(key.text not in RULE_KEYS for key, _ in node.entries)
        if not sending and "identify" not in keys and not unread:
            self.report(node, f"the rule makes nothing; it needs one of {', '.join(SENDING_KEYS)}, cancel, or identify")
        call = identify = None
        if sending and sending[0] != "cancel":
            key, value = keys[sending[0]]
            call = compile_call(sending[0], value, names, self.report, key=key)
        if "identify" in keys:
            key, value = keys["identify"]
            identify = compile_call("identify", value, names, self.report, key=key)
            if call is not None and identify is not None and identify.user.name != call.user.name:
                self.report(
                    key,
                    f"identify names the customer by {identify.user.name}, {call.command} by {call.user.name}; "
                    "both must name one customer the same way",
                )
        return call, identify

    def _rule_destination(self, node: Node, keys: Entries, call: Call | None) -> str | Expression | None:
        if "destination" in keys:
            return self.read.destination_at(keys["destination"][1])
        if self.destination is None and call is not None and not self.destination_unread:
            known = ", ".join(self.read.destinations) or "none: set INTILERY_CLIENT_ID, or write destinations.yaml"
            self.report(node, f"nothing says where the rule's command goes; destination: takes one of {known}")
        return self.destination

    def _check_codes(self, destination: str | Expression | None, codes: list[tuple[str, str, int, int]]) -> None:
        """Every destination that the rule can reach must list every asset and journey that it names."""
        if destination is None:
            return
        reachable = [destination] if isinstance(destination, str) else list(self.codes)
        for kind, name, line, column in codes:
            lacking = [one for one in reachable if name not in getattr(self.codes[one], kind)]
            if not lacking:
                continue
            listed = sorted({code for one in reachable for code in getattr(self.codes[one], kind)})
            them = " and ".join(f"'{one}'" for one in lacking)
            what = f"the destination {them} lists" if len(lacking) == 1 else f"the destinations {them} list"
            if len(reachable) == 1:
                hint = choices(name, listed, what="listed")
            else:
                hint = did_you_mean(name, listed) if name not in listed else ", and destination: may choose it"
            at = self.read.yaml.line(line).find(f"${kind}.{name}", column - 1)
            self.read.yaml.problem_at(line, at + 1 if at >= 0 else column, f"{what} no {kind} '{name}'{hint}")

    def _check_names(self, destination: str | Expression | None, keys: Entries) -> None:
        """An asset's code that is a name in every destination that the rule can reach was most likely meant as one."""
        if destination is None:
            return
        reachable = [destination] if isinstance(destination, str) else list(self.codes)
        for command in SENDING_KEYS:
            node = keys[command][1].get("assetId") if command in keys else None
            if node is None or node.kind != "scalar" or is_expression(node.text):
                continue
            listed = [self.codes[one].asset for one in reachable]
            if listed and all(node.text in one and node.text not in one.values() for one in listed):
                self.read.yaml.warning(
                    node,
                    f"'{node.text}' is sent as it stands, and the destination lists an asset of that name; "
                    f"did you mean $asset.{node.text}?",
                )

    def _timing(self, keys: Entries) -> Timing:
        if "delay" in keys and "at" in keys:
            self.report(keys["at"][0], "a rule has delay or at, not both")
        delay = self.read.span(keys["delay"][1], "delay") if "delay" in keys else None
        at = self.read.time_expression(keys["at"][1], "at") if "at" in keys else None
        expires_after = expires_at = None
        if "expires" in keys:
            _, node = keys["expires"]
            if node.kind == "scalar" and is_expression(node.text):
                expires_at = self.read.time_expression(node, "expires")
            else:
                expires_after = self.read.span(node, "expires")
        if "if_past" in keys and "at" not in keys:
            self.report(keys["if_past"][0], "if_past says what to do with a past at, and this rule has no at")
        if delay is None and at is None and expires_after is None and expires_at is None:
            return AT_ONCE
        return Timing(
            delay=delay,
            at=at,
            skip_if_past=self.read.choice(keys, "if_past", ("send", "skip")) == "skip",
            expires_after=expires_after,
            expires_at=expires_at,
        )
