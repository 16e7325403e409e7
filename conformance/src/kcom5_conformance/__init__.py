"""The conformance suite for implementations of KCOM5. `kcom5-conformance --help` lists its commands."""

__version__ = "1.0.0"
