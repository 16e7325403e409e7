"""An interruption before the program can handle it ends the process by the signal, and not by a traceback.

Does: for the program `kcom5` only, when the package is imported, the default action of SIGINT until `main` has its
own. Does not: touch anything where the package is used as a library. Before this module Python itself starts, for
some 20 ms, and an interruption there is Python's to tell.
"""

from __future__ import annotations

# The built-in part of `signal`: that module itself takes some milliseconds to import.
import _signal  # type: ignore[import-not-found]
import os
import sys


def _is_program() -> bool:
    name = sys.argv[0] if getattr(sys, "argv", None) else ""
    # Python's own value while it looks for the module of `python -m`.
    return "kcom5" in sys.orig_argv if name == "-m" else os.path.basename(name) in ("kcom5", "kcom5.exe")  # noqa: PTH119


if _is_program() and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    try:  # noqa: SIM105 (contextlib would have to be imported)
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    except ValueError:
        pass  # not in the main thread
