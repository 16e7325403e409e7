"""The tools of a case (adapters, calls, raw connections, ports, processes), and the runner of the cases."""
