"""The grammar of the spec runs: an ABNF library and a Kaitai Struct parser take what the cores take."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
NODE_FOLDER = HERE.parent / "build" / "kaitai"
PACKAGES = ("kaitai-struct-compiler@0.11.0", "js-yaml@4.1.0")
COMPILE = """
const kaitai = require('kaitai-struct-compiler'), yaml = require('js-yaml'), fs = require('fs');
const [ksy, folder] = process.argv.slice(-2);
const compiler = typeof kaitai === 'function' ? new kaitai() : kaitai;
compiler.compile('python', yaml.load(fs.readFileSync(ksy, 'utf8')), null, false).then(files => {
  for (const name in files) fs.writeFileSync(folder + '/' + name, files[name]);
});
"""


def grammar_module() -> Any:
    pytest.importorskip("abnf", reason="NOT RUN: the Python package abnf is not installed")
    sys.path.insert(0, str(HERE))
    return importlib.import_module("grammar")


def test_the_abnf_and_the_core_take_the_same() -> None:
    grammar = grammar_module()
    rules = grammar.Grammar((HERE / "kcom5.md").read_text(encoding="utf-8"))
    given = [*grammar.of_vectors(), *grammar.generated(1, 500)]
    assert len(given) > 800
    assert list(grammar.differences(rules, iter(given))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%x31-39 *4DIGIT", "%x30-39 *4DIGIT"),
        ("2HEXDIG ", "1*2HEXDIG "),
        ("= 3OCTET", "= 2OCTET"),
        ("4B.43.4F.4D.35", "4B.43.4F.4D.36"),
        ("= 4OCTET ", "= 2OCTET "),
    ],
)
def test_a_changed_grammar_is_seen(old: str, new: str) -> None:
    grammar = grammar_module()
    text = (HERE / "kcom5.md").read_text(encoding="utf-8")
    assert text.count(old) == 1
    rules = grammar.Grammar(text.replace(old, new), "Changed" + new.encode().hex())
    assert next(grammar.differences(rules, grammar.of_vectors()), "")


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The parser that Kaitai Struct makes of kcom5.ksy."""
    pytest.importorskip("kaitaistruct", reason="NOT RUN: the Python package kaitaistruct is not installed")
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("NOT RUN: there is no npm, which has the Kaitai Struct compiler")
    if not (NODE_FOLDER / "node_modules" / "js-yaml").exists():
        install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(NODE_FOLDER), *PACKAGES]
        try:
            subprocess.run(install, timeout=120, check=True, capture_output=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
            pytest.skip(f"NOT RUN: npm could not install {PACKAGES[0]}")
    folder = tmp_path_factory.mktemp("kaitai")
    command = ["node", "-e", COMPILE, "--", str(HERE / "kcom5.ksy"), str(folder)]
    subprocess.run(command, cwd=NODE_FOLDER, check=True, timeout=60)
    sys.path.insert(0, str(folder))
    return importlib.import_module("kcom5_stream").Kcom5Stream


def test_kaitai_struct_finds_the_same_fields(parser: Any) -> None:
    """In every vector that ends well."""
    grammar_module()
    reader = importlib.import_module("reader")
    count = 0
    for vector in reader.load():
        parts = [part for step in vector.steps if step[0] == "send" for part in step[1:]]
        sizes = [part["size"] for part in parts if isinstance(part, dict) and "size" in part]
        if vector.role != "client" or "ok" not in vector.outcome or sum(sizes) > 1 << 24:
            continue
        found = parser.from_bytes(reader.joined(parts))
        assert found.echo.nonce == reader.NONCE
        assert found.frame.message.encode() == reader.text_octets(vector.outcome.get("message", "")), vector.id
        assert found.frame.data == reader.octets(vector.outcome.get("data", "")), vector.id
        assert found.frame.message_length == len(reader.text_octets(vector.outcome.get("message", "")))
        assert found.frame.data_length == len(found.frame.data)
        count += 1
    assert count > 90
