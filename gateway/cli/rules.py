"""``gateway check``, ``test`` and ``try``: rules before they are served."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import msgspec

from gateway.cli.group import FOUND, report_problems
from gateway.cli.output import json_option, pretty, print_json, print_table, printable, styled_state
from gateway.cli.quarantine import verdict_lines
from gateway.cli.reader import reader, reader_options
from gateway.cli.send import header_of
from gateway.cli.server_reader import ServerReader
from gateway.cli.show import problem_line, trace_lines
from gateway.errors import RulesError, SettingsError
from gateway.settings import Settings


@click.command(short_help="Print every problem of a rules folder.")
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--destinations", metavar="FILE", help="The destinations file [GATEWAY_DESTINATIONS].")
@click.option("--strict", is_flag=True, help="Unset secrets and other warnings are findings too.")
@click.option("--secrets", is_flag=True, help="List each secret: where it stands and whether it is set.")
@json_option
def check(folder: str | None, destinations: str | None, strict: bool, secrets: bool, as_json: bool) -> None:
    """Load every rules file and print all problems, as file:line:column: what is wrong.

    DIR is the rules folder [GATEWAY_RULES; default rules]. The exit status is 1 if there are problems.

    \b
    Example:
      gateway check rules --strict
    """
    from gateway.folders import load_rules

    settings = Settings.from_environ(os.environ, rules=folder, destinations=destinations)
    if settings.rules.is_file():
        raise click.UsageError(f"{settings.rules} is a file; DIR is the folder that the rules files stand in")
    try:
        ruleset = load_rules(settings)
    except RulesError as error:
        if as_json:
            print_json({"ok": False, "problems": [_problem_view(problem) for problem in error.problems]})
        else:
            report_problems(error)
        raise SystemExit(FOUND) from None
    found = strict and bool(ruleset.warnings or not ruleset.sources)
    known = _secrets(ruleset, settings) if secrets else []
    if as_json:
        view: dict[str, Any] = {
            "ok": not found,
            "version": ruleset.version.version,
            "sources": list(ruleset.sources),
            "destinations": list(ruleset.destinations),
            "problems": [],
            "warnings": [_problem_view(problem) for problem in ruleset.warnings],
        }
        print_json(view | ({"secrets": known} if secrets else {}))
        raise SystemExit(FOUND if found else 0)
    for warning in ruleset.warnings:
        click.echo(f"{click.style('warning', fg='yellow')} {warning}", err=True)
    if known:
        print_table(
            ("SECRET", "SET", "FOR", "AT"),
            ((row["name"], "yes" if row["set"] else "no", row["for"], row["at"]) for row in known),
        )
    count = len(ruleset.sources)
    rules = sum(len(source.rules) for source in ruleset.sources.values())
    if not count:
        but = " but destinations.yaml" if ruleset.version.files else ""
        click.echo(f"nothing is served: no *.yaml{but} stands directly in {settings.rules}")
        raise SystemExit(FOUND if found else 0)
    warned = len(ruleset.warnings)
    warnings = f", {warned} warning{'' if warned == 1 else 's'}" if warned else ""
    counted = " (which --strict counts)" if warned and strict else ""
    click.echo(
        f"{settings.rules}: {count} source{'' if count == 1 else 's'}, {rules} rule{'' if rules == 1 else 's'}, "
        f"no problems{warnings}{counted}; version {ruleset.version.version}"
    )
    raise SystemExit(FOUND if found else 0)


@click.command()
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--junit", metavar="FILE", help="Also write the results as JUnit XML.")
@json_option
def test(folder: str | None, junit: str | None, as_json: bool) -> None:
    """Run every example of every rules file; print what differs.

    DIR is the rules folder [GATEWAY_RULES; default rules]. The exit status is 1 if an example fails.

    \b
    Example:
      gateway test rules --junit results.xml
    """
    from gateway.folders import load_rules
    from gateway.rules.examples import run_examples

    settings = Settings.from_environ(os.environ, rules=folder)
    ruleset = load_rules(settings)
    results = list(run_examples(ruleset, settings.rules))
    untested = sorted(ruleset.sources.keys() - {result.source for result in results})
    failed = [result for result in results if not result.passed]
    if junit is not None:
        _write_junit(Path(junit), results, settings.rules)
    if as_json:
        print_json(
            {
                "passed": len(results) - len(failed),
                "failed": len(failed),
                "untested": untested,
                "examples": [
                    {
                        "source": result.source,
                        "name": result.name,
                        "file": result.file,
                        "line": result.line,
                        "passed": result.passed,
                        "difference": result.difference,
                        "warnings": result.warnings,
                    }
                    for result in results
                ],
            }
        )
    else:
        for result in results:
            sign = click.style("passed", fg="green") if result.passed else click.style("FAILED", fg="red")
            click.echo(f"{sign}  {result.source}: {result.name}")
            if not result.passed:
                click.echo(f"        {settings.rules / result.file}:{result.line}")
                for line in result.difference.splitlines():
                    click.echo(f"        {line}")
            for warning in result.warnings:
                click.echo(f"        {click.style('warning', fg='yellow')} {warning}")
        click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
        if untested:
            click.echo(f"without an example: {', '.join(untested)}")
        elif not ruleset.sources:
            click.echo(f"nothing is tested: no *.yaml of a source stands directly in {settings.rules}")
    raise SystemExit(FOUND if failed else 0)


@click.command("try")
@click.argument("source")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--header", "headers", metavar="NAME:VALUE", multiple=True, help="A header of the request; repeatable.")
@click.option("--query", metavar="TEXT", default="", help="The query, as a=1&b=2.")
@click.option(
    "--path", metavar="TEXT", default="", help="What stands behind /hooks/SOURCE/, where the source has a path."
)
@click.option("--fetched", metavar="NAME=FILE", multiple=True, help="The answer of a fetch, as JSON; repeatable.")
@click.option("--rules", metavar="DIR", help="The rules folder [GATEWAY_RULES].")
@reader_options
@json_option
def try_(
    source: str,
    file: str,
    headers: Sequence[str],
    query: str,
    path: str,
    fetched: Sequence[str],
    rules: str | None,
    server: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Show what this payload would become, with the trace. Stores nothing, fetches nothing and sends nothing.

    SOURCE is a source's name, FILE the payload (- for stdin). Rules run over it whether it is authentic or not; where a
    signature or a credential is given (--header, --query), it says whether the hook would take it, or why not. With
    --server the rules and secrets of that gateway are asked.

    \b
    Example:
      gateway try shopify order.json --header X-Shopify-Topic:orders/create --path uk
    """
    sent = dict(header_of(header) for header in headers)
    body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    answers = dict(_answer(given) for given in fetched)
    if server is not None:
        view = _asked_of(server, source, body, headers=sent, query=query, path=path, fetched=answers)
    else:
        from gateway.admin.trying import attempt_translation
        from gateway.credentials import Credentials
        from gateway.folders import load_rules
        from gateway.inbound.diagnosis import GENEROUS
        from gateway.inbound.exact_json import read_json

        settings = Settings.from_environ(os.environ, rules=rules, store=store)
        view = attempt_translation(
            load_rules(settings),
            source,
            body,
            headers=sent,
            query=query,
            path=path,
            now=datetime.now(UTC),
            credential=Credentials(settings.environ),
            budget=GENEROUS,
            fetched={name: read_json(answer) for name, answer in answers.items()},
        )
    if as_json:
        print_json(view)
        return
    for request in view.get("fetches", ()):
        proof = f" (with {request['with']})" if "with" in request else ""
        given = "" if request["given"] else f"; give its answer with --fetched {request['name']}=FILE"
        click.echo(f"would fetch {request['name']}: {request['method']} {printable(request['url'])}{proof}{given}")
    reason = f": {printable(view['reason'])}" if view.get("reason") else ""
    click.echo(f"{view['source']}: {styled_state(view['state'])}{reason}")
    for line in verdict_lines(view["verification"]) if "verification" in view else ():
        click.echo(line)
    for line in trace_lines(view["trace"]):
        click.echo(line)
    for what, colour in (("errors", "red"), ("warnings", "yellow")):
        for problem in view[what]:
            click.echo(f"  {click.style(what.removesuffix('s'), fg=colour)}  {problem_line(problem)}")
    if "missing" in view:
        places = ", ".join(f"{row['path']} (line {row['line']})" for row in view["missing"])
        click.echo(f"  not in this payload: {printable(places)}")
    for command in view["commands"]:
        click.echo(
            f"{click.style(command['command'], bold=True)} to {command['destination']} by rule {command['rule']}"
        )
        for name in ("not_before", "expires_at"):
            if name in command:
                click.echo(f"  {name.replace('_', ' ')} {command[name]}")
        for line in pretty(command["body"]).splitlines():
            click.echo(f"  {printable(line)}")


