"""The Lab's own files: `.lab/` is private to its owner, and files are written atomically."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from router.core.errors import ConfigError

MAX_SHOWN = 100
"""Characters of a file's name in a sentence."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Stamp(NamedTuple):
    """What tells one version of a file from the next, also of one that was replaced within a tick of the clock."""

    modified: int
    size: int
    inode: int


def stamp(path: Path) -> Stamp:
    """A file's version.

    Raises:
        OSError: there is no such file, or it cannot be looked at.
    """
    status = os.stat(path)  # noqa: PTH116  # pathlib's takes as long again, and every request asks several times
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def claim(folder: Path) -> list[str]:
    """Create the Lab's folder, or make an existing one private to its owner.

    From then on, everything this process creates is private to its owner, including files that libraries create.

    Returns:
        Notices, one sentence each.

    Raises:
        ConfigError: the folder, or the link in its place, belongs to another user.
    """
    os.umask(_OTHERS)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return []  # whatever needs it says so
    if os.name == "nt":  # modes say nothing there
        return []
    strangers = [status.st_uid for status in (folder.lstat(), folder.stat()) if status.st_uid != os.geteuid()]
    if strangers:
        whose = f"{folder} belongs to another user (uid {strangers[0]}), who can read all that is stored in it."
        if os.geteuid():
            raise ConfigError(f"{whose} Move it away, or run Fallback Lab as that user.")
        return [whose]  # root works on others' folders, as in a container; nothing of theirs is changed
    return [*_closed(folder), *_replaceable(folder.parent)]


def _closed(folder: Path) -> Iterator[str]:
    """Remove others' permissions; grants none, and follows no link out of the folder."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    try:
        _take(folder.resolve(), _OTHERS)
        for where, folders, files in os.walk(folder):
            for name in folders:
                _take(Path(where, name), _OTHERS)
            for name in files:
                _take(Path(where, name), _OTHERS | stat.S_IXUSR)
    except OSError as error:
        if mode & _OTHERS:
            yield (
                f"{folder} is open to other users of this machine (mode {mode:04o}), and that cannot be changed:"
                f" {error.strerror}. Run: chmod -R go= {folder}"
            )
    else:
        if mode & _OTHERS:
            yield (
                f"{folder} was open to other users of this machine (mode {mode:04o}), who may have read its contents."
                " It is now private (mode 0700)."
            )


def _take(path: Path, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError):  # another process tidies up
        mode = path.lstat().st_mode
        if mode & rights and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~rights)


def _replaceable(folder: Path) -> Iterator[str]:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        yield (
            f"{folder} is open to all users of this machine (mode {mode:04o}): they can put another models.yaml in"
            f" place of yours. Run: chmod o-w {folder}"
        )


def shown(path: Path) -> Path:
    """What to call a file that was named without its folder: its path from the working folder, or its name alone."""
    found, here = path.absolute(), Path.cwd()
    is_below = found.is_relative_to(here) and here != Path(here.anchor)  # below the root is everything
    return found.relative_to(here) if is_below else Path(path.name)


def read_at_most(path: Path, most: int, called: Path | None = None) -> bytes:
    """The bytes of a file that people name; no more are read than are allowed, however large it says it is.

    Args:
        called: what errors call it; None for its path.

    Raises:
        ConfigError: it is missing, unreadable or larger than `most` bytes.
    """
    called = called or path
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise ConfigError(f"{called} does not exist. Check its name.") from None
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
        raise ConfigError(f"{called} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(data) > most:
        raise ConfigError(f"{called} is larger than {most / 1e6:.0f} MB, which is the limit. Use a part of it.")
    return data


def decoded(data: bytes, path: Path) -> str:
    """A file's bytes as text, without its byte order mark.

    Raises:
        ConfigError: they are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None


def beside(path: Path, name: str) -> Path:
    """The file that another one names, which must be in its folder or below.

    Raises:
        ConfigError: it is elsewhere, also by a link, or is no ordinary file.
    """
    folder, shown = path.parent, name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}…"
    outside = f"`{shown}` is not below the folder of {path.name}. Move the file there, and name it from there."
    if "://" in name or "\\" in name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ConfigError(outside)
    try:
        found = (folder / name).resolve()
        if not found.is_relative_to(folder.resolve()):
            raise ConfigError(outside)
        if not found.is_file():
            raise ConfigError(f"`{shown}` does not exist in the folder of {path.name}. Check its name.")
    except (OSError, RuntimeError):  # too long a name, or links that lead to each other
        raise ConfigError(f"`{shown}` cannot be read. Check its name.") from None
    return found


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces the old one only when complete, even if the process or the power fails.

    A replaced file passes on its mode; a new one is private to its owner.

    Raises:
        OSError: it cannot be written; the old file is unchanged.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            new.chmod(stat.S_IMODE(path.stat().st_mode))
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
