"""Runs the benchmarks: `python -m benchmarks --help`."""

from benchmarks.cli import main

if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
