"""`python -m kcom5`: the program of `cli`."""

import sys

from .cli import main

sys.exit(main())
