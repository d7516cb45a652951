"""A reader that does not read."""

import asyncio

from mmactors.simulator.server.send_queue import MAX_FRAMES, Outbound


class Wire:
    """A peer that reads only when it may."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.got: list[str] = []
        self.closed: tuple[int, bytes] | None = None

    async def send_str(self, data: str) -> None:
        await self.reading.wait()
        self.got.append(data)

    async def close(self, *, code: int, message: bytes) -> bool:
        self.closed = (code, message)
        return True


def reader() -> "asyncio.Task[None]":
    """A client that never says anything."""
    return asyncio.create_task(asyncio.sleep(3600))


async def queue() -> tuple[Wire, Outbound, list[str], "asyncio.Task[None]"]:
    wire, said = Wire(), []
    outbound = Outbound(wire, lambda: said.append("cut"), lambda: 0.0, lambda books: said.extend(sorted(books)))
    return wire, outbound, said, asyncio.create_task(outbound.attend(reader()))


def test_a_slow_reader_loses_book_frames_and_gets_a_snapshot_later() -> None:
    async def scene() -> None:
        wire, outbound, said, running = await queue()
        outbound.put("ack")
        for number in range(MAX_FRAMES + 5):
            outbound.put(f"delta {number}", "m1")
        outbound.put("fill")
        assert outbound.stale == {"m1"}
        wire.reading.set()
        while not said:
            await asyncio.sleep(0)
        outbound.put("snapshot", "m1")
        outbound.close(1000, "bye")
        await running
        assert said == ["m1"]
        assert wire.got == ["ack", "fill", "snapshot"]
        assert wire.closed == (1000, b"bye")

    asyncio.run(scene())


def test_a_slow_reader_of_its_own_orders_is_closed() -> None:
    async def scene() -> None:
        wire, outbound, _, running = await queue()
        await asyncio.sleep(0)
        for number in range(MAX_FRAMES + 5):
            outbound.put(f"fill {number}")
        await running
        assert wire.closed == (4008, b"slow reader")
        assert wire.got == []

    asyncio.run(scene())


def test_a_connection_that_cannot_even_be_closed_is_cut() -> None:
    class Dead(Wire):
        async def close(self, *, code: int, message: bytes) -> bool:
            raise ConnectionResetError

    async def scene() -> None:
        said: list[str] = []
        outbound = Outbound(Dead(), lambda: said.append("cut"), lambda: 0.0, lambda _: None)
        outbound.close(1000, "bye")
        await outbound.attend(reader())
        assert said == ["cut"]

    asyncio.run(scene())
