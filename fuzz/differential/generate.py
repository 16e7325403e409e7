"""The numbered sets of inputs: README.md, "The sets". Twins: generate.cpp, go/generate.go.

An input is a tuple: ("u", text), ("p", port, key), ("m", message), ("c", has_offset, limits, start, acts) or
("s", has_offset, message, data_size, start, acts). An act is octets, or (str) an event of the spec's tables.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

Input = tuple[Any, ...]
Acts = list[bytes | str]

MASK = 2**64 - 1
NONCE = b"\xaa\xbb\xcc"
HELLO = b"KCOM5" + NONCE
DEFAULT = 16 << 20
LIMITS = ((DEFAULT, MASK), (DEFAULT, MASK), (20, 3), (0, 0))
# The first half is well-formed UTF-8.
WELL_FORMED = (
    "|61|00|7f|c2 80|df bf|e0 a0 80|ed 9f bf|ee 80 80|ef bf bf|f0 90 80 80|f4 8f bf bf|ef bb bf|0d 0a|e2 82 ac"
)
ILL_FORMED = (
    "80|bf|c0 80|c1 bf|c2|c2 7f|e0 9f bf|e0 a0|ed a0 80|ed bf bf|f0 8f bf bf|f0 90 80|f4 90 80 80|f5 80 80 80|ff"
)
PIECES = tuple(map(bytes.fromhex, f"{WELL_FORMED}|f1 80 80 80|{ILL_FORMED}|ef bf c0".split("|")))
ALPHABET = bytes.fromhex("00417f808f909fa0bfc2dfe0edeff0f4")
EDGES = bytes.fromhex("0001417e7f80818e8f90919e9fa0a1bebfc0c1c2dfe0e1ecedeeeff0f1f3f4f5")
ODD_CHARACTERS = b".09fFgG/: \n\x00+_\xd9x"
ADDRESS_CHARACTERS = b"0123456789aF.x +"
# Differences to the right length, or, from the eighth on, lengths.
LENGTHS = (0, 1, MASK, 2, 0, 256, MASK - 1, 0, 0, 1, 2**24, 2**24 + 1, 2**31 - 1, 2**32, 2**63, MASK)
PORTS = tuple(
    b"0 1 9 10 00001 01 1023 13600 65535 65536 065535 99999 100000 655350 4294980896 18446744073709565216".split()
)
PORT_NUMBERS = (0, 1, 9, 10, -1, 99999, 1023, 13600, 65535, 65536, 10000, 12345, 131072, -65535, 2**31 - 1, 1 - 2**31)
GROUP_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 48, 1, 2, 3, 48, 48, 24)
STARTS = ("refused", "wrong", "timeout", "failure")
CLIENT_EVENTS = (
    *("", "", "", "", "end", "end", "reset", "reset"),
    *("timeout", "timeout", "failure", "cancel", "connected", "sent", "acknowledged", "early-end"),
)
SERVER_EVENTS: tuple[bytes | str, ...] = (
    *("sent", "sent", "sent", "acknowledged", "acknowledged", "end", "end", "early-end"),
    *("early-end", "reset", "timeout", "failure", "cancel"),
    b"\x00\xff\x4b",
    b"\x00\xff\x4b",
    "connected",
)

RUNS = tuple(b"a" * size for size in range(16))
COUNTER = bytes(range(256))
KEY_TEXT = b"".join(b".%02x" % number for number in range(50))


def spelling_table(alphabet: bytes) -> bytes:
    return bytes.maketrans(b"0123456789abcdef", alphabet)


SPELT = spelling_table(ALPHABET)
ADDRESS_SPELT = spelling_table(ADDRESS_CHARACTERS)

bases: list[Input] = []
ends: list[int] = []  # of each base in the set `changes`


def mixed(state: int) -> int:
    """SplitMix64's output for a state."""
    z = state & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


STEP = 0x9E3779B97F4A7C15


def change(text: bytes, how: int, value: int) -> bytes:
    """An octet changed, octets lost at the end, one lost or one twice."""
    if not text:
        return text
    at = (value & 0xFFFF) % len(text)
    if how < 2:
        return b"%b%c%b" % (text[:at], text[at] ^ 1 + (value >> 16 & 255) % 255, text[at + 1 :])
    if how == 2:
        return text[:at]
    return text[:at] + text[at + 1 :] if value >> 24 & 1 else text[: at + 1] + text[at:]


def pieces_of(text: bytes, how: int, value: int) -> Acts:
    """Octet by octet, or cut at no, one or two places, which may be the ends."""
    if how == 0:
        return [text[i : i + 1] for i in range(len(text))]
    if how > 8:
        return [text]
    first = (value & 0xFFFF) % (len(text) + 1)
    if how < 6:
        return [text[:first], text[first:]]
    second = (value >> 16 & 0xFFFF) % (len(text) + 1)
    if first > second:
        first, second = second, first
    return [text[:first], text[first:second], text[second:]]


