"""The event log: everything the Makers of a run handled and answered, in one file, so that a run can be replayed.

Owns the file's form, writing and reading it. Knows messages and parameters, nothing of actors or of how a Maker
decides. A disk that refuses ends the record, never the run.

The file is a line of JSON (format, program, run, configuration), then blocks: length and CRC-32 (two big-endian 32-bit
numbers), then a piece of one deflate stream with a msgpack array of records: a Maker's beginning, or some of its steps.
An event is its type's name and a map of its fields. An answer (whether to look again, and the commands) is kept as the
bytes it is encoded in: what is replayed is compared with those. A block that is torn or damaged is the end of what can
be read.
"""

import contextlib
import dataclasses
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

import msgspec

from mmactors import __version__, messages
from mmactors.config.errors import without_tokens
from mmactors.core.params import MakerParams
from mmactors.messages import MakerStarted, MakerStepped, Market
from mmactors.units import SECOND, Nanos

FORMAT = 1
"""Version of the form described above."""

EVENTS = "events.mmlog"
"""The log's name in a run's folder."""

FLUSH_EVERY_NS = Nanos(SECOND)

NO_INPUT, UNREADABLE = 66, 78

_KIND = "mmactors events"
_FRAME = struct.Struct(">II")
_LONGEST_HEADER = 1 << 20
_LARGEST_BLOCK = 1 << 26
_BLOCK = 1 << 20
"""Bytes waiting to be written beyond which they do not wait for the second to be over."""

RECORDED_NAMES = {"RequoteDue": "LadderDue"}
"""Messages that a log calls by an earlier name: what was recorded stays readable, and is written alike."""

_encode = msgspec.msgpack.Encoder().encode


class EventLogError(Exception):
    """The log cannot be read at all; one line says why, `exit_code` how the program ends."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class _Kind(msgspec.Struct):
    log: str
    format: int


class LogHeader(msgspec.Struct, frozen=True):
    """The log's first line: which program and run wrote it, under which configuration (JSON)."""

    log: str
    format: int
    program: str
    run: int
    config: msgspec.Raw


class _Made(msgspec.Struct, array_like=True, tag="maker"):
    market: Market
    incarnation: int
    prefix: str
    params: MakerParams


class _Step(msgspec.Struct, array_like=True):
    at_ns: int
    kind: str
    event: msgspec.Raw
    answer: msgspec.Raw


class _Steps(msgspec.Struct, array_like=True, tag="steps"):
    market: str
    incarnation: int
    steps: list[_Step]


_decode_block = msgspec.msgpack.Decoder(list[_Made | _Steps]).decode


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedStep:
    """One step as it was recorded: `answer` is what `encoded_answer` returned then."""

    market: str
    incarnation: int
    at_ns: Nanos
    event: object
    answer: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedMaker:
    """A Maker's beginning: what it takes to make the same again."""

    market: Market
    incarnation: int
    prefix: str
    params: MakerParams


def encoded_answer(commands: Sequence[object] | None, requote: bool) -> bytes:
    """Return a Maker's answer as bytes; equal answers give equal bytes. Without commands: it died."""
    return _encode(_answer(commands, requote))


def decoded_answer(answer: bytes) -> tuple[bool, list[tuple[str, dict[str, Any]]]] | None:
    """Return whether the Maker wanted to look again, and its commands' types and fields; None if it died."""
    decoded = msgspec.msgpack.decode(answer)
    return None if decoded is None else (decoded[0], [(kind, fields) for kind, fields in decoded[1]])


