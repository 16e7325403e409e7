"""The JSON report: `Run.to_json`, as report.schema.json describes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import fastjsonschema

from .. import files
from ..results import Json, Run, run_from_json
from . import roots


def write_json(run: Run, path: Path) -> None:
    """Writes the report completely or not at all. Raises OSError."""
    document = {**run.to_json(), "groups": [group.to_json() for group in roots.groups(run)]}
    files.write(path, json.dumps(document, ensure_ascii=True, indent=1) + "\n")


def read_json(path: Path, hint: str = "") -> Run:
    """Returns the run of a report. Raises `ValueError` if it is not a report, `UsageError` with the hint if it is
    unreadable."""
    octets = files.read(path, files.MOST_REPORT, hint)
    try:
        document = json.loads(octets.decode(), parse_constant=_no_number)
        if isinstance(document, dict):
            _complete(document)
        _check(document)
        return run_from_json(document)
    except RecursionError:
        raise ValueError(f"{path}: not a report: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path}: not a report: {str(error)[:200]}") from None


def _check(document: object) -> None:
    """Raises ValueError if the document does not match the schema."""
    with suppress(fastjsonschema.JsonSchemaValueException):
        _quick_check()(document)
        return
    import jsonschema  # takes seconds for a large report, but says where the fault is

    try:
        jsonschema.Draft202012Validator(schema()).validate(document)
    except jsonschema.ValidationError as error:
        raise ValueError(f"{error.json_path}: {error.message[:200]}") from None


def _complete(document: Json) -> None:
    """Adds the keys that earlier versions of the suite did not write."""
    new: Json = {"program": "kcom5-conformance", "subjects": "", "since": None, "groups": [], "timeout_scale": 1.0}
    for key, value in new.items():
        document.setdefault(key, value)
    for peer in _objects(document.get("peers")):
        peer.setdefault("smoke", [])
    for group in _objects(document.get("groups")):
        group.setdefault("weak", 0)
    for result in _objects(document.get("results")):
        result.setdefault("stderr", "")
        result.setdefault("is_earlier", False)
        result.setdefault("unshown", "")
        result.setdefault("script", "")
        for problem in _objects(result.get("problems")):
            problem.setdefault("saw", "")


def _objects(value: object) -> list[Json]:
    """Returns the objects of a list. The schema check rejects other values afterwards."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


@cache
def _quick_check() -> Callable[[object], object]:
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
    check: Callable[[object], object] = fastjsonschema.compile({**schema(), **draft}, use_default=False)
    return check


@cache
def schema() -> Json:
    document: Json = json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))
    return document
