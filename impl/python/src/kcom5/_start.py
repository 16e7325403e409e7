"""An interruption before the program can handle it ends the process by the signal, and not by a traceback.

Does: for the program `kcom5` only, when the package is imported, the default action of SIGINT until `main` has its
own. Does not: touch anything where the package is used as a library.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress


def _is_program() -> bool:
    name = sys.argv[0] if getattr(sys, "argv", None) else ""
    # Python's own value while it looks for the module of `python -m`.
    return "kcom5" in sys.orig_argv if name == "-m" else os.path.basename(name) in ("kcom5", "kcom5.exe")  # noqa: PTH119


if _is_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)
