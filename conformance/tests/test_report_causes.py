"""Tests of likely causes, hexdumps and reproductions."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Literal

import pytest

from kcom5_conformance.report import causes, dump
from kcom5_conformance.results import Axis, Event, Json, Problem, Result, Saw, Verdict

HELLO = b"KCOM5\xaa\xbb\xcc"


def frame(message: bytes = b"hi", data: bytes = b"\0\1\2") -> bytes:
    return HELLO + len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data


def test_the_fields_of_a_server_stream_are_named() -> None:
    assert [(part.name, part.start, part.end) for part in dump.fields(frame() + b"\n", "server")] == [
        ("echo magic", 0, 5),
        ("nonce", 5, 8),
        ("message length", 8, 12),
        ("message", 12, 14),
        ("data length", 14, 22),
        ("data", 22, 25),
        ("surplus", 25, 26),
    ]


def test_the_fields_of_a_client_stream_are_named() -> None:
    assert [part.name for part in dump.fields(HELLO + b"\0", "client")] == ["hello magic", "nonce", "surplus"]


def test_fields_that_were_not_sent_are_not_there() -> None:
    assert [part.name for part in dump.fields(b"KCO", "server")] == ["echo magic"]
    assert dump.fields(b"", "server") == []


def test_a_hexdump_marks_the_first_wrong_octet_and_shows_what_should_stand_there() -> None:
    wrong = bytearray(frame())
    wrong[8:12] = b"\0\0\0\2"
    rows = dump.annotate(wrong.hex(), "server", expected=frame().hex())
    assert [row.offset for row in rows] == [0, 16]
    assert rows[0].wrong == 8
    assert rows[0].names[8:12] == ("message length",) * 4
    assert rows[0].label == "echo magic, nonce, message length, message, data length"
    assert dump.hexdump(rows) == "\n".join(
        [
            "00000000  4b 43 4f 4d 35 aa bb cc 00 00 00 02 68 69 03 00  |KCOM5.......hi..|",
            " " * 34 + "^^ first wrong octet",
            "expected  4b 43 4f 4d 35 aa bb cc 02 00 00 00 68 69 03 00",
            "          echo magic, nonce, message length, message, data length",
            "00000010  00 00 00 00 00 00 00 01 02                       |.........       |",
            "          data length, data",
        ]
    )


def test_a_missing_octet_is_marked_past_the_last_one() -> None:
    whole = frame(b"", bytes(12))
    assert len(whole) == 32
    assert dump.annotate(whole[:16].hex(), "server", expected=whole.hex())[-1].wrong == 0
    assert dump.annotate("", "server", expected=whole.hex())[0].wrong == 0


def test_a_long_hexdump_keeps_the_head_the_wrong_octet_and_the_end() -> None:
    rows = dump.annotate(frame(data=bytes(999)).hex(), "server", at=500)
    assert [row.offset for row in rows if not row.skipped] == [0, 16, 32, 48, 480, 496, 512, 528, 1008]
    assert sum(row.skipped or 1 for row in rows) == 64
    assert [row.wrong for row in rows if row.wrong is not None] == [4]


def test_an_offset_that_was_not_kept_marks_nothing() -> None:
    assert [row.wrong for row in dump.annotate("4b43", "client", at=5000)] == [None]


def test_the_field_of_a_missing_octet_is_known() -> None:
    assert dump.field_at(frame()[:8], "server", 8) == "message length"
    assert dump.field_at(frame(), "server", 23) == "data"
    assert dump.field_at(HELLO, "client", 8) == "surplus"


# Likely causes


def cause(found: Problem, role: str = "", events: Sequence[Event] = (), answer: Json | None = None) -> str:
    """Returns the likely cause of a failed case in this role."""
    result = Result("x/y@tcp6", "mine", found.rule, "MUST", role, "tcp6", "", Verdict.FAIL)  # type: ignore[arg-type]
    result.problems, result.events = [found], list(events)
    return causes.cause_of(result, answer)


def problem(
    rule: str = "frame.order", got: bytes = b"", wanted: bytes = b"", axis: Axis = "wire", saw: Saw = "octets"
) -> Problem:
    return Problem(rule, "MUST", axis, "got", "expected", got.hex(), wanted.hex(), saw=saw)


UMLAUT = "grüße €"
PLAIN = frame()
LONG = frame(data=bytes(i % 251 for i in range(2000)))[:1024]


def with_length(value: int, width: int, order: Literal["big", "little"], rest: bytes) -> bytes:
    return HELLO + value.to_bytes(width, order) + rest


@pytest.mark.parametrize(
    ("got", "wanted", "likely"),
    [
        (with_length(2, 4, "big", PLAIN[12:]), PLAIN, "the message length looks big-endian"),
        (PLAIN[:14] + (3).to_bytes(8, "big") + PLAIN[22:], PLAIN, "the data length looks big-endian"),
        (
            with_length(7, 4, "little", frame(UMLAUT.encode())[12:]),
            frame(UMLAUT.encode()),
            "counts characters, not octets",
        ),
        (with_length(2, 4, "little", frame("😀".encode())[12:]), frame("😀".encode()), "counts UTF-16 units"),
        (frame("hi".encode("utf-16-le")), PLAIN, "the message is UTF-16"),
        (frame("hi".encode("utf-16")), PLAIN, "UTF-16, with a byte order mark"),
        (with_length(2, 4, "little", "hi".encode("utf-16-le")), PLAIN, "the message is UTF-16"),
        (frame(b"hi\0"), PLAIN, "a trailing NUL is counted"),
        (frame(b"hi\n"), PLAIN, "a trailing newline is counted"),
        (frame(b"\xef\xbb\xbfhi"), PLAIN, "a byte order mark is added"),
        (with_length(6, 4, "little", PLAIN[12:]), PLAIN, "its own four octets"),
        (with_length(2, 1, "little", PLAIN[12:]), PLAIN, "the message length is 8 bits wide"),
        (with_length(2, 2, "little", PLAIN[12:]), PLAIN, "the message length is 16 bits wide"),
        (with_length(2, 8, "little", PLAIN[12:]), PLAIN, "the message length is 64 bits wide"),
        (HELLO + b"2\nhi3\n\0\1\2", PLAIN, "decimal digits"),
        (HELLO + b"\3\0\0\0\0\0\0\0\0\1\2\2\0\0\0hi", PLAIN, "the data come before the message"),
        (HELLO + (3).to_bytes(8, "little") + b"\0\1\2\0\0\0\0", frame(b""), "the data come before the message"),
        (HELLO + (3).to_bytes(8, "little") + b"\0\1\2", frame(b""), "no message length is sent for an empty message"),
        (frame("ü".encode("latin-1") + b"x"), frame("ü".encode()), "Latin-1"),
        (frame(b"a\xef\xbf\xbdb"), frame(b"a\xf0\x9f\x98b"), "replacement characters"),
        (frame(b"a\0\0"), frame(b"a\0b"), "ends at its first NUL"),
        (PLAIN[:14] + b"\3\0\0\0" + b"\0\1\2", PLAIN, "the declared length was 32 bits"),
        (PLAIN[:14] + b"\0\0\0\3" + b"\0\1\2", PLAIN, "32 bits, and looks big-endian"),
        (
            frame()[:14] + (1).to_bytes(8, "little"),
            frame()[:14] + (2**32 + 1).to_bytes(8, "little"),
            "the data length went through 32 bits",
        ),
        (PLAIN[:14] + (11).to_bytes(8, "little") + b"\0\1\2", PLAIN, "its own eight octets"),
        (frame(data=b"\0\1\2\n"), PLAIN, "one octet too many is counted"),
        (PLAIN[:14] + b"\0" + PLAIN[14:], PLAIN, "follows the message, and is not counted"),
        (PLAIN[:14] + b"\n" + PLAIN[14:], PLAIN, "follows the message, and is not counted"),
        (frame(data=b"a\nbc")[:22] + b"a\r\nb", frame(data=b"a\nbc"), "line ends are changed"),
        (frame(data=b"\x80\x81")[:22] + b"\xc2\x80", frame(data=b"\x80\x81"), "encoded as text"),
        (frame(data=bytes(3)), frame(data=b"\1\2\3"), "the data are zeros"),
        (frame(data=b"\1\2\0\0"), frame(data=b"\1\2\3\4"), "filled in part"),
        (PLAIN + b"\0", PLAIN, "a trailing NUL after the data"),
        (PLAIN + b"\n", PLAIN, "a trailing newline after the data"),
        (PLAIN + PLAIN[8:], PLAIN, "the frame is sent twice"),
        (PLAIN + b"bye", PLAIN, "octets follow the data"),
        (HELLO[::-1], PLAIN, "the echo is reversed"),
        (b"kcom5" + PLAIN[5:], PLAIN, "lower case"),
        (PLAIN[8:], PLAIN, "no echo"),
        (b"KCOM5\0\0\0" + PLAIN[8:], PLAIN, "the nonce of the echo is zeros"),
        (b"KCOM5\1\2\3" + PLAIN[8:], PLAIN, "a nonce of its own"),
    ],
)
def test_the_cause_is_recognised_in_what_a_server_sent(got: bytes, wanted: bytes, likely: str) -> None:
    assert likely in cause(problem(got=got, wanted=wanted), "server")


@pytest.mark.parametrize(
    ("got", "likely"),
    [
        (b"kcom5abc", "lower case"),
        (HELLO[::-1], "reversed"),
        ("KCOM5".encode("utf-16-le"), "UTF-16"),
        (b"\xef\xbb\xbfKCOM5", "byte order mark"),
        (HELLO + b"\0", "a trailing NUL"),
        (HELLO + b"\n", "a trailing newline"),
        (b"KCOM5aabbcc", "hexadecimal digits"),
        (HELLO[:5], "fewer than eight"),
    ],
)
def test_the_cause_is_recognised_in_what_a_client_sent(got: bytes, likely: str) -> None:
    assert likely in cause(problem("hello.form", got, HELLO), "client")


def sends(*pieces: bytes) -> list[Event]:
    return [Event(0, "suite", "octets", piece[:1024].hex(), len(piece)) for piece in pieces]


def answers(**line: object) -> Event:
    return Event(1, "implementation", "answer", text=json.dumps(line))


def answer_of(events: list[Event]) -> Json | None:
    """As it came, of events that show it whole."""
    texts = [event.text for event in events if event.what == "answer" and event.text != "no JSON"]
    answer: Json | None = json.loads(texts[-1]) if texts else None
    return answer


def delivered(octets: bytes, message: str = "hi", size: int | None = None) -> Event:
    return answers(ok=True, message=message, data={"size": size or len(octets), "sha256": "", "hex": octets.hex()})


SAID_HELLO = Event(0, "implementation", "octets", HELLO.hex(), 8)


@pytest.mark.parametrize(
    ("events", "likely"),
    [
        (
            [SAID_HELLO, *sends(PLAIN[:23], PLAIN[23:]), delivered(b"\0")],
            "one recv per field: stops where the first piece ended",
        ),
        (
            [SAID_HELLO, *sends(frame(data=b"\1\2\3\4")[:24], b"\3\4"), delivered(b"\1\2\0\0")],
            "the buffer has the declared size",
        ),
        ([SAID_HELLO, *sends(PLAIN[:24]), Event(1, "suite", "end"), delivered(b"\0\1")], "the stream's end is taken"),
        (
            [SAID_HELLO, *sends(HELLO + bytes(11) + b"\x40" + bytes(99)), delivered(bytes(64), "")],
            "the data length is read as big-endian",
        ),
        ([SAID_HELLO, *sends(PLAIN + b"x"), delivered(b"\0\1\2x")], "reads to the end of the stream"),
        ([SAID_HELLO, *sends(b"KCOM5\xaa\xbb\xcd" + PLAIN[8:]), delivered(b"\0\1\2")], "not compared beyond the magic"),
        ([SAID_HELLO, *sends(b"HCOM5" + PLAIN[5:]), delivered(b"\0\1\2")], "the echo is not compared"),
        ([SAID_HELLO, *sends(PLAIN[:6]), delivered(b"")], "the end of the stream in the echo"),
        ([SAID_HELLO, *sends(frame(b"\xff")), delivered(b"\0\1\2", "\ufffd")], "replacement characters"),
        ([SAID_HELLO, *sends(frame(b"a\0b")), delivered(b"\0\1\2", "a")], "C string"),
        ([SAID_HELLO, *sends(frame(b"\xef\xbb\xbfa")), delivered(b"\0\1\2", "a")], "byte order mark"),
        ([SAID_HELLO, *sends(frame(b"a\r\nb")), delivered(b"\0\1\2", "a\nb")], "line ends"),
        ([SAID_HELLO, *sends(frame("ü".encode())), delivered(b"\0\1\2", "Ã¼")], "Latin-1"),
        ([SAID_HELLO, *sends(PLAIN), delivered(b"\0\1\2", "h")], "the message stops where the first piece ended"),
    ],
)
def test_the_cause_is_recognised_in_what_a_client_delivered(events: list[Event], likely: str) -> None:
    assert likely in cause(
        problem("frame.segments", HELLO, b"", "delivered", "altered"), "client", events, answer_of(events)
    )


@pytest.mark.parametrize(
    "events",
    [
        [SAID_HELLO, *sends(PLAIN[:-1]), answers(error="timeout")],
        [SAID_HELLO, *sends(b"KCOM5\1\2\3" + PLAIN[8:]), answers(error="invalid-connection")],
        [SAID_HELLO, *sends(PLAIN[:24]), answers(error="truncated")],
        [SAID_HELLO, *sends(PLAIN), delivered(b"\0\1\2")],
        [answers(error="timeout")],
        [Event(0, "implementation", "answer", text="no JSON")],
        [],
    ],
)
def test_a_client_that_answers_right_gets_no_cause_from_its_answer(events: list[Event]) -> None:
    assert cause(problem("result.class", HELLO, b"", "ended", ""), "client", events, answer_of(events)) == ""


def test_a_part_of_a_length_is_no_length() -> None:
    assert cause(problem(got=HELLO + b"\0", wanted=PLAIN[:9]), "server") == ""


def test_right_octets_have_no_cause() -> None:
    assert cause(problem(got=PLAIN, wanted=PLAIN), "server") == ""


def test_any_octets_give_a_cause_or_none_and_no_error() -> None:
    source = random.Random(5)
    for _ in range(3000):
        right = bytearray(source.choice([PLAIN, LONG, frame(UMLAUT.encode()), b"", HELLO]))
        wrong = bytearray(right)
        for _ in range(source.randrange(4)):
            at = source.randrange(len(wrong) + 1)
            wrong[at : at + source.randrange(3)] = source.randbytes(source.randrange(3))
        role = source.choice(["server", "client", "both", "address"])
        events = [*sends(bytes(wrong)), delivered(bytes(wrong)), *sends(b"x")]
        assert isinstance(cause(problem(got=bytes(wrong), wanted=bytes(right)), role, events), str)
        dump.hexdump(dump.annotate(wrong.hex(), role, expected=right.hex()))
