"""Mutants of a source. Each has one small change in one line.

A change replaces an operator, makes a constant one larger or smaller, negates a condition, or drops a statement. The
lines are read by tokens, because formatters keep them regular. Code that vectors cannot test is left out: messages,
capacities in Go, Python's checks for wrong calls (ValueError), the limit of `message.too-long` (a vector can show only
one side), and the state tables, which the tests of each implementation compare with the spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A source with one change."""

    file: str
    number: int
    """The number of the line."""
    before: str
    after: str
    """The line without the space around it; empty if it was dropped."""
    text: str
    """The whole source."""


PAIRS = ["==", "!=", "&&", "||", "+", "-", "*", "/", "<<", ">>", "&", "|", "++", "--", "+=", "-=", "and", "or"]
OPERATORS = {
    **{sign: [PAIRS[place ^ 1]] for place, sign in enumerate(PAIRS)},
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "is": ["is not"],
    "is not": ["is"],
    "in": ["not in"],
    "//": ["*"],
    "%": ["*"],
    "^": ["&"],
    "!": [""],
    "not ": [""],
}
TOKENS = (
    r"(?P<space>\s+)|(?P<comment>{}.*)|(?P<string>[bfr]?\"(?:\\.|[^\"\\])*\")|(?P<char>'(?:\\.|[^'\\])')"
    r"|(?P<number>0x[0-9a-fA-F]+(?:'[0-9a-fA-F]+)*|\d+)|(?P<operator>{}<<=|>>=|->|::|:=|<=>|<<|>>|<=|>=|==|!=|&&|\|\||"
    r"\+\+|--|\+=|-=|[^\w\s])|(?P<word>\w+)"
)
OF_C = re.compile(TOKENS.format("//", ""))
TOKEN = {"cpp": OF_C, "go": OF_C, "python": re.compile(TOKENS.format("#", r"//|\b(?:is not|is|in|and|or)\b|\bnot |"))}
# Lines that are declarations, messages, or data that other tests compare with the spec.
SKIPPED = {
    "cpp": re.compile(
        r"^\s*(#|using|namespace|template|static_assert|explicit|enum|//|return row\(error\)\.family)|"
        r"max_message_size"
    ),
    "go": re.compile(
        r"MaxMessage|strconv\.Itoa|Detail:|notAnAddress\(|QuoteToASCII|x\.why = \"|m\.why = \"|"
        r"^\s*(//|import|package|type|func)"
    ),
    "python": re.compile(
        r"^\s*(#|@|from|import|class|def|for)\b|MAX_MESSAGE|_first_field|_words\(|raise ValueError|^Row = "
    ),
}
# A block is a line that matches, and the more indented ones after it.
BLOCKS = {
    "cpp": re.compile(r"^(constexpr Transition|constexpr std::array<Row|class Category|struct Row|struct Transition)"),
    "go": re.compile(
        r"^(var serverTable|var clientTable|var awaited|var instead|func \(m \*machine\) detail|func count|"
        r"func notUTF8|func \(n Name\) Family|func \(e \*Error\))"
    ),
    "python": re.compile(
        r"^(class Cell|_[A-Z]+ = [{d]|SERVER_TABLE|CLIENT_TABLE|EVENTS|from)"
        r"|^\s*def (progress|_words|_invalid|check_done)\b"
    ),
}
HIDDEN = re.compile(r"make\(\[\]byte, 0, (?:[^()]|\([^()]*\))*\)|: [\w\[\]]+ \| None = ")
DOCSTRING = re.compile(r'"""[\s\S]*?"""')
STATEMENT = {
    "cpp": re.compile(r"^(?!return\b|const\b|constexpr\b|auto\b|case\b|static\b|extern\b)[\w+*][^;]*[=(+\-][^;]*;$"),
    "go": re.compile(
        r"^(?=\w)(?!return\b|var\b|const\b|case\b|if\b|for\b|switch\b|func\b|type\b|\w+:)[^{}]*(?:[^:]=[^=]|\+\+|\)$)[^{}]*$"
    ),
    "python": re.compile(r"^(?:raise \w|[\w., ]+(?:: .*)? [-+]?= |[\w.]+\().*[^{(,:]$"),
}
DROPPED = {"cpp": ";", "go": "", "python": "pass"}
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
    "python": [re.compile(r"^\s*(?:if|elif|while) (.+):$"), re.compile(r"\S if (.+) else ")],
}
NEGATED = {"cpp": "!({})", "go": "!({})", "python": "not ({})"}


