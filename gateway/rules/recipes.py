"""What stands under a command's key in a rules file, compiled to a :class:`~gateway.rules.calls.Call`.

Everything that could never be a valid call is reported here, when the file is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from gateway.intilery import contract
from gateway.rules.calls import JOURNEY_IDS, Call, Field
from gateway.rules.expressions import Expression, compile_expression
from gateway.rules.mapping import LONG, Report, compile_object, compile_text, compile_value
from gateway.rules.moments import moment
from gateway.rules.nodes import Node
from gateway.rules.problems import choices, nearest
from gateway.rules.roots import ExpressionProblem
from gateway.rules.scope import Evaluate, Names, Scope
from gateway.rules.shapes import refuse_list
from gateway.rules.values import MISSING, as_text, describe


def _user(value: Any) -> str:
    customer = contract.user_id(value)
    if customer is None:
        raise ValueError(f"{describe(value)} is not a customer's id; it is text or a number that names one customer")
    return customer


def _text(value: Any) -> str:
    text = as_text(value)
    if text is None:
        raise ValueError(f"takes text; found {describe(value)}")
    return text


def _event(value: Any) -> str:
    text = _text(value)
    if text.lower() in contract.CALLS:
        raise ValueError(f"'{text}' is a command; a plain event has a name of its own, such as 'Order Completed'")
    return text


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError(f"takes an object; found {describe(value)}")
    return value


def _timestamp(zone: ZoneInfo | None) -> Callable[[Any], str]:
    return lambda value: contract.timestamp(moment(value, zone=zone))


# -- compiling -----------------------------------------------------------------------------------------------------


def compile_call(command: str, node: Node, names: Names, report: Report, *, key: Node) -> Call | None:
    """Compile what stands under a command's key, or report why it could never be a valid call."""
    shape = contract.FIELDS[command]
    if node.kind != "map":
        report(
            node if node.kind == "scalar" and node.text else key,
            f"{command} takes a mapping, the JSON that is sent; found {node.describe()}",
        )
        return None
    compiler = _CallCompiler(command, names, report)
    entries: list[tuple[Node, Node]] = []
    for name, value in node.entries:
        if name.text in shape.own:
            compiler.own(name, value)
        elif name.text == "$merge" and not shape.free:
            compiler.partial = True
            where = {"identify": "traits:", "track": "properties:"}[command]
            report(name, f"{command} takes its own fields only; $merge stands under {where}")
        elif name.text == "$merge":
            _refuse_reserved(value, shape.own, report)
            entries.append((name, value))
        elif name.text.startswith("$"):
            compiler.partial = True
            report(
                name,
                f"'{name.text}' can't make a whole command; "
                "its fields are written one by one, and $merge adds data to them",
            )
        elif shape.free:
            entries.append((name, value))
        else:
            allowed = [field for field in (*shape.required, *shape.optional) if "." not in field]
            meant = nearest(name.text, allowed, cutoff=0.75)
            if meant and node.get(meant) is None:
                compiler.seen.add(meant)
                compiler.partial = True
            place = {"identify": "traits:", "track": "properties:"}.get(command)
            hint = choices(name.text, allowed) if meant or place is None else f"; your own data stands under {place}"
            report(name, f"{command} has no field '{name.text}'{hint}")
    compiler.partial = compiler.partial or node.partial
    return compiler.finish(tuple(entries), key=key)


def _refuse_reserved(node: Node, own: frozenset[str], report: Report) -> None:
    for part in node.items if node.kind == "list" else (node,):
        for name, _ in part.entries:
            if name.text in own:
                report(name, f"'{name.text}' can't come out of $merge; it stands under the command itself")


