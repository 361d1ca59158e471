"""Measures Nestor against peers and against its floors, on this machine: `python -m benchmarks`."""