def mutants_of(language: str, file: str, text: str) -> Iterator[Mutant]:
    """Each different mutant, in the order of the lines."""
    seen = {text}
    whole = text.splitlines(keepends=True)
    for place in open_lines(language, text):
        line = whole[place].rstrip("\n")
        for after in changed(language, line):
            source = "".join([*whole[:place], after + "\n", *whole[place + 1 :]])
            if source not in seen:
                seen.add(source)
                yield Mutant(file, place + 1, line.strip(), after.strip(), source)


def open_lines(language: str, text: str) -> Iterator[int]:
    """The indexes of the lines to mutate."""
    lines = [*DOCSTRING.sub(lambda found: "\n" * found[0].count("\n"), text).splitlines(), ""]
    block: int | None = None
    for place, line in enumerate(lines[:-1]):
        indent = len(line) - len(line.lstrip())
        if block is not None and (not line.strip() or indent > block or line.lstrip()[0] in "})"):
            continue
        block = indent if BLOCKS[language].match(line) else None
        is_check = line.endswith(":") and "raise ValueError" in lines[place + 1]
        if line.strip() and block is None and not is_check and not SKIPPED[language].search(line):
            yield place


def changed(language: str, line: str) -> Iterator[str]:
    tokens = list(TOKEN[language].finditer(line))
    hidden = [match.span() for match in HIDDEN.finditer(line)]
    for token in tokens:
        if not any(start <= token.start() < end for start, end in hidden):
            for new in replacements(language, line, token):
                yield line[: token.start()] + new + line[token.end() :]
    code = "".join(token[0] for token in tokens if token.lastgroup != "comment").rstrip()
    for pattern in CONDITION[language]:
        for match in pattern.finditer(code):
            yield line[: match.start(1)] + NEGATED[language].format(match[1]) + line[match.end(1) :]
    bare = code.strip()
    if STATEMENT[language].match(bare) and not (language == "cpp" and DECLARATION.match(bare)):
        yield line[: len(line) - len(line.lstrip())] + DROPPED[language]


def replacements(language: str, line: str, token: re.Match[str]) -> list[str]:
    word = token[0]
    kind = token.lastgroup
    if kind == "number":
        value = int(word.replace("'", ""), 0)
        return [str(value + 1)] + ([str(value - 1)] if value else [])
    if kind == "char" and len(word) == 3:
        return [f"'{chr(ord(word[1]) + 1)}'", f"'{chr(ord(word[1]) - 1)}'"]
    if kind == "string" and word[0] == "b":
        return [word[:-2] + '"']
    if kind == "string" and "re.compile" in line:
        places = [(place, letter) for place, letter in enumerate(word[2:], 2) if letter.isalnum()]
        return [word[:at] + chr(ord(letter) + step) + word[at + 1 :] for at, letter in places for step in (1, -1)]
    if word in ("true", "false"):
        return ["false" if word == "true" else "true"]
    if kind != "operator" or word not in OPERATORS:
        return []
    before, after = line[: token.start()][-1:], line[token.end() :][:1]
    is_spaced = before == " " and after == " "
    # gofmt leaves out the space around an operator that binds closer; unary ones follow no operand.
    is_close = language == "go" and re.match(r"[\w)\]']", before) and re.match(r"[\w('\"]", after)
    return OPERATORS[word] if is_spaced or is_close or word in ("!", "++", "--", "not ") else []
