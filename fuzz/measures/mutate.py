"""Mutants of a source: one small change each, of the kinds below.

An operator replaced, a constant one larger or smaller, a condition negated, a statement dropped. Python by its syntax
tree; C++ and Go by tokens, which their formatters keep regular. Not mutated, as vectors cannot show them: words for
people; capacities in Go; Python's guards against misuse (ValueError); the bound of `message.too-long`, of which a
vector can show one side only; and the state tables, which the tests of each implementation compare with the spec's
cell by cell.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """A source with one change."""

    file: str
    number: int
    """The line."""
    before: str
    after: str
    """The line (Python: the statement), without the space around it; empty: dropped."""
    text: str
    """The whole source."""


OPERATORS = {
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "==": ["!="],
    "!=": ["=="],
    "&&": ["||"],
    "||": ["&&"],
    "+": ["-"],
    "-": ["+"],
    "*": ["/"],
    "/": ["*"],
    "%": ["*"],
    "<<": [">>"],
    ">>": ["<<"],
    "&": ["|"],
    "|": ["&"],
    "^": ["&"],
    "++": ["--"],
    "--": ["++"],
    "+=": ["-="],
    "-=": ["+="],
    "!": [""],
}
TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<comment>//.*)|(?P<string>\"(?:\\.|[^\"\\])*\")|(?P<char>'(?:\\.|[^'\\])')"
    r"|(?P<number>0x[0-9a-fA-F]+(?:'[0-9a-fA-F]+)*|\d+)|(?P<word>\w+)"
    r"|(?P<operator><<=|>>=|->|::|:=|<=>|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|\+=|-=|.)"
)
# Lines that are declarations, words for people, or data that other tests hold against the spec.
SKIPPED = {
    "cpp": re.compile(
        r"^\s*(#|using|namespace|template|static_assert|explicit|enum|//|return row\(error\)\.family)|"
        r"max_message_size"
    ),
    "go": re.compile(
        r"MaxMessage|strconv\.Itoa|Detail:|notAnAddress\(|QuoteToASCII|x\.why = \"|m\.why = \"|"
        r"^\s*(//|import|package|type|func)"
    ),
}
# From a line that begins so to the first one that ends the block in the same column.
BLOCKS = {
    "cpp": re.compile(r"^(constexpr Transition|constexpr std::array<Row|class Category|struct Row|struct Transition)"),
    "go": re.compile(
        r"^(var serverTable|var clientTable|var awaited|var instead|func \(m \*machine\) detail|func count|"
        r"func notUTF8|func \(n Name\) Family|func \(e \*Error\))"
    ),
}
CAPACITY = re.compile(r"make\(\[\]byte, 0, (?:[^()]|\([^()]*\))*\)")
STATEMENT = {
    "cpp": re.compile(r"^(?!return\b|const\b|constexpr\b|auto\b|case\b|static\b|extern\b)[\w+*][^;]*[=(+\-][^;]*;$"),
    "go": re.compile(
        r"^(?=\w)(?!return\b|var\b|const\b|case\b|if\b|for\b|switch\b|func\b|type\b|\w+:)[^{}]*(?:[^:]=[^=]|\+\+|\)$)[^{}]*$"
    ),
}
DECLARATION = re.compile(r"^(?:[\w:]+(?:<.*>)?[&*]? )+\w+(?:\{|\[|;| = |\()")  # of C++
CONDITION = {
    "cpp": [
        re.compile(r"\b(?:if|while) \((.*?)\) (?:\{|return|[\w.]+ ?[=(+])"),
        re.compile(r"^\s*for \([^;]*; (.+); [^;]*\)"),
    ],
    "go": [
        re.compile(r"\bif (?:[^;{]*; )?([^;{]+) \{"),
        re.compile(r"^\s*case ([^\"]*[<>=|][^\"]*):$"),
        re.compile(r"^\s*for ([^;{]*[<>=][^;{]*) \{"),
    ],
}


def mutants_of(language: str, file: str, text: str) -> Iterator[Mutant]:
    """Each different mutant, in the order of the lines."""
    seen = {text}
    for mutant in python(file, text) if language == "python" else lines(language, file, text):
        if mutant.text not in seen:
            seen.add(mutant.text)
            yield mutant


def lines(language: str, file: str, text: str) -> Iterator[Mutant]:
    whole = text.splitlines(keepends=True)
    is_closed = True
    for place, line in enumerate(whole):
        bare = line.rstrip("\n")
        if not is_closed:
            is_closed = bare.startswith(("}", ")"))
            continue
        if BLOCKS[language].match(bare):
            is_closed = bare.endswith(("}", "};")) and bare.count("{") == bare.count("}")
            continue
        if SKIPPED[language].search(bare):
            continue
        for after in changed(language, bare):
            source = "".join([*whole[:place], after + "\n", *whole[place + 1 :]])
            yield Mutant(file, place + 1, bare.strip(), after.strip(), source)


def changed(language: str, line: str) -> Iterator[str]:
    tokens = list(TOKEN.finditer(line))
    hidden = [match.span() for match in CAPACITY.finditer(line)]
    for place, token in enumerate(tokens):
        if any(start <= token.start() < end for start, end in hidden):
            continue
        for new in replacements(language, line, tokens, place):
            yield line[: token.start()] + new + line[token.end() :]
    code = re.sub(r"\s*//.*$", "", line)
    for pattern in CONDITION[language]:
        for match in pattern.finditer(code):
            yield line[: match.start(1)] + f"!({match[1]})" + line[match.end(1) :]
    bare = code.strip()
    if STATEMENT[language].match(bare) and not (language == "cpp" and DECLARATION.match(bare)):
        yield line[: len(line) - len(line.lstrip())] + (";" if language == "cpp" else "")


def replacements(language: str, line: str, tokens: list[re.Match[str]], place: int) -> list[str]:
    token = tokens[place]
    word = token[0]
    kind = token.lastgroup
    if kind == "number":
        value = int(word.replace("'", ""), 0)
        return [str(value + 1)] + ([str(value - 1)] if value else [])
    if kind == "char" and len(word) == 3:
        return [f"'{chr(ord(word[1]) + 1)}'", f"'{chr(ord(word[1]) - 1)}'"]
    if kind == "word" and word in ("true", "false"):
        return ["false" if word == "true" else "true"]
    if kind != "operator" or word not in OPERATORS:
        return []
    before, after = line[: token.start()][-1:], line[token.end() :][:1]
    if word in ("!", "++", "--"):
        return OPERATORS[word]
    is_spaced = before == " " and after == " "
    # gofmt leaves out the space around an operator that binds closer; unary ones follow no operand.
    is_close = language == "go" and re.match(r"[\w)\]']", before) and re.match(r"[\w('\"]", after)
    return OPERATORS[word] if is_spaced or is_close else []


FOR_PEOPLE = {"show", "not_utf8"}
WORDS = {"got", "detail", "_start", "MAX_MESSAGE"}
TABLES = {"EVENTS", "_WAIT", "_HANDSHAKE", "_FRAME", "SERVER_TABLE", "CLIENT_TABLE", "Table"}
SWAPS: dict[type[ast.AST], list[type[ast.AST]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.FloorDiv],
    ast.FloorDiv: [ast.Mult],
    ast.Mod: [ast.Mult],
    ast.Pow: [ast.Mult],
}


def python(file: str, text: str) -> Iterator[Mutant]:
    source = text.splitlines()
    tree = ast.parse(text)
    statements = [
        (path, node)
        for path, node in walk(tree, ())
        if isinstance(node, ast.stmt) and not isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]
    for path, node in statements:
        for edit in edits(node):
            fresh = copy.deepcopy(tree)
            after = edit(fresh, path)
            yield Mutant(
                file, node.lineno, source[node.lineno - 1].strip(), after, ast.unparse(ast.fix_missing_locations(fresh))
            )


Path = tuple[tuple[str, int | None], ...]


def walk(node: ast.AST, path: Path) -> Iterator[tuple[Path, ast.AST]]:
    """Every node that can be mutated, with the way to it."""
    yield path, node
    for name, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not is_for_people(child, node):
                yield from walk(child, (*path, (name, index)))


def is_for_people(node: ast.AST, parent: ast.AST) -> bool:
    """Or a declaration, or a table."""
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.arguments):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in FOR_PEOPLE
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and (
        "raise ValueError" in ast.unparse(node.body[0]) or "MAX_MESSAGE" in ast.unparse(node.test)
    ):
        return True
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        is_place = isinstance(target, ast.Name) and name == "at"
        return node.value is None or is_place or name in WORDS or name in TABLES
    if isinstance(parent, ast.AnnAssign):
        return node is not parent.value
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "enumerate":
        return isinstance(node, ast.Constant)
    # How the event's words are chosen.
    return isinstance(node, ast.If) and "detail +=" in ast.unparse(node)


def at(tree: ast.AST, path: Path) -> ast.AST:
    for name, index in path:
        value = getattr(tree, name)
        tree = value if index is None else value[index]
    return tree


def put(tree: ast.AST, path: Path, new: object) -> None:
    *way, (name, index) = path
    parent = at(tree, tuple(way))
    if index is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[index] = new


Edit = Callable[[ast.AST, Path], str]


def edits(statement: ast.AST) -> Iterator[Edit]:
    """Functions that change one thing of the statement at a path, and tell it as it is then."""

    def replace(inner: Path, make: Callable[[Any], ast.AST]) -> Edit:
        def edit(tree: ast.AST, path: Path) -> str:
            target = at(tree, path + inner)
            put(tree, path + inner, make(target))
            return ast.unparse(at(tree, path)).splitlines()[0]

        return edit

    def always(new: ast.AST) -> Callable[[ast.AST], ast.AST]:
        return lambda _: new

    def drop(tree: ast.AST, path: Path) -> str:
        put(tree, path, ast.Pass())
        return ""

    if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Raise):
        yield drop
    for inner, node in walk(statement, ()):
        if inner and isinstance(node, ast.stmt):
            continue  # has its own turn
        if any(isinstance(at(statement, inner[:depth]), ast.stmt) for depth in range(1, len(inner))):
            continue
        if type(node) in SWAPS:
            for swap in SWAPS[type(node)]:
                yield replace(inner, always(swap()))
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            for step in (1, -1):
                yield replace(inner, always(ast.Constant(node.value + step)))
        elif isinstance(node, ast.Constant) and type(node.value) is bytes and node.value:
            yield replace(inner, lambda old: ast.Constant(old.value[:-1]))
        elif isinstance(node, ast.Constant) and type(node.value) is str and "re.compile" in ast.unparse(statement):
            for place, letter in enumerate(node.value):
                for step in (1, -1) if letter.isalnum() else ():
                    new = node.value[:place] + chr(ord(letter) + step) + node.value[place + 1 :]
                    yield replace(inner, always(ast.Constant(new)))
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            yield replace((*inner, ("test", None)), lambda old: ast.UnaryOp(ast.Not(), old))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield replace(inner, lambda old: old.operand)
