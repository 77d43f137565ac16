"""The rules that the settings name: those that are served, and those that run beside them."""

from __future__ import annotations

from pathlib import Path

from gateway.rules import Ruleset, load
from gateway.settings import Settings


def load_rules(settings: Settings) -> Ruleset:
    """The rules that the settings name.

    :raises RulesError: the folder has problems.
    """
    return load(settings.rules, destinations=settings.destinations, environ=settings.environ)


def load_shadow_rules(settings: Settings) -> Ruleset:
    """The candidate rules that the settings name.

    :raises RulesError: the folder has problems.
    """
    assert settings.shadow_rules is not None
    return load(settings.shadow_rules, destinations=shadow_destinations(settings), environ=settings.environ)


def shadow_destinations(settings: Settings) -> Path | None:
    """The destinations file of the candidate rules: the setting's, their own, or that of the live ones."""
    assert settings.shadow_rules is not None
    if settings.destinations is not None or (settings.shadow_rules / "destinations.yaml").exists():
        return settings.destinations
    live = settings.rules / "destinations.yaml"
    return live if live.exists() else None
