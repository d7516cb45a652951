"""What the program relies on inside websocket-client, hook by hook: a release that differs fails here first."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket
from websocket import ABNF

from mmactors.net.websocket import FrameReader, FrameTooLongError, SocketLostError

SETTINGS = Path(__file__).parents[2] / "setup.cfg"
MOST = 200


@pytest.fixture
def ends() -> Iterator[tuple[websocket.WebSocket, socket.socket]]:
    """A connection as the library makes it after its handshake, and the other end of its socket."""
    ours, theirs = socket.socketpair()
    connection = websocket.WebSocket(skip_utf8_validation=True)
    connection.sock, connection.connected = ours, True
    yield connection, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def reader(ends: tuple[websocket.WebSocket, socket.socket]) -> FrameReader:
    return FrameReader(ends[0], MOST)


@pytest.fixture
def peer(ends: tuple[websocket.WebSocket, socket.socket]) -> socket.socket:
    return ends[1]


def frame(payload: bytes, final: bool = True) -> bytes:
    return ABNF(int(final), 0, 0, 0, ABNF.OPCODE_TEXT, 1, payload).format()


def test_the_release_installed_is_the_one_that_is_pinned() -> None:
    pinned = re.search(r"websocket-client ~= (\d+\.\d+)\.\d+\n", SETTINGS.read_text())
    assert pinned, "to the minor release: its inside is relied on"
    assert websocket.__version__.startswith(f"{pinned[1]}.")


def test_recv_is_what_the_library_reads_by_and_a_frame_begun_is_gone_on_with(
    reader: FrameReader, peer: socket.socket
) -> None:
    for byte in frame(b"in pieces"):
        with pytest.raises(BlockingIOError):
            reader.next()
        peer.send(bytes([byte]))
    assert reader.next().data == b"in pieces"


def test_recv_is_asked_for_no_more_than_the_frame_has(reader: FrameReader, peer: socket.socket) -> None:
    peer.send(frame(b"one") + frame(b"two"))
    assert [reader.next().data, reader.next().data] == [b"one", b"two"]


@pytest.mark.parametrize("size", [MOST + 1, 70_000])  # lengths of two bytes, and of eight
def test_length_and_mask_are_known_before_the_payload_is_read(
    reader: FrameReader, peer: socket.socket, size: int
) -> None:
    head = frame(b"." * size)[:-size]
    for byte in head:
        with pytest.raises(BlockingIOError):
            reader.next()
        peer.send(bytes([byte]))
    with pytest.raises(FrameTooLongError) as long:
        reader.next()
    assert long.value.bytes == size
    assert reader.give_up()
    with pytest.raises(BlockingIOError):
        reader.take(1)


def test_a_frame_of_the_longest_length_is_read(reader: FrameReader, peer: socket.socket) -> None:
    peer.send(frame(b"." * MOST))
    assert reader.next().data == b"." * MOST


@pytest.mark.parametrize("final", [True, False])
def test_header_tells_the_last_frame_of_a_message(reader: FrameReader, peer: socket.socket, final: bool) -> None:
    peer.send(frame(b"." * 300, final))
    with pytest.raises(FrameTooLongError):
        reader.next()
    assert reader.give_up() is final


def test_clear_lets_the_next_frame_begin(reader: FrameReader, peer: socket.socket) -> None:
    peer.send(frame(b"." * 300) + frame(b"next"))
    with pytest.raises(FrameTooLongError) as long:
        reader.next()
    reader.give_up()
    left = long.value.bytes
    while left:
        left -= len(reader.take(left))
    assert reader.next().data == b"next"


def test_sock_is_the_connected_socket_and_does_not_wait(
    reader: FrameReader, ends: tuple[websocket.WebSocket, socket.socket]
) -> None:
    assert reader.sock is ends[0].sock
    assert reader.sock.gettimeout() == 0


def test_a_peer_that_hangs_up_is_told_of(reader: FrameReader, peer: socket.socket) -> None:
    peer.close()
    with pytest.raises(SocketLostError, match="hung up"):
        reader.next()


def test_close_closes_the_socket(reader: FrameReader, peer: socket.socket) -> None:
    reader.close()
    assert peer.recv(1) == b""
