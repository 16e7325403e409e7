"""An interruption before the program can handle it ends the process by the signal, without a traceback.

Does: sets the default action of SIGINT when the program `kcom5` imports the package, until `main` sets its own.
Does not: change anything where the package is used as a library. Python itself starts before this module, for some
20 ms, and handles an interruption there.
"""

from __future__ import annotations

# The built-in part of `signal`, because that module takes some milliseconds to import.
import _signal  # type: ignore[import-not-found]
import os
import sys


def _is_program() -> bool:
    name = sys.argv[0] if getattr(sys, "argv", None) else ""
    # Python sets "-m" while it looks for the module of `python -m`.
    return "kcom5" in sys.orig_argv if name == "-m" else os.path.basename(name) in ("kcom5", "kcom5.exe")  # noqa: PTH119


if _is_program() and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    try:  # noqa: SIM105 (contextlib would have to be imported)
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    except ValueError:
        pass  # not in the main thread
