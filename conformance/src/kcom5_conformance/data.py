"""Where the spec, the vectors and the schemas are: in the installed package, or in the repository around it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_PACKED = _PACKAGE / "data"
REPOSITORY = _PACKAGE.parents[2]


def _find(packed: str, in_repository: str) -> Path:
    return _PACKED / packed if _PACKED.is_dir() else REPOSITORY / in_repository


def spec_file() -> Path:
    return _find("kcom5.md", "spec/kcom5.md")


def vectors_folder() -> Path:
    return _find("vectors", "vectors")


def adapter_schema_file() -> Path:
    return _find("adapter.schema.json", "conformance/adapter.schema.json")
