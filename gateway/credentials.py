"""Credentials: a secret's value by its name, from a variable or from a mounted file.

``NAME`` in the environment is the secret itself; ``NAME_FILE`` names a file that holds it, as Docker and Kubernetes
mount secrets. A file is read again when it changes, so a rotated token needs no restart. No secret's own name ends in
``_FILE``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import SettingsError

_log = logging.getLogger(__name__)


def secret_setting(environ: Mapping[str, str], name: str) -> str | None:
    """A secret of the gateway's own, which is read once: None where it is unset or empty.

    :raises SettingsError: the file that ``NAME_FILE`` names can't be read. To go on without it is no way out.
    """
    if value := environ.get(name):
        return value
    path = environ.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return _text(path) or None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: {path} can't be read: {_reason(error)}") from None


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")


def _reason(error: OSError | UnicodeDecodeError) -> str | None:
    return error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"


class Credentials:
    """``credentials("SHOPIFY_SECRET")`` is the secret, or None where it is unset or empty.

    The variable wins over the file. One trailing newline of a file is not part of the secret. A file that can't be
    read is an unset secret, and logged when that begins. A name that ends in ``_FILE`` is never a secret: what stands
    there is no more than a path, which is easily guessed.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._files: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._unreadable: set[str] = set()

    def __call__(self, name: str) -> str | None:
        if name.endswith("_FILE"):
            return None
        value = self._environ.get(name)
        if value:
            return value
        path = self._environ.get(f"{name}_FILE")
        return self._from_file(name, path) if path else None

    def names(self) -> set[str]:
        """The names under which something may be set: those of all variables, for a secret has no mark of its own."""
        return {name.removesuffix("_FILE") for name in self._environ}

    def _from_file(self, name: str, path: str) -> str | None:
        try:
            found = Path(path).stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            known = self._files.get(path)
            if known is None or known[0] != stamp:
                known = (stamp, _text(path))
                self._files[path] = known
        except (OSError, UnicodeDecodeError) as error:
            # Once per outage: this is asked for with every request.
            if path not in self._unreadable:
                self._unreadable.add(path)
                _log.warning("%s_FILE: %s can't be read: %s", name, path, _reason(error))
            return None
        self._unreadable.discard(path)
        return known[1] or None
