"""Values near the edges of the spec's ranges, for generated scripts."""

from __future__ import annotations

WELL_FORMED = (
    b"",
    b"hi",
    b"a\n",
    b" a ",
    b"\0",
    b"a\0b",
    b"\xef\xbb\xbfa",
    b"\r\n",
    b"a\rb\r",
    b"\xc2\x85",
    b"\xe2\x80\xa8\t",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    "\u4f60\u597d, na\u00efve \U0001f600".encode(),
    b"\\n\"'%s{}",
    b"\xef\xbf\xbd",
    b"\x1b[31m",
)
ILL_FORMED = (
    b"\xff",
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc2",
    b"\xc2\x41",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe2\x82",
    b"\xe2\x82\x41",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x81\xed\xb0\x80",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe\xff",
)
PADS = (
    *(0, 1, 2, 3, 4, 7, 8, 127, 128, 250, 251, 252, 253, 254, 255, 256, 257, 1023, 1024, 4095, 4096, 16383),
    *(65533, 65534, 65535, 65536, 65537),
)
SIZES = (0, 1, 2, 3, 8, 127, 128, 251, 252, 255, 256, 257, 1023, 1024, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384,
         16385, 32767, 32768, 36864, 61440, 65535, 65536, 65537, 131072, 131073, 196608, 262144, 262145)  # fmt: skip
LARGE = (524288, 1 << 20, (1 << 20) + 1, (2 << 20) - 1, (8 << 20) + 4096)
HUGE = 16 << 20
"""Bytes that no kernel buffers for a client that does not read."""
FLOOD = 8 << 20
"""Bytes that a kernel rarely buffers for a server that does not read."""
QUEUED = 1 << 19
"""Bytes that a server's kernel takes, and that of a client that does not read takes only in part."""
FILLS = ("counter251", "00", "0a", "ff", "0d0a", "6100", "1a", "00ff")
DECLARED = (
    *(1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 65537, (1 << 24) - 1, 1 << 24, (1 << 31) - 1, 1 << 31),
    *((1 << 32) - 1, 1 << 32, (1 << 32) + 1, (1 << 32) + 256, 1 << 52, (1 << 53) + 1, 1 << 62, (1 << 63) - 1, 1 << 63),
    (1 << 64) - 1,
)
NONCES = (b"\xaa\xbb\xcc", b"\0\0\0", b"\xff\xff\xff", b"\n\r\0", b"\r\n\r", b"KCO", b"\x80\x81\xfe", b" \t ", b"\0ab")
FOREIGN = (
    *(b"GET / HTTP/1.1\r\n\r\n", b"KCOM5abc / HTTP/1.1\r\nHost: x\r\n\r\n", b"kcom5\xaa\xbb\xcc"),
    *(b"KCOM4\xaa\xbb\xcc", bytes(8), b"MCOK5abc", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"5MOCKabc", b" KCOM5ab"),
)

CUTS: tuple[tuple[int, ...], ...] = (
    *((),) * 24,
    *((at,) for at in range(1, 25)),
    *((-at,) for at in range(1, 4)),
    (1, 2, 3, 4, 5, 6, 7),
    (5, 8),
    (8, 12),
    (9, 13),
    (7, 11, 20),
    (12, 16, 20),
    (100,),
    (1000, 5000),
    (4096,),
    (65535, 65536),
)
"""Offsets; negative ones count from the end."""

SERVER_PORTS = (65536, -1, 65537, 79136, 131072, 1 << 31, 1 << 32, -(1 << 31))
CLIENT_PORTS = (0, *SERVER_PORTS)
"""Invalid ports, some of which look valid when truncated to 16 bits."""
LONG_BOUND = 10
"""T in seconds whose pauses are longer than the limits that programs set of their own accord."""
NO_BOUNDS = (0, -1, -(1 << 31), 4294968)
"""T that never passes while a script is played. In 32 bits of milliseconds the last one is less than a second."""
