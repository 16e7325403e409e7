"""The JSON report: `Run.to_json`, as report.schema.json describes it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema

from ..model import Json, Run, run_from_json


def write_json(run: Run, path: Path) -> None:
    path.write_text(json.dumps(run.to_json(), ensure_ascii=True, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Run:
    """The run that a report was made from. `ValueError` if the file is no report."""
    try:
        document: Json = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema()).validate(document)
    except jsonschema.ValidationError as error:
        raise ValueError(f"{path}: no report: {error.json_path}: {error.message[:200]}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no report: {error}") from None
    return run_from_json(document)


@cache
def schema() -> Json:
    document: Json = json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))
    return document
