"""Tests of the published package: the sdist has what its wheel needs, and the wheel has what a run needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"


BACKEND = "setuptools>=77"
"""The build backend that pyproject.toml asks for."""


def build(what: str, at: Path, backend: Path, to: Path) -> None:
    command = [sys.executable, "-c", BUILD, what, str(to)]
    subprocess.run(command, check=True, cwd=at, env={**os.environ, "PYTHONPATH": str(backend)})


def test_sdist_builds_a_wheel_with_spec_vectors_and_schema(tmp_path: Path) -> None:
    backend = tmp_path / "backend"
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "0"]
    try:
        done = subprocess.run(
            [*install, "--no-deps", "--target", str(backend), BACKEND],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"NOT RUN: {BACKEND} cannot be had: the package index does not answer")
    if done.returncode:
        pytest.skip(f"NOT RUN: {BACKEND} cannot be had: {done.stderr.strip().splitlines()[-1]}")
    for name in ("conformance", "spec", "vectors"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build("build_sdist", tmp_path / "conformance", backend, tmp_path / "dist")
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):  # Python 3.11 got it in a later patch
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    build("build_wheel", unpacked, backend, tmp_path / "dist")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        metadata = file.read(next(name for name in names if name.endswith("METADATA"))).decode()
        file.extractall(tmp_path / "installed")
    vectors = {f"kcom5_conformance/data/vectors/{path.name}" for path in (ROOT / "vectors").glob("*.json")}
    assert vectors | {
        "kcom5_conformance/data/spec/kcom5.md",
        "kcom5_conformance/data/adapter.schema.json",
        "kcom5_conformance/py.typed",
    } <= set(names)
    assert "\nLicense-Expression: MIT\n" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in names)
    # It runs without the repository.
    listing = subprocess.run(
        [sys.executable, "-m", "kcom5_conformance", "list", "--rule", "address.canonical"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(listing.stdout.splitlines()) == 3


def test_license_of_the_package_is_that_of_the_project() -> None:
    assert (ROOT / "conformance" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
