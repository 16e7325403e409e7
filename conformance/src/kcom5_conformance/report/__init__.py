"""The reports of a run: terminal, JSON, JUnit XML and one HTML page. Each is made only from `results.Run`."""

from .html import write_html
from .json import write_json
from .junit import write_junit
from .terminal import Progress, print_summary

__all__ = ["Progress", "print_summary", "write_html", "write_json", "write_junit"]
