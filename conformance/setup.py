"""Puts the spec, the vectors and the contract's schema, which are the repository's, into the package.

In an sdist they stand in the folder `data`, from which its wheel is built.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
IN_SDIST = HERE / "data"


def data() -> dict[str, list[Path]]:
    """The files by the folder in which the package has them."""
    if IN_SDIST.is_dir():
        folders = {"spec": IN_SDIST / "spec", "vectors": IN_SDIST / "vectors", "": IN_SDIST}
        return {name: sorted(file for file in folder.iterdir() if file.is_file()) for name, folder in folders.items()}
    return {
        "spec": [HERE.parent / "spec" / "kcom5.md"],
        "vectors": sorted((HERE.parent / "vectors").glob("*.json")),
        "": [HERE / "adapter.schema.json"],
    }


def copy(target: Path) -> None:
    """Copies all of them below `target`."""
    for folder, files in data().items():
        (target / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, target / folder)


class BuildWithData(build_py):
    """Copies them beside the modules that were built."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # else the repository is there
            copy(Path(self.build_lib) / "kcom5_conformance" / "data")


class SdistWithData(sdist):
    """Copies them into the sdist."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        copy(Path(base_dir) / "data")


setup(cmdclass={"build_py": BuildWithData, "sdist": SdistWithData})
