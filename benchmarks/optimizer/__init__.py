"""Benchmarks of the optimizer: `python -m benchmarks.optimizer [--instances FILE…]`."""
