"""Mutants: each is the reference peer with one thing changed, and names the rule that it breaks.

Each is wrong in one role and right in the others. Every rule of the spec has at least one. Two faults have none,
because no peer can see them: a port that is probed, closed and bound again (`listen.port-zero`), and a clock that
is not monotonic (`time.bounds`), which shows only while somebody sets it.
"""
