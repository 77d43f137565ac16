"""The ready sources that come with the gateway: rules files with their samples, served only when they were added."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

from gateway.errors import SettingsError
from gateway.inbound.authentication import scheme_from, secrets_of

_HERE = Path(__file__).resolve().parent.parent
_CODE = re.compile(r"\$(asset|journey)\.([A-Za-z0-9_-]+)")


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """One ready source."""

    name: str
    title: str
    file: Path
    rules: tuple[str, ...]
    """What it handles: the names of its rules."""
    path: str | None
    secrets: tuple[str, ...]
    """The variables that it needs."""
    assets: tuple[str, ...]
    journeys: tuple[str, ...]
    """The names that the destinations file gives codes to."""

    destinations: tuple[str, ...]
    """The destinations that its examples go to, where its address names one."""

    @property
    def hook(self) -> str:
        """``/hooks/shopify/{brand}``."""
        return f"/hooks/{self.name}/{self.path}" if self.path else f"/hooks/{self.name}"

    @property
    def samples(self) -> Path:
        """The folder of its sample payloads."""
        return self.file.parent / "samples" / self.name


def library_folder() -> Path:
    """Where the ready sources are: in the installed package, or in the checkout that this runs from.

    :raises SettingsError: in neither.
    """
    for folder in (_HERE / "library", _HERE.parent / "rules" / "library"):
        if folder.is_dir():
            return folder
    raise SettingsError("the library of ready sources did not come with this installation")


def packs() -> list[Pack]:
    """Every ready source, by name."""
    return [_read(file) for file in sorted(library_folder().glob("*.yaml")) if file.name != "destinations.yaml"]


def copy_pack(pack: Pack, folder: Path) -> list[Path]:
    """Copy a pack into a rules folder; the paths that were made.

    :raises SettingsError: one of its files is there already: it is never overwritten.
    """
    target = folder / pack.file.name
    copies = [(pack.file, target)]
    if pack.samples.is_dir():
        copies += [
            (file, folder / "samples" / pack.name / file.relative_to(pack.samples))
            for file in sorted(pack.samples.rglob("*"))
            if file.is_file()
        ]
    for _, copy in copies:
        if copy.exists():
            raise SettingsError(f"{copy} is there already and stays as it is; remove it to add {pack.name} again")
    for original, copy in copies:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
    return [copy for _, copy in copies]


def _read(file: Path) -> Pack:
    text = file.read_text(encoding="utf-8")
    content = YAML(typ="safe", pure=True).load(text)
    codes: Mapping[str, dict[str, None]] = {"asset": {}, "journey": {}}
    for kind, name in _CODE.findall(text):
        codes[kind][name] = None
    return Pack(
        name=content["source"],
        title=content.get("title", content["source"]),
        file=file,
        rules=tuple(rule.get("name", "") for rule in content.get("rules", ())),
        path=content.get("path"),
        secrets=secrets_of(scheme_from(content["verify"])),
        assets=tuple(codes["asset"]),
        journeys=tuple(codes["journey"]),
        destinations=_destinations(content),
    )


def _destinations(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Where ``destination: $path.brand``: what stands at that place in the examples' paths."""
    wanted = str(content.get("destination", ""))
    template = str(content.get("path", "")).split("/")
    part = "{" + wanted.removeprefix("$path.") + "}"
    if not wanted.startswith("$path.") or part not in template:
        return () if not wanted or wanted.startswith("$") else (wanted,)
    place = template.index(part)
    paths = [
        str(example.get("request", {}).get("path", "")).strip("/").split("/") for example in content.get("examples", ())
    ]
    return tuple(dict.fromkeys(path[place] for path in paths if len(path) == len(template) and path[place]))
