"""Compares calendar servers; see `benchmarks.calendar.__main__`."""
