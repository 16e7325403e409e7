"""What a case uses: adapters, calls, raw connections, ports, processes; and what runs a case."""
