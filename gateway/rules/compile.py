"""One rules file, from nodes to a :class:`~gateway.rules.model.Source`. Every problem is reported, none is raised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.inbound.authentication import SchemeProblem, scheme_from
from gateway.inbound.challenge_kinds import challenge_secrets
from gateway.inbound.needs import body_secrets, needs_url, pers_of, reads, secrets_of
from gateway.intilery.contract import Destination
from gateway.rules.body_terms import compile_body
from gateway.rules.challenge_terms import compile_challenges
from gateway.rules.compile_rule import RuleCompiler
from gateway.rules.conditions import compile_conditions
from gateway.rules.expressions import Expression
from gateway.rules.fetch_terms import compile_fetches, fetch_names
from gateway.rules.index import index_of
from gateway.rules.keys import DEFAULT_KEYS, SOURCE_KEYS, check_keys
from gateway.rules.model import Rule, Source
from gateway.rules.nodes import Node, YAMLFile
from gateway.rules.problems import did_you_mean
from gateway.rules.readings import Entries, Reader
from gateway.rules.redaction import of_secret
from gateway.rules.respond import compile_respond
from gateway.rules.scope import Codes, Names
from gateway.rules.source_terms import read_dedup_window, read_events, read_limits, read_redact, read_retention
from gateway.rules.tables import Table, table_from_csv, table_from_mapping
from gateway.rules.zones import zone_hint

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_WEB_ADDRESS = re.compile(r"https?://[^/\s?#]+(?:[/?][^\s#]*)?\Z")
_PART = re.compile(r"\{([A-Za-z_]\w*)\}\Z")


def _named_parts(parts: tuple[str, ...]) -> str:
    return f"the path has the parts {', '.join(parts)}" if parts else "the source's path names no part"


class SourceCompiler:
    """Compiles one file. ``source`` is None where a problem keeps it from being served."""

    def __init__(
        self,
        yaml: YAMLFile,
        *,
        destinations: Mapping[str, Destination],
        files: Mapping[str, str],
    ) -> None:
        """``files`` are the texts of the folder, by name: tables of CSV stand beside this file."""
        self.yaml = yaml
        self.report = yaml.problem
        self.read = Reader(yaml, destinations=destinations)
        self.destinations = destinations
        self.files = files
        self.codes = {
            name: Codes(name=name, asset=one.assets, journey=one.journeys) for name, one in destinations.items()
        }
        self.source: Source | None = None
        root = yaml.root
        if root is None:
            if not yaml.problems:
                yaml.problem_at(1, 1, "the file is empty; a rules file begins with source: NAME")
        elif root.kind != "map":
            self.report(root, f"a rules file is a mapping that begins with source: NAME; found {root.describe()}")
        else:
            self.source = self._source(root)

    # -- the source ------------------------------------------------------------------------------------------------

    def _source(self, root: Node) -> Source | None:
        keys = check_keys(root, SOURCE_KEYS, "a source", self.report)
        name = self._source_name(root, keys)
        zone = self._zone(keys)
        path, parts = self._path(keys)
        verify = self._verify(root, keys, parts)
        shown = () if verify is None else body_secrets(verify)
        redact = (*read_redact(keys, self.read), *(of_secret(place, batch="events" in keys) for place in shown))
        events = read_events(keys, self.read)
        names = self.read.names = Names(
            path_parts=parts,
            tables=self._tables(keys),
            fetches=fetch_names(keys),
            zone=zone,
            batch="events" in keys,
            redacted=redact,
        )
        self.read.lets(keys, names.lets)
        fetches = compile_fetches(keys, self.read)
        defaults: Entries = {}
        if "defaults" in keys:
            _, node = keys["defaults"]
            if node.kind != "map":
                self.report(node, f"defaults takes a mapping of rule keys; found {node.describe()}")
            else:
                defaults = check_keys(node, DEFAULT_KEYS, "defaults", self.report)
        destination = self._destination(keys)
        rules = RuleCompiler(
            self.read,
            defaults=defaults,
            destination=destination,
            codes=self.codes,
            destination_unread=destination is None and "destination" in keys,
        )
        names.reads.clear()
        dedup = self.read.expressions(keys, "dedup_key")
        dedup_by_index = events is not None and bool(dedup) and "$" not in names.all_reads()
        event_time = self.read.expressions(keys, "event_time", many=False)
        event_type = self.read.expressions(keys, "event_type", many=False)
        ignore = compile_conditions(keys["ignore"][1], names, self.report) if "ignore" in keys else None
        compiled = self._rules(keys, rules)
        title = self.read.text(keys, "title")
        body = compile_body(keys, self.read)
        if verify is not None and body is not None:
            kind = "form" if body.form_field is not None else body.kind
            for read in sorted(reads(verify) - {kind}):
                what = f"{shown[0]} of a JSON body" if shown and read == "json" else f"values of a body that is {read}"
                self.report(keys["verify"][1], f"verify reads {what}, and body says it is something else")
        challenges = compile_challenges(keys, self.read)
        max_body, max_rate = read_limits(keys, self.read)
        retention = read_retention(keys, self.read)
        dedup_window = read_dedup_window(keys, self.read)
        keeps_batch = "batch" in names.read_anywhere
        respond = (
            compile_respond(*keys["respond"], names, self.report, events="events" in keys)
            if "respond" in keys
            else None
        )
        public_url = self._public_url(keys, parts)
        if self.yaml.problems or name is None or verify is None:
            return None
        return Source(
            name=name,
            title=title or name,
            file=self.yaml.file,
            verify=verify,
            secrets=tuple(
                dict.fromkeys(
                    (
                        *secrets_of(verify),
                        *(name for fetch in fetches for name in fetch.secrets),
                        *challenge_secrets(challenges),
                    )
                )
            ),
            rules=compiled,
            index=index_of(compiled, names),
            path=path,
            body=body,
            challenges=challenges,
            max_body=max_body,
            public_url=public_url,
            zone=zone,
            dedup_key=dedup,
            dedup_window=dedup_window,
            event_type=event_type[0] if event_type else None,
            event_time=event_time[0] if event_time else None,
            events=events,
            dedup_by_index=dedup_by_index,
            keeps_batch=keeps_batch,
            redact=redact,
            respond=respond,
            max_rate=max_rate,
            retention=retention,
            ignore=ignore,
            lets=len(names.lets),
            fetches=fetches,
            codes=self.codes,
            tests={name: one for name, one in self.destinations.items() if one.tests},
            examples=keys["examples"][1] if "examples" in keys else None,
        )

    def _source_name(self, root: Node, keys: Entries) -> str | None:
        if "source" not in keys:
            if not root.partial:
                self.report(root, "the file names no source; it begins with source: NAME")
            return None
        _, node = keys["source"]
        if node.kind != "scalar" or not _NAME.match(node.text):
            self.report(
                node, f"a source's name is lower-case letters, digits, - and _, at most 64; found {node.describe()}"
            )
            return None
        return node.text

    def _zone(self, keys: Entries) -> ZoneInfo | None:
        text = self.read.text(keys, "zone")
        if text is None:
            return None
        try:
            return ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            what = f"'{text}' is not a time zone; allowed: names such as Europe/London or UTC"
            self.report(keys["zone"][1], what + zone_hint(text))
            # So that the times of this file are not problems of their own.
            return ZoneInfo("UTC")

    def _path(self, keys: Entries) -> tuple[str | None, tuple[str, ...]]:
        text = self.read.text(keys, "path")
        if text is None:
            return None, ()
        parts: list[str] = []
        for segment in text.strip("/").split("/"):
            found = _PART.match(segment)
            if found:
                if found[1] in parts:
                    self.report(keys["path"][1], f"the part {segment} stands twice", at=text.rfind(segment))
                parts.append(found[1])
            elif not segment or not re.fullmatch(r"[\w.~-]+", segment):
                self.report(
                    keys["path"][1],
                    f"'{segment}' is not a segment of a path; "
                    "allowed: plain text or {name}, as in '{brand}/orders'",
                    at=text.find(segment),
                )
                parts.extend(re.findall(r"\w+", segment))
        return text.strip("/"), tuple(parts)

    def _tables(self, keys: Entries) -> dict[str, Table]:
        tables: dict[str, Table] = {}
        if "tables" not in keys:
            return tables
        _, node = keys["tables"]
        if node.kind != "map":
            self.report(node, f"tables takes a mapping of names to tables; found {node.describe()}")
            return tables
        for key, value in node.entries:
            try:
                if value.kind == "map":
                    tables[key.text] = table_from_mapping(key.text, value.plain())
                elif value.kind == "scalar" and value.text.endswith(".csv"):
                    text = self.files.get(value.text)
                    if text is None:
                        near = did_you_mean(value.text, [name for name in self.files if name.endswith(".csv")])
                        self.report(value, f"there is no file '{value.text}' beside this one{near}")
                    else:
                        tables[key.text] = table_from_csv(key.text, text)
                else:
                    self.report(
                        value,
                        f"a table is a mapping of key to value, or the name of a .csv file; found {value.describe()}",
                    )
            except ValueError as error:
                self.report(value, str(error))
            # One that can't be read is there all the same: lookups in it are no problems of their own.
            tables.setdefault(key.text, Table(name=key.text, key_count=1, rows={}))
        return tables

    def _verify(self, root: Node, keys: Entries, parts: tuple[str, ...]) -> Any:
        if "verify" not in keys:
            if not root.partial:
                self.report(
                    root, "the source has no verify; name a preset (verify: shopify), a scheme, or say verify: none"
                )
            return None
        _, node = keys["verify"]
        try:
            scheme = scheme_from(
                "none" if node.value is None and node.kind == "scalar" and node.text else node.plain(), files=self.files
            )
        except SchemeProblem as problem:
            message = re.sub(r"; allowed: (?:[^;,]+, ){8,}[^;]+(?=; did you mean)", "", str(problem))
            if not problem.path and message.startswith("found"):
                message = f"verify: {message}"
            self.report(_descend(node, problem.path, message), message)
            return None
        if needs_url(scheme) and "public_url" not in keys:
            self.report(
                node, "this scheme signs the address; public_url: must hold it as it is registered at the sender"
            )
        for per in pers_of(scheme):
            if per not in parts:
                self.report(node, f"per names $path.{per}, and {_named_parts(parts)}")
        return scheme

    def _public_url(self, keys: Entries, parts: tuple[str, ...]) -> str | None:
        """The address as it is registered at the sender, with the named parts of the path in it."""
        text = self.read.text(keys, "public_url")
        if text is None:
            return None
        node = keys["public_url"][1]
        if not _WEB_ADDRESS.match(text):
            self.report(
                node, f"public_url takes an address such as https://hooks.example.com/hooks/shop; found '{text[:80]}'"
            )
            return None
        used = re.findall(r"\{([^{}]*)\}", text)
        for name in used:
            if name not in parts:
                self.report(node, f"public_url names {{{name}}}, and {_named_parts(parts)}", at=text.find("{" + name))
        for name in parts:
            if name not in used:
                self.report(node, f"public_url lacks {{{name}}}: each {name} is registered with an address of its own")
        return text

    def _destination(self, keys: Entries) -> str | Expression | None:
        """The source's own; None where it says nothing, and a rule must."""
        if "destination" in keys:
            return self.read.destination_at(keys["destination"][1])
        if "default" in self.destinations:
            return "default"
        if len(self.destinations) == 1:
            return next(iter(self.destinations))
        return None

    def _rules(self, keys: Entries, compiler: RuleCompiler) -> tuple[Rule, ...]:
        if "rules" not in keys:
            # A source with only verify records what arrives, so that a sender can be pointed at the gateway first.
            return ()
        _, node = keys["rules"]
        if node.kind != "list":
            self.report(node, f"rules takes a list; found {node.describe()}")
            return ()
        rules: list[Rule] = []
        first: dict[str, Node] = {}
        for item in node.items:
            if item.kind != "map":
                self.report(item, f"a rule is a mapping with a name and a command; found {item.describe()}")
                continue
            rule = compiler.rule(item)
            if rule is None:
                continue
            if rule.id in first:
                named = "name" if item.get("id") is None else "id"
                self.report(
                    item.get(named) or item,
                    f"two rules have the {named} '{rule.id}'; the first is in line {first[rule.id].line}; "
                    f"give this one {'a name' if named == 'name' else 'an id'} of its own",
                )
                continue
            first[rule.id] = item.get("id") or item.get("name") or item
            rules.append(rule)
        return tuple(rules)


def _descend(node: Node, path: tuple[str | int, ...], message: str) -> Node:
    """The node that a path of keys and positions names, or the nearest one above it; the key, where it is wrong."""
    for number, step in enumerate(path, 1):
        if number == len(path) and message.startswith("unknown") and f" '{step}'" in message.split(";")[0]:
            return next((key for key, _ in node.entries if key.text == step), node)
        if isinstance(step, int):
            inner = node.items[step] if node.kind == "list" and step < len(node.items) else None
        else:
            inner = node.get(step)
        if inner is None:
            # Where the problem is a key itself, the key is the better place to point at.
            return next((key for key, _ in node.entries if key.text == step), node)
        node = inner
    return node
