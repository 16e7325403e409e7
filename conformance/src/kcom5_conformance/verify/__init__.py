"""A verdict on a recorded exchange: a capture (pcap, pcapng), or the bytes of both directions.

It reads only the record, and judges the rules of the spec's "Wire format", and those of "Closing" that an ending shows.
It shares no code with the implementations. It does not judge times and memory.
"""

from .record import Verdicts
from .verdict import CODES, show, to_text, verify

__all__ = ["CODES", "Verdicts", "show", "to_text", "verify"]