class EventLog:
    """The log of one run while it is written, by one thread. `failed` says why the record ends early, if it does.

    `config` is the configuration as JSON; what looks like a token in it is masked.
    """

    def __init__(self, path: Path, *, run: int, config: str) -> None:
        self.failed: str | None = None
        self.written = 0
        self._waiting: list[msgspec.Raw] = []
        self._size = 0
        self._flushed_ns = Nanos(0)
        self._file: IO[bytes] | None = None
        self._deflate = zlib.compressobj()
        header = LogHeader(_KIND, FORMAT, __version__, run, msgspec.Raw(without_tokens(config).encode()))
        try:
            self._file = path.open("xb", buffering=0)
            self._write(msgspec.json.encode(header) + b"\n")
        except OSError as error:
            self._fail(error)

    def add(self, message: MakerStarted | MakerStepped) -> None:
        """Take a record; it is on its way to the disk at the latest with the flush after the next second."""
        if self._file is None:
            return
        if isinstance(message, MakerStarted):
            record: object = ("maker", message.market, message.incarnation, message.prefix, message.params)
        else:
            steps = [
                (step.at_ns, _recorded_name(type(step.event)), step.event, _answer(step.commands, step.requote))
                for step in message.steps
            ]
            record = ("steps", message.market, message.incarnation, steps)
        try:
            raw = _encode(record)
        except (TypeError, ValueError, OverflowError) as error:  # a message of other values than its types say
            self._fail(error)
            return
        self._waiting.append(msgspec.Raw(raw))
        self._size += len(raw)
        if self._size >= _BLOCK:
            self._write_block()

    def flush(self, now: Nanos) -> None:
        """Hand what has been taken to the operating system, if it is a second since the last time."""
        if now - self._flushed_ns >= FLUSH_EVERY_NS:
            self._flushed_ns = now
            self._write_block()

    def close(self) -> None:
        """Write the rest and close the file."""
        self._write_block()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_block(self) -> None:
        if not self._waiting or self._file is None:
            return
        block = self._deflate.compress(_encode(self._waiting)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._waiting.clear()
        self._size = 0
        try:
            self._write(_FRAME.pack(len(block), zlib.crc32(block)) + block)
        except OSError as error:
            self._fail(error)

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        written = self._file.write(data)
        if written != len(data):  # after half a block nothing could be read
            raise OSError(f"{written} of {len(data)} bytes written")
        self.written += written

    def _fail(self, error: Exception) -> None:
        self.failed = (error.strerror if isinstance(error, OSError) else None) or str(error)
        self._waiting.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


class EventLogReader:
    """A log to be read once, from its beginning.

    Iterating gives `RecordedMaker` and `RecordedStep`, each Maker's in order; `cut` then says where the record breaks
    off, if it does.

    Raises:
        EventLogError: no such file, not a log, or written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.cut: str | None = None
        self._path = path
        self._inflate = zlib.decompressobj()
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise EventLogError(f"{path}: {error.strerror or error}", NO_INPUT) from None
        self.header = self._header()

    def __iter__(self) -> Iterator[RecordedMaker | RecordedStep]:
        with self._file:
            while (block := self._block()) is not None:
                for record in self._records(block):
                    if isinstance(record, _Made):
                        yield RecordedMaker(record.market, record.incarnation, record.prefix, record.params)
                    else:
                        for step in record.steps:
                            event = self._event(step.kind, step.event)
                            yield RecordedStep(
                                record.market, record.incarnation, Nanos(step.at_ns), event, bytes(step.answer)
                            )

    def _header(self) -> LogHeader:
        try:
            line = self._file.readline(_LONGEST_HEADER)
            kind = msgspec.json.decode(line, type=_Kind)
            if kind.log != _KIND:
                raise msgspec.ValidationError
            if kind.format > FORMAT:
                self._refuse(f"written by a newer version of the program (format {kind.format}; this reads {FORMAT})")
            return msgspec.json.decode(line, type=LogHeader)
        except OSError as error:
            raise EventLogError(f"{self._path}: {error.strerror or error}", NO_INPUT) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._refuse("not an event log of this program")

    def _block(self) -> bytes | None:
        """Return the next block's content, None at the end."""
        at = self._file.tell()
        frame = self._file.read(_FRAME.size)
        if not frame:
            return None
        if len(frame) == _FRAME.size:
            length, crc = _FRAME.unpack(frame)
            block = self._file.read(length) if length <= _LARGEST_BLOCK else b""
            if length and len(block) == length and zlib.crc32(block) == crc:
                with contextlib.suppress(zlib.error):
                    return self._inflate.decompress(block)
        left = self._path.stat().st_size - at
        self.cut = f"the log breaks off at byte {at}: its last {left} bytes are torn or damaged"
        return None

    def _records(self, block: bytes) -> list[_Made | _Steps]:
        try:
            return _decode_block(block)
        except msgspec.DecodeError as error:
            self._refuse(self._foreign(f"has a record that does not fit ({error})"))

    def _event(self, kind: str, fields: msgspec.Raw) -> object:
        decoder = _decoders().get(kind)
        if decoder is None:
            self._refuse(self._foreign(f"has events of an unknown type {kind!r}"))
        try:
            return decoder.decode(fields)
        except msgspec.DecodeError as error:
            self._refuse(self._foreign(f"has a {kind} that does not fit ({error})"))

    def _foreign(self, what: str) -> str:
        return f"{what}: recorded by mmactors {self.header.program}, this is {__version__}"

    def _refuse(self, why: str) -> NoReturn:
        self._file.close()
        raise EventLogError(f"{self._path}: {why}", UNREADABLE)


def _answer(commands: Sequence[object] | None, requote: bool) -> object:
    return None if commands is None else (requote, [(_recorded_name(type(command)), command) for command in commands])


def _recorded_name(kind: type) -> str:
    return RECORDED_NAMES.get(kind.__name__, kind.__name__)


@cache
def _decoders() -> dict[str, "msgspec.msgpack.Decoder[Any]"]:
    """Return how to decode each message, by the name of its type."""
    kinds = (kind for kind in vars(messages).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind))
    return {_recorded_name(kind): msgspec.msgpack.Decoder(kind) for kind in kinds}
