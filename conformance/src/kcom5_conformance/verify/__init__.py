"""A verdict on a recorded exchange: a capture (pcap, pcapng), or the bytes of both directions.

It reads the record and nothing else: the wire rules of the spec's "Wire format", and of "Closing" what an ending shows.
It shares no code with the implementations. Times and memory are not judged.
"""

from .record import Verdicts
from .verdict import CODES, show, to_text, verify

__all__ = ["CODES", "Verdicts", "show", "to_text", "verify"]
