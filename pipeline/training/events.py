"""Scalars for TensorBoard, written without TensorFlow.

An event file is a TFRecord file of Event protocol buffers; both formats are simple enough to be
written here, and importing a library for them would take longer than many a training.

Source: tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto.
"""

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

FLUSH_SECONDS = 1.0  # how old what is shown may be
NAME = "events.out.tfevents.0"  # TensorBoard looks for `tfevents` in it


class EventFile:
    """The scalars of one run, as they come; a context that closes its file.

    Args:
        folder: Where the file is made, as the run's only one.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / NAME).open("wb")
        self._flushed = -FLUSH_SECONDS
        self._write(_bytes_field(3, b"brain.Event:2"))  # file_version, which readers ask for

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Writes scalars by name, all at one step, 0 or more."""
        scalars = (
            _bytes_field(1, _bytes_field(1, name.encode()) + _float_field(2, value))
            for name, value in values.items()
        )
        self._write(_varint_field(2, step) + _bytes_field(5, b"".join(scalars)))

    def _write(self, fields: bytes) -> None:
        now = time.time()
        self._file.write(_record(_double_field(1, now) + fields))  # wall_time
        if now - self._flushed >= FLUSH_SECONDS:
            self._file.flush()
            self._flushed = now


# TFRecord ---------------------------------------------------------------------------------------


def _record(content: bytes) -> bytes:
    """Length and content, each with its masked checksum behind it."""
    length = struct.pack("<Q", len(content))
    return length + _masked_crc(length) + content + _masked_crc(content)


def _masked_crc(content: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    rotated = (crc >> 15) | (crc << 17)
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def _crc_of(byte: int) -> int:
    """One entry of the table of CRC-32C (Castagnoli), whose polynomial is 0x82F63B78 reversed."""
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 * (byte & 1))
    return byte


_CRC = [_crc_of(byte) for byte in range(256)]


# Protocol buffers: a field is its number and type, then its value ---------------------------------


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte have their highest bit set."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double_field(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _float_field(number: int, value: float) -> bytes:
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
        return _varint(number << 3 | 5) + np.asarray(value).astype("<f4").tobytes()
