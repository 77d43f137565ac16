"""A folder of rules files becomes a ruleset, or all of its problems at once."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.errors import RulesError
from gateway.inbound.declared import KEY_FILES
from gateway.inbound.needs import unusable_secrets
from gateway.intilery.contract import Destination
from gateway.model import RulesVersion
from gateway.rules.compile import SourceCompiler
from gateway.rules.destinations import FILE, MISNAMED, UNCONFIGURED, default_destination, read_destinations
from gateway.rules.lint import lint, lint_together
from gateway.rules.model import Ruleset, Source
from gateway.rules.nodes import YAMLFile
from gateway.rules.problems import Problem

FILE_ENDS = (".yaml", ".csv", *KEY_FILES)
"""The ends of the names of the files that are read."""
MAX_FILE = 1_000_000
"""Bytes of one rules file."""


def load(folder: Path, *, environ: Mapping[str, str], destinations: Path | None = None) -> Ruleset:
    """Load the ``*.yaml`` that stand directly in a folder, and the destinations file.

    ``destinations`` is a file of another place or name than ``destinations.yaml`` in the folder. Secrets are only
    looked at for being set: ``environ`` is where they, and the ``INTILERY_*`` settings, come from.

    :raises RulesError: with every problem of every file.
    """
    problems: list[Problem] = []
    files = _texts(folder, destinations, problems)
    try:
        ruleset = _build(files, environ=environ, problems=problems, revision=_revision(folder))
    except RulesError as error:
        raise RulesError(tuple(_at(problem, folder, destinations) for problem in error.problems)) from None
    stray = [path.name for path in sorted(folder.glob("*.yml"))]
    warnings = tuple(
        Problem(file=name, line=1, column=1, message="is not served: only *.yaml is; rename it") for name in stray
    ) + tuple(
        Problem(file=path.name, line=1, column=1, message="is a folder, and only files are served")
        for path in sorted(folder.glob("*.yaml"))
        if path.is_dir()
    )
    found = (_at(problem, folder, destinations) for problem in (*ruleset.warnings, *warnings))
    return msgspec.structs.replace(ruleset, warnings=tuple(found))


def _at(problem: Problem, folder: Path, destinations: Path | None) -> Problem:
    """The problem with the way to its file, so that editors and CI can open it."""
    path = destinations if problem.file == FILE and destinations is not None else folder / problem.file
    there = problem.file and (path.exists() or path.is_symlink())
    return msgspec.structs.replace(problem, file=str(path)) if there else problem


def load_files(files: Mapping[str, str], *, environ: Mapping[str, str]) -> Ruleset:
    """Load texts by file name: a stored version, so that its traces can be computed long after.

    :raises RulesError: as :func:`load`.
    """
    return _build(files, environ=environ, problems=[], revision=None)


def version_of(folder: Path, *, destinations: Path | None = None) -> str | None:
    """The version that :func:`load` would give now, at the cost of reading; None where files can't be read."""
    problems: list[Problem] = []
    try:
        files = _texts(folder, destinations, problems)
    except RulesError:
        return None
    return None if problems else _version(files)


def paths_of(folder: Path, *, destinations: Path | None = None) -> dict[str, Path]:
    """The files that a set is made of, by the names that it knows them by.

    Hidden files are none of them: they are what editors and copiers leave beside the file that they write.

    :raises OSError: there is no such folder.
    """
    paths = {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.suffix in FILE_ENDS and not path.name.startswith(".") and (path.is_file() or _is_dangling(path))
    }
    if destinations is not None:
        paths[FILE] = destinations
    elif FILE not in paths:
        # Read, so that it is one problem that it has another name, and not one for each destination of a rule.
        paths.update((name, folder / name) for name in MISNAMED if (folder / name).is_file())
    return dict(sorted(paths.items()))


def _is_dangling(path: Path) -> bool:
    """Whether it is a link to what is not there: a file that can't be read, and no source that is gone."""
    return path.is_symlink() and not path.exists()


