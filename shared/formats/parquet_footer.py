"""Joining Parquet files by their footers: a reader and a writer of Thrift's compact protocol, and the offsets to shift.

A footer (``FileMetaData`` of parquet.thrift) is read as nested fields without a schema, so that everything in it is
written again as it was. Sources: parquet.thrift of apache/parquet-format, thrift-compact-protocol.md of apache/thrift.
"""

import struct
from collections.abc import Sequence
from typing import Any

MAGIC = b"PAR1"
_TAIL_BYTES = 8
"""The end of a file: the footer's length as a 32-bit number, and the magic."""

Fields = dict[int, tuple[int, Any]]
"""A struct: the type and the value of each field by its id, in the order of the file."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_LONG_LIST = 15
_NUM_ROWS, _ROW_GROUPS = 3, 4
_COLUMNS, _FILE_OFFSET, _ORDINAL = 1, 5, 7
_META_DATA = 3
_PAGE_OFFSETS = (9, 10, 11)
"""``data_page_offset``, ``index_page_offset`` and ``dictionary_page_offset`` of ``ColumnMetaData``."""


def footer_of(tail: bytes) -> bytes:
    """The footer by itself, from the end of a file or all of it. Raises ``ValueError`` if that is no Parquet."""
    length, magic = struct.unpack("<I4s", tail[-_TAIL_BYTES:])
    if magic != MAGIC:
        raise ValueError(f"not the end of a Parquet file: {tail[-_TAIL_BYTES:]!r}")
    return tail[-_TAIL_BYTES - length : -_TAIL_BYTES]


def join_footers(footers: Sequence[bytes], starts: Sequence[int]) -> bytes:
    """One footer, with its tail, for files whose row groups now stand one after the other.

    ``starts`` says for each file where its first byte of data stands now; it was ``len(MAGIC)`` in the file itself. The
    files have the same schema, and no page indexes or Bloom filters, whose offsets would have to be shifted too.
    """
    joined = _Reader(footers[0]).struct()
    groups: list[Fields] = []
    rows = 0
    for footer, start in zip(footers, starts, strict=True):
        metadata = _Reader(footer).struct()
        rows += metadata[_NUM_ROWS][1]
        for group in metadata[_ROW_GROUPS][1][1]:
            _shift(group, start - len(MAGIC))
            groups.append(group)
    joined[_NUM_ROWS] = (_I64, rows)
    joined[_ROW_GROUPS] = (_LIST, (_STRUCT, groups))
    written = bytearray()
    _write_struct(written, joined)
    return bytes(written) + struct.pack("<I4s", len(written), MAGIC)


def _shift(group: Fields, distance: int) -> None:
    group.pop(_ORDINAL, None)  # optional, and only 16 bits wide
    _add(group, _FILE_OFFSET, distance)
    for chunk in group[_COLUMNS][1][1]:
        for offset in _PAGE_OFFSETS:
            _add(chunk[_META_DATA][1], offset, distance)


def _add(fields: Fields, field: int, distance: int) -> None:
    if field in fields:
        kind, value = fields[field]
        fields[field] = (kind, value + distance)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def struct(self) -> Fields:
        fields: Fields = {}
        field = 0
        while header := self._byte():
            kind = header & 15
            field = field + (header >> 4) if header >> 4 else self._zigzag()
            fields[field] = (kind, self._value(kind))
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return None  # a field's boolean is its type
        if kind in (_I16, _I32, _I64):
            return self._zigzag()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind in (_LIST, _SET):
            return self._list()
        if kind == _STRUCT:
            return self.struct()
        if kind in (_BYTE, _DOUBLE):
            return self._take(1 if kind == _BYTE else 8)
        raise ValueError(f"type {kind} does not occur in a Parquet footer")

    def _list(self) -> tuple[int, list[Any]]:
        header = self._byte()
        kind, size = header & 15, header >> 4
        if size == _LONG_LIST:
            size = self._varint()
        if kind in (_TRUE, _FALSE):
            return kind, [self._take(1) for _ in range(size)]
        return kind, [self._value(kind) for _ in range(size)]

    def _byte(self) -> int:
        self._position += 1
        return self._data[self._position - 1]

    def _take(self, count: int) -> bytes:
        self._position += count
        return self._data[self._position - count : self._position]

    def _varint(self) -> int:
        result = shift = 0
        while (byte := self._byte()) > 127:
            result |= (byte & 127) << shift
            shift += 7
        return result | byte << shift

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def _write_struct(out: bytearray, fields: Fields) -> None:
    previous = 0
    for field, (kind, value) in fields.items():
        if 0 < field - previous <= 15:
            out.append((field - previous) << 4 | kind)
        else:
            out.append(kind)
            _write_zigzag(out, field)
        previous = field
        _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in (_I16, _I32, _I64):
        _write_zigzag(out, value)
    elif kind == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind in (_LIST, _SET):
        _write_list(out, *value)
    elif kind == _STRUCT:
        _write_struct(out, value)
    elif kind in (_BYTE, _DOUBLE):
        out += value


def _write_list(out: bytearray, kind: int, values: list[Any]) -> None:
    if len(values) < _LONG_LIST:
        out.append(len(values) << 4 | kind)
    else:
        out.append(_LONG_LIST << 4 | kind)
        _write_varint(out, len(values))
    for value in values:
        if kind in (_TRUE, _FALSE):
            out += value
        else:
            _write_value(out, kind, value)


def _write_varint(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _write_zigzag(out: bytearray, number: int) -> None:
    _write_varint(out, number << 1 if number >= 0 else (-number << 1) - 1)
