"""Is this a KCOM5 implementation? The conformance suite; `kcom5-conformance --help` says how to ask."""

__version__ = "1.0.0"
