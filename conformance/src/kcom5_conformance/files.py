"""Files that the suite reads and writes.

A file gets its final name only when it is complete. Reading has a size limit.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import UsageError
from .escape import one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MIB = 1 << 20
MOST_TOML = 16 * MIB
"""Bytes of a peers file or a baseline."""
MOST_REPORT = 512 * MIB
"""Bytes of a report that is compared."""
_PERMISSIONS = 0o666


def read(path: Path, most: int, hint: str = "", what: str = "") -> bytes:
    """Returns the bytes of a file; `-` is standard input. Raises `UsageError` if it is unreadable or exceeds `most`."""
    name = "standard input" if str(path) == "-" else f"{what} {one_line(str(path))}".lstrip()
    try:
        if str(path) == "-":
            octets = sys.stdin.buffer.read(most + 1)
        else:
            with path.open("rb") as file:
                octets = file.read(most + 1)
    except ValueError as error:  # a name with a NUL
        raise UsageError(f"cannot read {name}: {error}", hint) from error
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}", hint) from error
    if len(octets) > most:
        raise UsageError(f"{name} has more than {most // MIB:,} MiB, which is not read", hint)
    return octets


def read_toml(path: Path, what: str, hint: str = "") -> dict[str, Any]:
    """Returns the table of a TOML file. Raises `UsageError` with the place of a fault."""
    octets = read(path, MOST_TOML, hint, what)
    name = f"{what} {one_line(str(path))}"
    if octets.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{name} begins with a byte order mark", "save it as UTF-8 without one")
    try:
        return tomllib.loads(octets.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: {one_line(str(error))}", "save it as UTF-8") from error
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply", hint) from None
    except ValueError as error:  # tomllib raises it for a bad number or date, too
        raise UsageError(f"{name} is not TOML: {one_line(str(error))[:300]}", hint) from error


def write(path: Path, text: str, *, is_new: bool = False) -> None:
    """Writes a file completely or not at all. With `is_new` it must not exist. Raises OSError."""
    # A random name: in a shared folder another user could put a link at a predictable one.
    descriptor, name = tempfile.mkstemp(prefix=".kcom5-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else _PERMISSIONS & ~_umask())
        if is_new:
            path.hardlink_to(name)
            Path(name).unlink()
        else:
            Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def check_folder(folder: Path, *names: str) -> None:
    """Creates the folder and checks that files with these names can be written there. Raises UsageError."""
    shown = one_line(str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".kcom5-", dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except ValueError as error:
        raise UsageError(f"cannot use the folder {shown}: {error}", "choose another folder") from error
    except OSError as error:
        what = "it is a file" if folder.is_file() else error.strerror
        raise UsageError(f"cannot write to the folder {shown}: {what}", "choose another folder") from error
    for name in names:
        if (folder / name).is_dir():
            raise UsageError(f"{one_line(str(folder / name))} is a folder", "choose another folder")
