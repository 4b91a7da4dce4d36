"""One writer a folder: who trains a run, a policy or an ensemble holds its lock, and a kill of the process lets it go.

The lock is the operating system's own (flock) on a small file, so that neither a kill nor a number that is given to
another process later leaves a folder locked, and processes in several containers see each other. What the file says is
who holds it. Only where a file system knows no such locks is that note the lock itself.
"""

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

FILE = ".lock"
"""Name of the lock in the folder that it is for."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
_TRIES = 100
_open: set[int] = set()


class BusyError(ValueError):
    """A folder that another process is writing into; the message says which."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock: a process of a machine, the time of its start in the machine's own count, and its command."""

    host: str
    pid: int
    started: str | None
    since: str
    command: str

    @classmethod
    def me(cls, command: str) -> "Owner":
        """This process."""
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()), since, command)

    @classmethod
    def read(cls, file: Path) -> "Owner | None":
        """Whom a lock's file names; None where it says nothing that can be read."""
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            owner = cls(**found)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        known = (owner.host, owner.pid, owner.since, owner.command)
        return owner if [type(part) for part in known] == [str, int, str, str] else None

    @property
    def here(self) -> bool:
        """Whether it is of this machine."""
        return self.host == socket.gethostname()

    def alive(self) -> bool:
        """Whether the process still runs, as far as can be known: one of another machine is taken to."""
        if not self.here:
            return True
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:  # somebody else's, which may not be signalled
            pass
        return self.started is None or _started(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}: {self.command}"


@contextmanager
def held(folder: Path, command: str, name: str = FILE) -> Iterator[None]:
    """Hold the lock `name` in a folder, which is made where it is missing; `command` is what others are told.

    Afterwards the lock's file is gone, and so is a folder that was made for it and is empty. Raises BusyError naming
    the owner where another holds it.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    file = folder / name
    try:
        handle = _taken(file, folder, Owner.me(command))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)  # while it is held, so that nobody takes a file that is about to go
            _open.discard(handle)
            os.close(handle)
    finally:
        for one in made:
            try:
                one.rmdir()
            except OSError:
                break  # something lies in it, and it in those above


def _taken(file: Path, folder: Path, me: Owner) -> int:
    """The open file of a lock that is held now."""
    for _ in range(_TRIES):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # its last owner deleted the folder between the two lines above
        try:
            if not _lock(handle, file):
                _refuse(file, folder)
            if _same(handle, file):  # else its last owner deleted it between the two lines above
                os.ftruncate(handle, 0)
                os.pwrite(handle, (json.dumps(asdict(me)) + "\n").encode(), 0)
                _open.add(handle)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    raise BusyError(f"{folder}: other processes keep taking its lock; try again")


def _lock(handle: int, file: Path) -> bool:
    """Take the lock of an open file; False where another has it."""
    try:
        if sys.platform == "win32":
            raise OSError(errno.ENOLCK, "no flock on Windows")
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        if error.errno not in _NO_LOCKS:
            raise
        owner = Owner.read(file)
        return owner is None or not owner.alive()
    return True


def _refuse(file: Path, folder: Path) -> None:
    owner = Owner.read(file)
    who = "another process" if owner is None else str(owner)
    if owner is not None and not owner.here:
        who += f" (if that machine is gone, delete {file})"
    raise BusyError(f"{folder}: being written by {who}; wait for it to end, or stop it")


def _same(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except FileNotFoundError:
        return False


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return f"{boot} {text.rpartition(')')[2].split()[19]}"


def _forked() -> None:
    """A copy of this process is no owner: what outlives a kill of the owner must not hold its locks."""
    for handle in _open:
        os.close(handle)
    _open.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)
