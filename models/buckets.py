"""Shape buckets: a GPU decodes a few shapes only, so that a step recorded for one shape is used again and again."""

from typing import NamedTuple

ROWS, COLUMNS = 16, 64


class Bucket(NamedTuple):
    """The shape of the keys and values that a step of decoding reads."""

    rows: int
    columns: int


def bucket(rows: int, columns: int) -> Bucket:
    """The smallest bucket for so many rows, of at most so many tokens each.

    Rows are rounded up to a power of two, above 16 to a multiple of 16; columns to a multiple of 64.
    """
    power = 1 << (rows - 1).bit_length()
    return Bucket(power if rows <= ROWS else _multiple(rows, ROWS), _multiple(columns, COLUMNS))


def _multiple(number: int, unit: int) -> int:
    return -(-number // unit) * unit
