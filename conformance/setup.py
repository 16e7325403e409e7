"""Puts the spec, the vectors and the contract's schema, which are the repository's, into the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
DATA = {
    "spec": [HERE.parent / "spec" / "kcom5.md"],
    "vectors": sorted((HERE.parent / "vectors").glob("*.json")),
    "": [HERE / "adapter.schema.json"],
}


class WithData(build_py):
    """Copies them beside the modules that were built."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # the repository is there
        for folder, files in DATA.items():
            target = Path(self.build_lib) / "kcom5_conformance" / "data" / folder
            target.mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copy(file, target)


setup(cmdclass={"build_py": WithData})
