"""Mutants that break a rule of the address."""

from __future__ import annotations

import contextlib

from reference_peer import GROUPS, Failure

from .registry import Mutant


class PackTakesAnyPort(Mutant):
    """pack does not check the port."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(1, key)


class PackTakesAnyKey(Mutant):
    """pack accepts every key of 1 to 48 bytes."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port, key if not 1 <= len(key) <= 48 else b"k")


class PackTakesEmptyKey(Mutant):
    """pack makes an address without a key."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port, key or b"k")


class PackLooksAtTheKeyFirst(Mutant):
    """pack reports a wrong key before a wrong port."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        if len(key) not in GROUPS:
            raise Failure("invalid-key")
        super().check_pack(port, key)


class PackWrapsThePort(Mutant):
    """pack stores the port in 16 bits before it checks it."""

    rule, role = "address.pack-reject", "address"

    def pack(self, port: int, key: bytes) -> str:
        return super().pack(port & 0xFFFF, key)


class PackRefusesReservedPorts(Mutant):
    """pack treats a recommendation as a rule and refuses ports up to 1023."""

    rule, role = "address.form", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port if port > 1023 else 0, key)


class PackTakesNoLongKey(Mutant):
    """pack refuses a key of 48 bytes."""

    rule, role = "address.form", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port, key if len(key) < 48 else b"")


class PackWritesCapitals(Mutant):
    """pack writes upper-case digits."""

    rule, role = "address.canonical", "address"

    def group(self, octet: int) -> str:
        return f"{octet:02X}"


class PackDropsZeros(Mutant):
    """pack writes a byte below 16 with one digit."""

    rule, role = "address.canonical", "address"

    def group(self, octet: int) -> str:
        return f"{octet:x}"


class PackPadsThePort(Mutant):
    """pack writes every port with five digits."""

    rule, role = "address.canonical", "address"

    def pack(self, port: int, key: bytes) -> str:
        return super().pack(port, key).rjust(len(key) * 3 + 5, "0")


class UnpackWantsLowerCase(Mutant):
    """unpack refuses upper-case digits."""

    rule, role = "address.case", "address"

    def is_group(self, text: str) -> bool:
        return super().is_group(text) and text == text.lower()


class UnpackWantsOneCase(Mutant):
    """unpack refuses a group of mixed case."""

    rule, role = "address.case", "address"

    def is_group(self, text: str) -> bool:
        return super().is_group(text) and text in (text.lower(), text.upper())


class UnpackDoesNotExpand(Mutant):
    """unpack does not expand a short key."""

    rule, role = "address.expand", "address"

    def expand(self, key: bytes) -> bytes:
        return key


class UnpackFillsWithZeros(Mutant):
    """unpack fills a short key with zeros."""

    rule, role = "address.expand", "address"

    def expand(self, key: bytes) -> bytes:
        return key.ljust(48, b"\0")


class UnpackRepeatsEachOctet(Mutant):
    """unpack repeats each byte instead of the key."""

    rule, role = "address.expand", "address"

    def expand(self, key: bytes) -> bytes:
        return bytes(octet for octet in key for _ in range(48 // len(key)))


class UnpackIsLenient(Mutant):
    """unpack leaves the checks to int(), which accepts spaces, signs, underscores and every port."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        with contextlib.suppress(ValueError):
            int(text)
            return True
        return False


class UnpackJoinsGroups(Mutant):
    """unpack joins all digits of a key, so 13600.abcd is two bytes."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, _, rest = address.partition(".")
        digits = rest.replace(".", "")
        return super().unpack(".".join([port, *(digits[i : i + 2] for i in range(0, len(digits), 2))]))


class UnpackCrashes(Mutant):
    """unpack of an address without a key crashes the process."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        address.split(".")[1]
        return super().unpack(address)


class UnpackTakesEveryDigit(Mutant):
    """unpack accepts digits outside ASCII in the port."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return text.isdecimal() and super().is_port(str(int(text)) if text[0] not in "0٠" else text)


class UnpackTakesLeadingZeros(Mutant):
    """unpack reads 013600 as 13600."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return super().is_port(text.lstrip("0"))


class UnpackTakesEveryPort(Mutant):
    """unpack accepts ports up to 99999."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 5


class UnpackTakesEveryCount(Mutant):
    """unpack accepts every number of groups from 1 to 48."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, *groups = address.split(".")
        if not 1 <= len(groups) <= 48 or not all(map(self.is_group, groups)):
            raise Failure("invalid-address")
        super().unpack(f"{port}.aa")
        return int(port), (bytes.fromhex("".join(groups)) * 48)[:48]


class UnpackStrips(Mutant):
    """unpack first strips white space and line ends."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        return super().unpack(address.strip())


class UnpackTakesTrailingDot(Mutant):
    """unpack accepts a dot after the last group."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        return super().unpack(address.removesuffix("."))


class UnpackStopsAtNul(Mutant):
    """unpack ignores the text after a NUL."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        return super().unpack(address.partition("\0")[0])


class UnpackTakesPortZero(Mutant):
    """unpack accepts port 0."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return text == "0" or super().is_port(text)
