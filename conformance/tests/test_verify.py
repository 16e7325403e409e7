"""Tests of verify: correct exchanges, each fault, and files that are not an exchange."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dpkt
import pytest
from rich.console import Console

from kcom5_conformance.errors import UsageError
from kcom5_conformance.verify import Verdicts, show, to_text, verify

HELLO = b"KCOM5\xaa\xbb\xcc"
CLIENT, SERVER = 40000, 13600
FIN, SYN, RST, ACK = dpkt.tcp.TH_FIN, dpkt.tcp.TH_SYN, dpkt.tcp.TH_RST, dpkt.tcp.TH_ACK


def frame(message: bytes = b"hi", data: bytes = b"\x00\x01\x02") -> bytes:
    return len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data


RIGHT = HELLO + frame()


class Recorder:
    """Builds the IP packets of one connection."""

    def __init__(
        self, *, six: bool = True, client: int = CLIENT, server: int = SERVER, first: int = 0xFFFFFFF0
    ) -> None:
        self.six, self.ports = six, {">": (client, server), "<": (server, client)}
        self.sequence = {">": first, "<": 77}
        self.packets: list[bytes] = []

    def packet(self, way: str, flags: int = ACK, octets: bytes = b"", back: int = 0) -> Recorder:
        """`back` sends that many bytes before the next one again."""
        source, target = self.ports[way]
        sequence = (self.sequence[way] - back) % (1 << 32)
        tcp = dpkt.tcp.TCP(sport=source, dport=target, seq=sequence, flags=flags, data=octets)
        if not back:
            self.sequence[way] = (sequence + len(octets) + bool(flags & (SYN | FIN))) % (1 << 32)
        if self.six:
            host = bytes(15) + b"\x01"
            ip = dpkt.ip6.IP6(src=host, dst=host, nxt=6, hlim=64, plen=len(tcp), data=tcp)
        else:
            ip = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=6, data=tcp)
            ip.len = len(ip)
        self.packets.append(bytes(ip))
        return self

    def open(self) -> Recorder:
        return self.packet(">", SYN).packet("<", SYN | ACK).packet(">")

    def client(self, octets: bytes) -> Recorder:
        return self.packet(">", ACK, octets)

    def server(self, octets: bytes) -> Recorder:
        return self.packet("<", ACK, octets)

    def close(self, first: str = "<") -> Recorder:
        return self.packet(first, FIN | ACK).packet("<" if first == ">" else ">", FIN | ACK)

    def reset(self, way: str) -> Recorder:
        return self.packet(way, RST | ACK)


def exchange(
    sent: bytes = HELLO, server: bytes = RIGHT, ports: tuple[int, int] = (CLIENT, SERVER), **options: Any
) -> Recorder:
    recorder = Recorder(client=ports[0], server=ports[1], **options).open().client(sent)
    return recorder.server(server) if server else recorder


LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "raw": (101, lambda ip: ip),
    "raw-of-bsd": (12, lambda ip: ip),
    "null": (0, lambda ip: struct.pack("<I", 10 if ip[0] >> 4 == 6 else 2) + ip),
    "loop": (108, lambda ip: struct.pack(">I", 30 if ip[0] >> 4 == 6 else 2) + ip),
    "ethernet": (1, lambda ip: bytes(12) + (b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00") + ip),
    "vlan": (1, lambda ip: bytes(12) + b"\x81\0\0\7" + (b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00") + ip),
    "sll": (113, lambda ip: bytes(14) + (b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00") + ip),
    "sll2": (276, lambda ip: (b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00") + bytes(18) + ip),
}


def capture(path: Path, packets: list[bytes], link: str = "raw", *, ng: bool = False, kept: int = 65535) -> Path:
    number, wrap = LINKS[link]
    file = io.BytesIO()
    writer = (dpkt.pcapng.Writer if ng else dpkt.pcap.Writer)(file, snaplen=65535, linktype=number)
    for index, packet in enumerate(packets):
        writer.writepkt(wrap(packet)[:kept], ts=1_700_000_000 + index / 1000)
    path.write_bytes(file.getvalue())
    return path


def judged(tmp_path: Path, recorder: Recorder) -> Verdicts:
    return verify(capture(tmp_path / "a.pcap", recorder.packets))


def rules(verdicts: Verdicts) -> list[str]:
    return [problem.rule for connection in verdicts.connections for problem in connection.problems]


@pytest.mark.parametrize("ng", [False, True], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("six", [False, True], ids=["tcp4", "tcp6"])
@pytest.mark.parametrize("link", LINKS)
def test_right_exchange_conforms_on_every_link(tmp_path: Path, link: str, six: bool, ng: bool) -> None:
    verdicts = verify(capture(tmp_path / "a", exchange(six=six).close().packets, link, ng=ng))
    (connection,) = verdicts.connections
    assert (connection.client, connection.server) == (HELLO, RIGHT)
    assert (connection.problems, connection.notes, connection.is_whole) == ([], [], True)
    assert verdicts.is_ok(strict=True)


@pytest.mark.parametrize(
    "recorder",
    [
        exchange(server=HELLO + frame(b"", b"")).close(">"),
        exchange(server=HELLO + frame("ü\0\U0001d11e".encode(), bytes(70))).close(),
        Recorder().open().client(HELLO).packet(">", FIN | ACK).server(RIGHT).packet("<", FIN | ACK),
        Recorder()
        .open()
        .client(HELLO[:3])
        .client(HELLO[3:])
        .server(RIGHT[:1])
        .server(RIGHT[1:9])
        .server(RIGHT[9:])
        .close(),
    ],
    ids=["empty", "text", "half-closed", "pieces"],
)
def test_right_exchanges_conform(tmp_path: Path, recorder: Recorder) -> None:
    verdicts = judged(tmp_path, recorder)
    assert rules(verdicts) == []
    assert verdicts.is_ok(strict=True)


BIG_LENGTH = HELLO + b"\0\0\0\2hi" + frame(b"", b"\0\1\2")[4:]
BIG_DATA = HELLO + frame()[:6] + b"\0\0\0\0\0\0\0\3\0\1\2"
CHARACTERS = HELLO + b"\2\0\0\0" + "üü".encode() + frame(b"", b"x")[4:]


@pytest.mark.parametrize(
    ("recorder", "expected", "at"),
    [
        (exchange(b"KCOM4\xaa\xbb\xcc", b"").reset("<"), ["hello.form"], 4),
        (exchange(b"KCOM4\xaa\xbb\xcc", b"").close(), ["hello.form", "close.abort"], 4),
        (exchange(b"KCOM4\xaa\xbb\xcc").close(), ["hello.form", "hello.reject", "close.abort"], 4),
        (exchange(HELLO[:7], b"").packet(">", FIN | ACK).reset("<"), ["hello.form"], None),
        (exchange(HELLO[:7]).close(), ["hello.form", "echo.exact", "close.abort"], None),
        (exchange(HELLO + b"x", b"").reset("<"), ["hello.form"], 8),
        (exchange(HELLO + b"x").close(), ["hello.form", "hello.alone"], 8),
        (exchange(server=HELLO[:7] + b"\xcd" + frame()).reset(">"), ["echo.exact"], 7),
        (exchange(server=HELLO[:7] + b"\xcd" + frame()).close(), ["echo.exact", "close.abort"], 7),
        (exchange(server=HELLO[:5]).reset("<"), ["echo.exact"], None),
        (exchange(server=b"").reset("<"), ["echo.exact"], None),
        (exchange(server=RIGHT + b"\n").close(), ["frame.order", "close.abort"], 25),
        (exchange(server=HELLO + frame(b"a\xed\xa0\x80")).reset(">"), ["message.utf8"], 13),
        (exchange(server=HELLO + frame(b"\xc0\x80")).close(), ["message.utf8", "close.abort"], 12),
        (exchange(server=RIGHT[:-1]).reset("<"), ["data.truncated"], 24),
        (exchange(server=RIGHT[:9]).packet("<", FIN | ACK).reset(">"), ["data.truncated"], 9),
        (exchange(server=RIGHT[:20]).close(), ["data.truncated", "close.abort"], 20),
        (exchange(server=BIG_LENGTH).reset(">"), ["message.length"], 8),
        (exchange(server=BIG_DATA).reset(">"), ["data.length"], 14),
        (exchange(server=CHARACTERS).reset(">"), ["message.length"], 8),
        (
            Recorder().open().client(HELLO).packet(">", FIN | ACK).server(RIGHT[:12]).reset("<"),
            ["close.half"],
            12,
        ),
        (exchange(server=RIGHT[:12]).client(b"more").reset("<"), ["hello.form", "close.extra"], 8),
        (exchange().client(b"more").packet("<", FIN | ACK).reset("<"), ["hello.form", "close.extra"], 8),
        (exchange().reset("<"), ["close.confirm"], None),
        (exchange().packet("<", FIN | ACK).reset("<"), ["close.confirm"], None),
        (exchange().packet("<", FIN | ACK).reset(">"), ["close.confirm"], None),
    ],
)
def test_each_fault_is_named(tmp_path: Path, recorder: Recorder, expected: list[str], at: int | None) -> None:
    verdicts = judged(tmp_path, recorder)
    problems = verdicts.connections[0].problems
    assert rules(verdicts) == expected
    assert problems[0].at == at
    assert all(problem.got and problem.expected for problem in problems)
    assert verdicts.is_ok() == all(problem.level == "SHOULD" for problem in problems)
    assert not verdicts.is_ok(strict=True)


def test_streams_are_put_together_from_repeated_and_disordered_segments(tmp_path: Path) -> None:
    recorder = Recorder().open().client(HELLO).packet(">", ACK, HELLO[4:], back=4)
    parts = [RIGHT[:10], RIGHT[10:14], RIGHT[14:20], RIGHT[20:]]
    for part in parts:
        recorder.server(part)
    recorder.close()
    first = recorder.packets.index(next(p for p in recorder.packets if p.endswith(parts[0])))
    recorder.packets[first : first + 4] = [recorder.packets[first + i] for i in (2, 0, 3, 1)]
    (connection,) = judged(tmp_path, recorder).connections
    assert (connection.client, connection.server, connection.problems) == (HELLO, RIGHT, [])
    assert connection.notes == [
        "segments of the client sent again: 1",
        "segments of the server that came early: 2",
    ]


def test_missing_segment_is_said_and_nothing_is_judged(tmp_path: Path) -> None:
    recorder = Recorder().open().client(HELLO).server(RIGHT[:10]).server(RIGHT[10:20]).server(RIGHT[20:]).close()
    del recorder.packets[5]
    verdicts = judged(tmp_path, recorder)
    assert "the capture lacks octets 10 to 19 of the server" in verdicts.connections[0].notes
    assert (rules(verdicts), verdicts.is_ok()) == ([], False)
    assert "not judged" in to_text(verdicts)


def test_retransmission_with_other_octets_is_not_judged(tmp_path: Path) -> None:
    recorder = exchange().packet("<", ACK, b"\x07\x07", back=2).close()
    verdicts = judged(tmp_path, recorder)
    assert "the server sent other octets again at offset 23" in verdicts.connections[0].notes
    assert not verdicts.is_ok()


def test_packets_that_were_not_kept_whole_are_not_judged(tmp_path: Path) -> None:
    recorder = exchange(server=HELLO + frame(b"", bytes(500))).close()
    verdicts = verify(capture(tmp_path / "a", recorder.packets, kept=100))
    assert "the capture lacks octets 40 to 519 of the server" in verdicts.connections[0].notes
    assert not verdicts.is_ok()


def test_capture_that_began_too_late_is_not_judged(tmp_path: Path) -> None:
    recorder = exchange().close()
    verdicts = verify(capture(tmp_path / "a", recorder.packets[3:]))
    assert "the capture began later than the connection" in verdicts.connections[0].notes
    assert not verdicts.is_ok()


def test_several_connections_are_judged_each_and_others_passed_over(tmp_path: Path) -> None:
    web = Recorder(client=40001, server=80).open().client(b"GET / HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 200 OK").close()
    right = exchange(ports=(40002, 23456)).close()
    again = exchange(ports=(40002, 23456), first=5000).reset("<")
    packets = [p for pair in zip(web.packets, right.packets, strict=False) for p in pair] + right.packets[
        len(web.packets) :
    ]
    verdicts = verify(capture(tmp_path / "a", packets + again.packets))
    assert [[p.rule for p in c.problems] for c in verdicts.connections] == [[], ["close.confirm"]]
    assert verdicts.notes == ["1 other TCP connections are passed over"]
    assert verdicts.connections[0].name == "[::1]:40002 → [::1]:23456"


def test_ladder_has_the_times_of_the_capture(tmp_path: Path) -> None:
    text = to_text(judged(tmp_path, exchange(server=RIGHT + b"\n").close()))
    assert "does not conform" in text
    assert "   0.000000s  client ──►  connects\n" in text
    assert "   0.003000s  client ──►  8 octets at 0: 4b 43 4f 4d 35 aa bb cc\n" in text
    assert "   0.005000s  ◄── server  FIN\n" in text
    assert "  frame.order (MUST) (at offset 25)\n    got       1 octets after the data\n" in text


def test_exit_code_is_the_verdict(tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, width=40)
    cases = [(exchange().close(), 0, 0), (exchange().reset("<"), 0, 1), (exchange(server=RIGHT[:9]).reset("<"), 1, 1)]
    for recorder, code, strict_code in cases:
        path = capture(tmp_path / "a", recorder.packets)
        assert (show(path, console), show(path, console, strict=True)) == (code, strict_code)
    assert output.getvalue().count("conform\n") + output.getvalue().count("conforms\n") == 6


def test_ladder_of_many_pieces_is_shortened(tmp_path: Path) -> None:
    recorder = Recorder().open().client(HELLO)
    for at in range(len(RIGHT)):
        recorder.server(RIGHT[at : at + 1])
    lines = to_text(judged(tmp_path, recorder.close())).splitlines()
    assert sum("◄── server  1 octets at" in line for line in lines) == 8
    assert f"… {len(RIGHT) - 8} more pieces, {len(RIGHT) - 8} octets" in "\n".join(lines)


@pytest.mark.parametrize("ng", [False, True], ids=["pcap", "pcapng"])
def test_truncated_capture_is_said(tmp_path: Path, ng: bool) -> None:
    path = capture(tmp_path / "a", exchange().close().packets, ng=ng)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert "the file ends inside a packet" in verify(path).notes
    for size in (4, 20, 30, 60, 150):
        path.write_bytes(whole[:size])
        verdicts = verify(path)
        assert (verdicts.word(), verdicts.connections) == ("not judged", [])
        assert "the file ends inside a packet" in verdicts.notes


def test_capture_without_an_exchange_is_an_error(tmp_path: Path) -> None:
    web = Recorder(client=40001, server=80).open().client(b"GET / HTTP/1.1\r\n\r\n").close()
    with pytest.raises(UsageError, match="no KCOM5 exchange: 1 TCP connections"):
        judged(tmp_path, web)
    with pytest.raises(UsageError, match="no KCOM5 exchange: 0 TCP connections"):
        verify(capture(tmp_path / "a", [b"", b"\x45", b"\x60" * 50, b"\x00" * 80]))


def test_link_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    path = capture(tmp_path / "a", exchange().close().packets)
    octets = bytearray(path.read_bytes())
    octets[20:24] = struct.pack("<I" if octets[:1] == b"\xd4" else ">I", 147)
    path.write_bytes(octets)
    with pytest.raises(UsageError, match="link type 147 is not known here"):
        verify(path)


@pytest.mark.parametrize("octets", [b"\xff\x00\x80garbage", b"", b"# nothing\n", b"> 4b4\n", b"hello\n", b"> zz"])
def test_garbage_is_an_error(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "a").write_bytes(octets)
    with pytest.raises(UsageError, match=r"neither|no octets|line 1: got .*, expected"):
        verify(tmp_path / "a")
    with pytest.raises(UsageError, match=r"cannot read .*: No such file"):
        verify(tmp_path / "b")


def test_text_of_octets_is_judged_but_for_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(f"# an exchange\n> 4b 43 4f\n>{HELLO[3:].hex()}\n\n< {RIGHT[:20].hex()}\n< {RIGHT[20:].hex(' ')}\n")
    verdicts = verify(path)
    assert (rules(verdicts), verdicts.is_ok(strict=True)) == ([], True)
    assert verdicts.connections[0].notes == ["the record does not tell how the connection ended"]
    path.write_text(f"> {HELLO.hex()}\n< {RIGHT[:20].hex()}\n")
    assert rules(verify(path)) == ["data.truncated"]


def test_two_files_are_what_each_end_sent(tmp_path: Path) -> None:
    (tmp_path / "client").write_bytes(HELLO)
    (tmp_path / "server").write_bytes(RIGHT)
    assert verify(tmp_path / "client", tmp_path / "server").is_ok(strict=True)
    (tmp_path / "server").write_bytes(BIG_DATA)
    assert rules(verify(tmp_path / "client", tmp_path / "server")) == ["data.length"]


# ---- records that are large, cut, or do not end


def _seconds(path: Path) -> float:
    start = time.process_time()
    verify(path)
    return time.process_time() - start


def _early(count: int) -> list[bytes]:
    """Every segment of the data arrives before its predecessor."""
    stream = HELLO + frame(b"", bytes(500 * count))
    recorder = exchange(server=b"")
    first = recorder.sequence["<"]
    for at in range(0, len(stream), 500):
        recorder.server(stream[at : at + 500])
    assert recorder.sequence["<"] == first + len(stream)
    recorder.packets[4:] = recorder.packets[:3:-1]
    return recorder.close().packets


@pytest.mark.parametrize("count", [10_000])
def test_capture_with_early_segments_takes_time_by_its_length(tmp_path: Path, count: int) -> None:
    """An earlier version took 34 s for 5.7 MB."""
    path = capture(tmp_path / "a", _early(count))
    assert path.stat().st_size > 5_700_000
    (connection,) = verify(path).connections
    assert (len(connection.server), connection.problems) == (20 + 500 * count, [])
    few = capture(tmp_path / "few", _early(count // 4))
    assert _seconds(path) < 12 * _seconds(few) + 0.5


def test_text_full_of_right_lengths_takes_time_by_its_length(tmp_path: Path) -> None:
    """An earlier version took 37 s for 1.28 MB."""
    path = tmp_path / "a"

    def write(count: int) -> None:
        size = 20 * count
        declared = size - 8
        pieces = [max(size - at - 28, 0).to_bytes(8, "little") + bytes(12) for at in range(8, size, 20)]
        stream = (HELLO + declared.to_bytes(4, "little") + b"".join(pieces))[: size + 12]
        path.write_text(f"> {HELLO.hex()}\n< {stream.hex()}\n")

    write(8_000)
    few = _seconds(path)
    write(32_000)
    assert path.stat().st_size > 1_280_000
    assert _seconds(path) < 12 * few + 0.5


def test_record_has_a_bound_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = capture(tmp_path / "a", exchange().close().packets)
    monkeypatch.setattr("kcom5_conformance.verify.record.MOST_READ", 100)
    with pytest.raises(UsageError, match="has more than 0 MiB, which is not read"):
        verify(path)


@pytest.mark.parametrize("kept", [4, 7, 12, 23, len(RIGHT) - 1])
def test_capture_that_stops_in_the_middle_is_not_judged(tmp_path: Path, kept: int) -> None:
    verdicts = judged(tmp_path, exchange(server=RIGHT[:kept]))
    assert (rules(verdicts), verdicts.word()) == ([], "not judged")
    assert show(tmp_path / "a.pcap", Console(file=io.StringIO())) == 5
    # An earlier fault stays a fault.
    wrong = judged(tmp_path, exchange(server=b"kcom5"))
    assert (rules(wrong), wrong.word()) == (["echo.exact"], "does not conform")


def test_standard_input_can_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    octets = capture(tmp_path / "a", exchange().close().packets).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(octets)))
    assert verify(Path("-")).word() == "conforms"
    with pytest.raises(UsageError, match="both files are standard input"):
        verify(Path("-"), Path("-"))