def _answer(given: str) -> tuple[str, bytes]:
    """Name and JSON of a fetch's answer."""
    from gateway.errors import Unparseable
    from gateway.inbound.exact_json import read_json

    name, _, file = given.partition("=")
    if not name or not Path(file).is_file():
        raise click.BadParameter(f"{given!r} names no file; allowed: NAME=FILE", param_hint="--fetched")
    answer = Path(file).read_bytes()
    try:
        read_json(answer)
    except Unparseable as error:
        raise click.BadParameter(f"{file}: {error}", param_hint="--fetched") from error
    return name, answer


def _asked_of(
    server: str,
    source: str,
    body: bytes,
    *,
    headers: dict[str, str],
    query: str,
    path: str,
    fetched: dict[str, bytes],
) -> dict[str, Any]:
    asked = reader(server=server, store=None)
    if not isinstance(asked, ServerReader):
        raise SettingsError(f"--server {server}: is no gateway")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError("over --server the payload must be UTF-8 text") from error
    request = {"source": source, "text": text, "headers": headers, "query": query, "path": path}
    answers = {name: msgspec.Raw(answer) for name, answer in fetched.items()}
    return asked.try_(request | ({"fetched": answers} if answers else {}))


def _problem_view(problem: Any) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "column": problem.column, "message": problem.message}


