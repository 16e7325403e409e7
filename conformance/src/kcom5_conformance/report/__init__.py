"""The reports of a run: terminal, JSON, JUnit XML and one HTML page. Each is made only from `results.Run`."""
