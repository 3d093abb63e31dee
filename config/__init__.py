"""Composition root: settings, process start, command line, the example town."""