def client_input(w: int, state: int) -> Input:
    kind = w & 3
    how = w >> 2 & 3
    piece = w >> 6 & 31
    data = COUNTER[: w >> 15 & 7]
    value = mixed(state + STEP)
    if kind < 2:
        message = RUNS[w >> 11 & 15] + PIECES[piece & 15]
        lengths = len(message).to_bytes(4, "little"), len(data).to_bytes(8, "little")
        stream = HELLO + lengths[0] + message + lengths[1] + data
        if kind == 1:
            stream = change(stream, how, value >> 32)
    elif kind == 2:
        message = RUNS[w >> 11 & 15] + PIECES[piece]
        m = value >> 32 & 15
        d = value >> 36 & 15
        message_length = len(message) + LENGTHS[m & 1] if m < 8 else LENGTHS[m] & 0xFFFFFFFF
        data_length = len(data) + LENGTHS[d] & MASK if d < 8 else LENGTHS[d]
        stream = HELLO + message_length.to_bytes(4, "little") + message + data_length.to_bytes(8, "little") + data
    else:
        stream = HELLO[: 2 + 2 * how]
        if how == 3:
            stream += (value >> 32 & 15).to_bytes(4, "little")
        spelt = (b"%016x" % mixed(state + 2 * STEP)).translate(SPELT)
        stream += spelt + (value >> 36 & 15).to_bytes(8, "little") + data
    acts = pieces_of(stream, w >> 18 & 15, value)
    if event := CLIENT_EVENTS[w >> 22 & 15]:
        acts.append(event)
    if event := CLIENT_EVENTS[w >> 26 & 15]:
        acts.append(event)
    start = "connected" if w >> 30 & 31 else STARTS[w >> 35 & 3]
    return "c", True, LIMITS[w >> 4 & 3], start, acts


def server_input(w: int, state: int) -> Input:
    kind = w & 3
    how = w >> 2 & 3
    piece = w >> 4 & 31
    message = RUNS[w >> 9 & 15] + PIECES[piece & 15 if w >> 13 & 3 else piece]
    value = mixed(state + STEP)
    hello = b"KCOM5" + (value >> 40 & 0xFFFFFF).to_bytes(3, "little")
    if kind == 1:
        hello = change(hello, how, value >> 32)
    elif kind == 2:
        hello += COUNTER[:how]
    elif kind == 3:
        hello = hello[: 2 * how] + (b"%016x" % mixed(state + 2 * STEP)).translate(SPELT)[: value >> 32 & 15]
    acts = pieces_of(hello, w >> 19 & 15, value)
    acts += [SERVER_EVENTS[w >> shift & 15] for shift in (23, 27, 31, 35)]
    start = "connected" if w >> 39 & 31 else STARTS[w >> 44 & 3]
    return "s", True, message, LENGTHS[w >> 15 & 15], start, acts


def address_input(w: int, state: int) -> Input:
    kind = w & 3
    how = w >> 2 & 3
    value = mixed(state + STEP)
    count = (value & 0xFF) % 50 if kind == 2 else GROUP_COUNTS[w >> 4 & 15]
    key = (value.to_bytes(8, "little") * 7)[:count]
    port = w >> 15 & 0xFFFF
    if w >> 8 & 7 == 0:
        return "p", PORT_NUMBERS[w >> 11 & 15] if kind == 2 else port, key
    text = PORTS[w >> 11 & 15] if kind == 2 else b"%d" % port
    if key:
        text += b"." + key.hex(".").encode()
    if w >> 31 & 1:
        text = text.upper()
    if kind == 1:
        at = (value >> 16 & 0xFFFF) % len(text)
        odd = value >> 32 & 15
        if how == 3:
            text = text[:at] + text[at + 1 :]
        else:
            text = text[:at] + ODD_CHARACTERS[odd : odd + 1] + text[at + (how < 2) :]
    elif kind == 3:
        text = (b"%016x" % value).translate(ADDRESS_SPELT)[: 1 + (w >> 32 & 15)]
    return "u", text


def random_input(seed: int, index: int) -> Input:
    state = (mixed(seed + STEP) + index * 0xD1342543DE82EF95 + STEP) & MASK
    w = mixed(state)
    role = w & 7
    if role > 1:
        return client_input(w >> 3, state)
    return server_input(w >> 3, state) if role else address_input(w >> 3, state)


def ports_input(index: int) -> Input:
    """Every spelling of no to six digits, with 0 to 49 groups."""
    spelling, count = divmod(index, 50)
    length = 0
    number = 1
    while spelling >= number:
        spelling -= number
        number *= 10
        length += 1
    return "u", (b"%0*d" % (length, spelling) if length else b"") + KEY_TEXT[: 3 * count]