class _CallCompiler:
    def __init__(self, command: str, names: Names, report: Report) -> None:
        self.command = command
        self.names = names
        self.report = report
        self.shape = contract.FIELDS[command]
        self.user: Field | None = None
        self.fields: list[Field] = []
        self.seen: set[str] = set()
        self.objects: list[tuple[str, Evaluate]] = []
        self.unread: tuple[tuple[Node, Node], ...] = ()
        """What stands under ``properties`` of a journey beside the ids."""
        self.partial = False
        """Whether a key could not be read, so that what seems to be missing may only be misread."""

    def own(self, key: Node, node: Node) -> None:
        """Compile one of the contract's own keys."""
        name = key.text
        self.seen.add(name)
        if name == "messageId":
            self.report(key, "messageId is always the command's id, which the gateway sends by itself; delete the key")
        elif name in ("userId", "anonymousId"):
            if self.user is not None:
                self.report(key, f"{self.user.name} and {name} both name the customer; one of them is enough")
                return
            self.user = self._field(name, node, _user, required=True)
        elif name == "event" and self.command != "track":
            if node.text.lower() != self.command:
                self.report(
                    node,
                    f"the event of {self.command} is always {self.command}; found {node.describe()}; delete the key",
                )
        elif name == "event":
            if isinstance(node.value, str) and node.text.lower() in contract.CALLS:
                self.report(node, f"'{node.text}' is a command; write it as the rule's own key: {node.text.lower()}:")
            self.fields.append(self._field(name, node, _event, required=True))
        elif name == "timestamp":
            self.fields.append(self._field(name, node, _timestamp(self.names.zone), required=False))
        elif name == "assetId":
            self.fields.append(self._field(name, node, _text, required=True))
        elif name == "properties" and self.command == "start_journey":
            self._journey(node)
        else:
            self._object(name, node)

    def _journey(self, node: Node) -> None:
        if node.kind != "map":
            self.report(node, f"properties takes a mapping with journeyIdToTrigger; found {node.describe()}")
            return
        rest: list[tuple[Node, Node]] = []
        for key, value in node.entries:
            if key.text in JOURNEY_IDS:
                self.seen.add(f"properties.{key.text}")
                self.fields.append(
                    self._field(f"properties.{key.text}", value, _text, required=key.text == "journeyIdToTrigger")
                )
            else:
                rest.append((key, value))
        if rest:
            self.unread = tuple(rest)
            part = Node(kind="map", line=node.line, column=node.column, entries=tuple(rest))
            self.objects.append(("properties", compile_value(part, self.names, self.report)))

    def _object(self, name: str, node: Node) -> None:
        if node.kind == "list" or (node.kind == "scalar" and not node.text.startswith("$")):
            self.report(node, f"{name} takes a mapping; found {node.describe()}")
            return
        if name == "traits" and node.kind == "map":
            for key, value in node.entries:
                if key.text == "marketingPreferences":
                    self._preferences(value)
        evaluate = compile_value(node, self.names, self.report, keep_nothing=name != "traits")
        self.fields.append(
            Field(name=name, evaluate=evaluate, path=node.text or name, base=None, read=_object, required=False)
        )

    def _preferences(self, node: Node) -> None:
        if (
            node.kind == "map"
            and node.get("channels") is None
            and not any(key.text.startswith("$") for key, _ in node.entries)
        ):
            self.report(node, "marketingPreferences holds channels: a list of {channel, subscribed}")

    def _field(self, name: str, node: Node, read: Callable[[Any], Any], *, required: bool) -> Field:
        if node.kind != "scalar":
            self.report(node, f"{name} takes one value; found {node.describe()}")
        elif required and node.value in (None, ""):
            self.report(node, f"{name} is empty; {self.command} needs it")
        elif not isinstance(node.value, str) or not node.text.startswith("$"):
            self._constant(name, node, read)
        text, base = node.text, None
        if isinstance(node.value, str) and node.text.startswith("$") and "{{" not in node.text:
            self.names.place = (node.line, node.column)
            try:
                expression: Expression = compile_expression(node.text, self.names)
                if expression.is_list:
                    raise refuse_list(expression.text, f"{name} takes one value")
                return Field(
                    name=name,
                    evaluate=expression.evaluate,
                    path=expression.text,
                    base=expression.base,
                    read=read,
                    required=required,
                )
            except ExpressionProblem as problem:
                self.report(node, str(problem), at=problem.at)
        if node.kind == "scalar" and node.value is not None and not isinstance(node.value, bool) and "{{" not in text:
            # An asset's code of 007 is the text as written, not the number 7.
            return Field(
                name=name,
                evaluate=lambda _scope: text,
                path=text,
                base=base,
                read=read,
                required=required,
                constant=text if read is _text and 0 < len(text) < LONG else None,
            )
        evaluate = compile_text(node, self.names, self.report) if node.kind == "scalar" else (lambda _scope: MISSING)
        return Field(name=name, evaluate=evaluate, path=text, base=base, read=read, required=required)

    def _constant(self, name: str, node: Node, read: Callable[[Any], Any]) -> None:
        if node.value is None or "{{" in node.text or (name == "event" and node.text.lower() in contract.CALLS):
            return
        try:
            read(node.value if isinstance(node.value, bool) else node.text)
        except ValueError as error:
            self.report(node, f"{name}: {error}")

    def _misspelt(self, name: str, entries: tuple[tuple[Node, Node], ...]) -> bool:
        """Whether a required field stands there under another spelling, which is then noted."""
        last = name.rpartition(".")[2]
        near = [last, "journeyId"] if last in JOURNEY_IDS else [last]
        for key, _ in (*self.unread, *entries):
            if not nearest(key.text.replace("_", ""), near, cutoff=0.8):
                continue
            if "." in name and any(key is own for own, _ in entries):
                self.report(key, f"{self.command} needs {last} under properties:; found '{key.text}' beside it")
            else:
                self.report(key, f"{self.command} needs {last}; found '{key.text}'; did you mean '{last}'?")
            return True
        return False

    def finish(self, entries: tuple[tuple[Node, Node], ...], *, key: Node) -> Call | None:
        """The call, or None where a required field is not written."""
        missing = [name for name in self.shape.required if name not in self.seen and name != "userId"]
        if self.user is None and "userId" not in self.seen:
            missing.insert(0, "userId")
        missing = [name for name in missing if not self._misspelt(name, entries)]
        if missing and not self.partial:
            them = " and ".join(missing)
            self.report(key, f"{self.command} needs {them}; {_absent(missing)}")
        if missing or self.user is None:
            return None
        own = self.shape.own
        objects = tuple(self.objects)
        free: Evaluate
        if any(name.text == "$merge" for name, _ in entries):
            whole = Node(kind="map", line=key.line, column=key.column, entries=entries)
            free = _without(compile_value(whole, self.names, self.report), own)
        elif entries:
            free = compile_object(entries, self.names, self.report)
        else:
            free = _missing

        def rest(scope: Scope) -> Any:
            built = free(scope)
            if not objects:
                return built
            built = {} if built is MISSING else dict(built)
            for name, evaluate in objects:
                value = evaluate(scope)
                if value is not MISSING:
                    built[name] = value
            return built

        return Call(command=self.command, user=self.user, fields=tuple(self.fields), rest=rest if objects else free)


def _absent(missing: list[str]) -> str:
    where = "it stands nowhere under it" if len(missing) == 1 else "they stand nowhere under it"
    if missing[-1].startswith("properties."):
        return f"{where} (properties: {{{missing[-1].removeprefix('properties.')}: …}})"
    return where


def _missing(_scope: Scope) -> Any:
    return MISSING


def _without(evaluate: Evaluate, own: frozenset[str]) -> Evaluate:
    """Merged payload data never sets the contract's own fields."""

    def without(scope: Scope) -> Any:
        built = evaluate(scope)
        if type(built) is not dict or own.isdisjoint(built):
            return built
        scope.warn(
            "$merge", f"left out {', '.join(sorted(own & built.keys()))}: such keys come only from their own place"
        )
        return {key: value for key, value in built.items() if key not in own}

    return without