def _secrets(ruleset: Any, settings: Settings) -> list[dict[str, Any]]:
    """Each credential that the rules name: its line in the file, or that of ``verify`` where a preset implies it."""
    from gateway.credentials import Credentials
    from gateway.rules.destinations import FILE

    credential = Credentials(settings.environ)
    named = [
        (name, source.file, f"source {source.name}") for source in ruleset.sources.values() for name in source.secrets
    ]
    named += [
        (destination.auth_token, FILE, f"destination {destination.name}")
        for destination in ruleset.destinations.values()
    ]
    rows = []
    for name, file, purpose in named:
        text = ruleset.version.files.get(file, "")
        line = _line_of(text, rf"\$env\.{re.escape(name)}\b") or _line_of(text, r"^verify:")
        at = f"{file}:{line}" if line else "environment"
        rows.append({"name": name, "set": credential(name) is not None, "for": purpose, "at": at})
    return rows


def _line_of(text: str, pattern: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def _write_junit(path: Path, results: Sequence[Any], folder: Path) -> None:
    failures = sum(not result.passed for result in results)
    suite = ET.Element("testsuite", name="gateway test", tests=str(len(results)), failures=str(failures))
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=result.source,
            name=result.name,
            file=str(folder / result.file),
            line=str(result.line),
        )
        if not result.passed:
            ET.SubElement(case, "failure", message="the commands differ").text = result.difference
    path.write_bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))