def _texts(folder: Path, destinations: Path | None, problems: list[Problem]) -> dict[str, str]:
    try:
        paths = paths_of(folder, destinations=destinations)
    except OSError as error:
        why = (
            "there is no such folder of rules files; gateway add or gateway new makes one"
            if not folder.is_dir()
            else f"can't be read: {error.strerror}"
        )
        raise RulesError((Problem(file=str(folder), line=1, column=1, message=why),)) from error
    files: dict[str, str] = {}
    for name, path in paths.items():
        text = _read(name, path, problems)
        if text is not None:
            files[name] = text
    return files


def _read(name: str, path: Path, problems: list[Problem]) -> str | None:
    try:
        data = path.read_bytes()
        if len(data) > MAX_FILE:
            problems.append(
                Problem(
                    file=name, line=1, column=1, message=f"has {len(data):,} bytes; a file has at most {MAX_FILE:,}"
                )
            )
            return None
        text = data.decode("utf-8-sig")
        if name.endswith(KEY_FILES) and "PRIVATE KEY-----" in text:
            # What stands here is kept with every version of the rules.
            problems.append(
                Problem(file=name, line=1, column=1, message="holds a private key; only public ones stand beside rules")
            )
            return None
    except UnicodeDecodeError as error:
        problems.append(_not_utf8(name, data, error.start))
    except OSError as error:
        to = f" (a link to {path.readlink()})" if path.is_symlink() else ""
        problems.append(Problem(file=name, line=1, column=1, message=f"can't be read: {error.strerror}{to}"))
    else:
        return text
    return None


def _not_utf8(name: str, data: bytes, at: int) -> Problem:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(file=name, line=1, column=1, message="the file is UTF-16 text; save it as UTF-8")
    before = data[:at].decode("utf-8-sig", "replace")
    line = data.splitlines()[before.count("\n")].decode("utf-8", "replace")
    return Problem(
        file=name,
        line=before.count("\n") + 1,
        column=len(before) - before.rfind("\n"),
        message=f"a byte here ({data[at]:02X}) is not UTF-8 text; save the file as UTF-8",
        source=line,
    )


def _build(
    files: Mapping[str, str], *, environ: Mapping[str, str], problems: list[Problem], revision: str | None
) -> Ruleset:
    destinations = _destinations(files, environ, problems)
    sources: dict[str, Source] = {}
    first: dict[str, str] = {}
    read: list[YAMLFile] = []
    for name, text in sorted(files.items()):
        if not name.endswith(".yaml") or name == FILE:
            continue
        yaml = YAMLFile(name, text)
        if _holds_destinations(yaml):
            if name not in MISNAMED or FILE in files:
                yaml.problem_at(1, 1, f"destinations stand in a file named {FILE}, and this is a source's")
                problems.extend(yaml.problems)
            continue
        read.append(yaml)
        source = SourceCompiler(yaml, destinations=destinations, files=files).source
        lint(yaml)
        problems.extend(yaml.problems)
        declared = yaml.root.get("source") if yaml.root is not None else None
        if declared is not None and declared.text in first:
            problems.append(
                Problem(
                    file=name,
                    line=declared.line,
                    column=declared.column,
                    message=f"the source '{declared.text}' stands in {first[declared.text]} already; "
                    "one source has one file",
                    source=yaml.line(declared.line),
                )
            )
        elif declared is not None:
            first[declared.text] = name
        if source is not None:
            sources[source.name] = source
    if problems:
        raise RulesError(tuple(sorted(problems, key=_place)))
    lint_together(read)
    odd = sorted((warning for yaml in read for warning in yaml.warnings), key=_place)
    return Ruleset(
        version=RulesVersion(
            version=_version(files), files=dict(files), loaded_at=datetime.now(UTC), revision=revision
        ),
        sources=sources,
        destinations=destinations,
        warnings=(*odd, *_unset(sources, destinations, environ, files)),
    )