def cuts_input(index: int) -> Input:
    """Every way to cut what a server sends, its message and its data having 0 to 2 octets: bit i of the mask is a cut
    after octet i + 1."""
    for shape in range(9):
        message, data = divmod(shape, 3)
        size = 20 + message + data
        if index >= 1 << size - 1:
            index -= 1 << size - 1
            continue
        stream = HELLO + message.to_bytes(4, "little") + b"hi"[:message] + data.to_bytes(8, "little") + COUNTER[:data]
        places = [0, *(i + 1 for i in range(size - 1) if index >> i & 1), size]
        acts = [stream[begin:end] for begin, end in pairwise(places)]
        return "c", True, (DEFAULT, MASK), "connected", acts
    raise ValueError("no such cut")


def stream_of(base: Input) -> bytes:
    """What the set `changes` changes: the text, or the last octets."""
    octets: bytes = base[1] if base[0] == "u" else base[-1][-1] if base[0] in "cs" and base[-1] else b""
    return octets


def changes_input(index: int) -> Input:
    """A base with one octet changed (and then an end), or cut off (and then an end, a reset or a timeout)."""
    found = bisect_right(ends, index)
    if found:
        index -= ends[found - 1]
    base = bases[found]
    octets = stream_of(base)
    cut_off = index - 255 * len(octets)
    if cut_off < 0:
        at, mask = divmod(index, 255)
        octets = b"%b%c%b" % (octets[:at], octets[at] ^ 1 + mask, octets[at + 1 :])
    if base[0] == "u":
        return "u", octets if cut_off < 0 else octets[:cut_off]
    event = "end"
    if cut_off >= 0:
        octets = octets[: cut_off // 3]
        event = ("end", "reset", "timeout")[cut_off % 3]
    return (*base[:-1], [*base[-1][:-1], octets, event])


def octets_of(word: str) -> bytes:
    """Parts joined by `+`: `x` and hexadecimal digits, or `r`, how many octets, `*` and the digits to repeat."""
    if "+" in word:
        return b"".join(map(octets_of, word.split("+")))
    if word[0] == "x":
        return bytes.fromhex(word[1:])
    size, _, digits = word[1:].partition("*")
    fill = bytes.fromhex(digits)
    return (fill * (int(size) // len(fill) + 1))[: int(size)]


class Asked(bytes):
    """Octets to be given as the core asks for them."""


def act_of(word: str) -> bytes | str:
    if word.startswith("a:"):
        return Asked(octets_of(word[2:]))
    return octets_of(word) if word[0] == "x" else word


def base_of(line: str) -> Input:
    role, *words = line.split(" ")
    if role == "u":
        return "u", octets_of(words[0])
    if role == "p":
        return "p", int(words[0]), octets_of(words[1])
    if role == "l":
        return "l", int(words[0])
    # `-`: the limit that the core has by itself.
    limits = tuple(None if word == "-" else int(word) for word in words[:2]) if role[0] == "c" else ()
    acts: Acts = [act_of(word) for word in words[3:]]
    has_offset = len(role) == 1  # `c?`: the offset is not looked at
    start = words[2].replace("-", "")
    if role[0] == "c":
        return "c", has_offset, limits, start, acts
    return "s", has_offset, octets_of(words[0]), int(words[1]), start, acts


def load(path: str) -> None:
    bases[:] = [base_of(line) for line in Path(path).read_text().splitlines()]
    sizes = [len(stream_of(base)) * (256 if base[0] == "u" else 258) for base in bases]
    ends[:] = accumulate(sizes)


def size_of(name: str) -> int:
    return {
        "random": MASK,
        "ports": 50 * 1_111_111,
        "cuts": 49 << 19,
        "utf8": 1 << 32,
        "edges": 1 << 20,
        "changes": ends[-1] if ends else 0,
        "replay": len(bases),
    }[name]


def edges_input(index: int) -> Input:
    return "m", bytes((EDGES[index >> 15], EDGES[index >> 10 & 31], EDGES[index >> 5 & 31], EDGES[index & 31]))


def input_of(name: str, seed: int, index: int) -> Input:
    if name == "random":
        return random_input(seed, index)
    if name == "replay":
        return bases[index]
    if name == "utf8":
        return "m", index.to_bytes(4, "big")
    return {"ports": ports_input, "cuts": cuts_input, "changes": changes_input, "edges": edges_input}[name](index)


def words_of(given: Input) -> str:
    role = given[0]
    if role == "u":
        return f"unpack {given[1].hex()}"
    if role == "p":
        return f"pack {given[1]} {given[2].hex()}"
    if role == "m":
        return f"message {given[1].hex()}"
    if role == "l":
        return f"message of {given[1]}"
    *setting, start, acts = given[2:]
    if role == "c":
        limits = (usual if limit is None else limit for limit, usual in zip(setting[0], (DEFAULT, MASK), strict=True))
        text = f"client, limits {' '.join(map(str, limits))}: "
    else:
        text = f"server, message {setting[0].hex()}, data of {setting[1]}: "
    return " | ".join([text + start, *map(words_of_act, acts)])


def words_of_act(act: bytes | str) -> str:
    if isinstance(act, str):
        return act
    return f"as asked {act.hex()}" if isinstance(act, Asked) else act.hex()
