"""Runs the reference peer. Python keeps the compiled form of a module, but compiles its main program at each start."""

from reference_peer import ReferencePeer

if __name__ == "__main__":
    ReferencePeer().main()