def _holds_destinations(yaml: YAMLFile) -> bool:
    root = yaml.root
    return root is not None and root.get("destinations") is not None and root.get("source") is None


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


def _destinations(
    files: Mapping[str, str], environ: Mapping[str, str], problems: list[Problem]
) -> dict[str, Destination]:
    found: dict[str, Destination] = {}
    for name in (FILE, *MISNAMED):
        yaml = YAMLFile(name, files.get(name, ""))
        if name not in files or (name != FILE and (FILE in files or not _holds_destinations(yaml))):
            continue
        if name != FILE:
            yaml.problem_at(1, 1, f"the file of destinations is named {FILE}; rename this one")
        found = read_destinations(yaml, environ)
        problems.extend(yaml.problems)
    default = default_destination(environ)
    if default is not None:
        found.setdefault(default.name, default)
    return found or {UNCONFIGURED.name: UNCONFIGURED}


def _unset(
    sources: Mapping[str, Source],
    destinations: Mapping[str, Destination],
    environ: Mapping[str, str],
    files: Mapping[str, str],
) -> list[Problem]:
    """What is disabled, or can't work, loudly."""

    def lack(name: str) -> str | None:
        if environ.get(name):
            return None
        path = environ.get(f"{name}_FILE")
        if not path:
            return f"{name} is not set (nor {name}_FILE)"
        return None if _readable(path) else f"{name} is not set: the file that {name}_FILE names can't be read"

    unset = [
        _named(
            source.file,
            files,
            (f"$env.{name}", "challenge:" if name in source.challenge_secrets else "verify:"),
            f"source '{source.name}' "
            + ("can't answer its challenge" if name in source.challenge_secrets else "is disabled")
            + f": {why}",
        )
        for source in sources.values()
        for name in source.secrets
        if (why := lack(name)) is not None
    ]
    unset += [
        _named(
            source.file,
            files,
            (f"$env.{name}", "verify:"),
            f"source '{source.name}' verifies nothing with {name}: it {why}",
        )
        for source in sources.values()
        for name, why in unusable_secrets(source.verify, environ.get)
    ]
    for destination in destinations.values():
        if why := destination.disabled or lack(destination.auth_token):
            unset.append(
                _named(
                    FILE if FILE in files else "",
                    files,
                    (f"$env.{destination.auth_token}",),
                    f"destination '{destination.name}' is disabled: {why}; its commands wait",
                )
            )
    return unset


def _readable(path: str) -> bool:
    """Whether a secret may be in that file; what is in it nobody looks at here."""
    return os.access(path, os.R_OK) and Path(path).is_file()


def _named(file: str, files: Mapping[str, str], texts: tuple[str, ...], message: str) -> Problem:
    """A problem at the first place of a file that holds one of the texts, the first of them by preference."""
    lines = files.get(file, "").splitlines()
    for text in texts:
        for number, line in enumerate(lines, 1):
            found = re.search(rf"{re.escape(text)}(?!\w)", line)
            if found:
                return Problem(file=file, line=number, column=found.start() + 1, message=message, source=line)
    return Problem(file=file, line=1, column=1, message=message, source=lines[0] if lines else "")


def _version(files: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for name, text in sorted(files.items()):
        for part in (name.encode(), text.encode("utf-8", "surrogatepass")):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _revision(folder: Path) -> str | None:
    """The git revision of the folder, where there is one, with ``+dirty`` where its files are not those of it."""
    # fmt: off
    command = [
        "git", "--no-optional-locks", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--ignored",
        "--", *(f":(glob)*{end}" for end in FILE_ENDS),
    ]
    # fmt: on
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command, found on PATH; the folder is the operator's own setting
            command,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    found = re.match(r"# branch\.oid ([0-9a-f]{12})", lines[0]) if lines else None
    if found is None:
        return None
    return found[1] + ("+dirty" if any(not line.startswith("#") for line in lines) else "")
