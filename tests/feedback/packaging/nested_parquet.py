"""Parquet files without rows, of which only the schema is deep: pyarrow cannot write them."""

import struct

_OPTIONAL = b"\x35\x02"  # field 3, a number: 1
_STRUCTS = 0x0C


def nested(*groups: int) -> bytes:
    """A file with a schema of so many groups, one within the other, and a column in the innermost; or several such."""
    schemas = [_schema(count) for count in groups]
    later = b"".join(b"\x09\x04" + schema for schema in schemas[1:])  # the id of the field follows
    footer = b"\x15\x04\x19" + schemas[0] + later + b"\x06\x06\x00" + b"\x09\x08\x0c" + b"\x00"
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def _schema(groups: int) -> bytes:
    root, group = b"\x48\x01r\x15\x02\x00", _OPTIONAL + b"\x18\x01a\x15\x02\x00"  # a name, and one child
    column = b"\x15\x02" + _OPTIONAL + b"\x18\x01x\x00"
    return b"\xfc" + _varint(groups + 2) + root + group * groups + column


def _varint(number: int) -> bytes:
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + _varint(high) if high else bytes([low])
