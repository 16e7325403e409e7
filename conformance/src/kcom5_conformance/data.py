"""Finds the files that the suite reads, in the package or in the repository."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PACKAGED = _HERE / "data"
_ROOT = _PACKAGED if _PACKAGED.is_dir() else _HERE.parents[2]


def spec_file() -> Path:
    """The specification, `spec/kcom5.md`."""
    return _ROOT / "spec" / "kcom5.md"


def vectors_folder() -> Path:
    """The folder of the vectors."""
    return _ROOT / "vectors"


def adapter_schema_file() -> Path:
    """The schema of the adapter contract."""
    return (_ROOT if _ROOT == _PACKAGED else _ROOT / "conformance") / "adapter.schema.json"
