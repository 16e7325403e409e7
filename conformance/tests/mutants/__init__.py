"""Mutants. Each is the reference peer with one change, and names the rule that it breaks.

Each is wrong in one role and right in the others. Every rule of the spec has at least one. Two faults have none,
because no peer can see them. One probes a port, closes it and binds it again (`listen.port-zero`). The other has a
clock that is not monotonic (`time.bounds`); it shows only while somebody sets the clock.
"""
