"""Grains as the bits of Python integers: bit i is grain i."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def span(start: int, length: int) -> int:
    """Give the grains [start, start + length)."""
    return ((1 << length) - 1) << start


def runs(bits: int, length: int) -> int:
    """Give the grains at which a run of `length` set grains starts.

    The covered length doubles with each step, so a run of n grains costs about log2 n shifts.
    """
    have = 1
    while have < length:
        step = min(have, length - have)
        bits &= bits >> step
        have += step
    return bits


def aligned(grains: int, step: int, offset: int = 0) -> int:
    """Give the grains below `grains` that differ from `offset` by a multiple of `step`."""
    if step < 1:
        raise ValueError(f"step {step} is less than one grain")
    first = offset % step
    if first >= grains:
        return 0
    count = (grains - 1 - first) // step + 1
    # A repeating 1 every `step` bits is the geometric sum (2^(step·count) - 1) / (2^step - 1).
    return (((1 << (step * count)) - 1) // ((1 << step) - 1)) << first


def each(bits: int) -> Iterator[int]:
    """Yield the numbers of the set bits, lowest first."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
