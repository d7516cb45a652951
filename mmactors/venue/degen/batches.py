"""Batches on their way: cut into the frames that the venue takes, its answers put together again by position.

Knows nothing of sockets. What is never answered is forgotten, not guessed at: whoever asked decides what it means.
"""

from dataclasses import dataclass
from typing import Generic

from mmactors.messages import BatchReported, CancelItem, ItemResult, PlaceItem, ReplaceItem, SendBatch, VenueError
from mmactors.units import Nanos
from mmactors.value import value
from mmactors.venue.degen.codec import MAX_BATCH, UNREADABLE, F, FrameCodec
from mmactors.venue.degen.replies import ACTIONS, Action, ItemReply, ItemsAcked, OpFailed

REMEMBERED_FRAMES = 10_000

NOT_SENT = VenueError("later", "NOT_SENT", "no order session; nothing left the program")

Item = CancelItem | ReplaceItem | PlaceItem


@dataclass(slots=True)
class _Assembly:
    """One `SendBatch`, its results as they come in."""

    op_id: int
    results: list[ItemResult | None]

    def report(self, now: Nanos) -> BatchReported | None:
        results = tuple(result for result in self.results if result is not None)
        return BatchReported(self.op_id, results, now) if len(results) == len(self.results) else None


@value
class _Part:
    """What one frame carried: the assembly's slots and client ids, by action."""

    assembly: _Assembly
    slots: dict[Action, list[tuple[int, str]]]


def items_of(request: SendBatch) -> list[tuple[Action, Item]]:
    """Return a batch's items in the order in which they run and are reported."""
    lists: tuple[tuple[Item, ...], ...] = (request.cancels, request.replaces, request.places)
    return [(action, item) for action, items in zip(ACTIONS, lists, strict=True) for item in items]


def apart(request: SendBatch) -> list[SendBatch]:
    """Return a batch as batches of one item each, all of the same number, in their order."""
    return [
        *(SendBatch(request.op_id, (item,), (), ()) for item in request.cancels),
        *(SendBatch(request.op_id, (), (item,), ()) for item in request.replaces),
        *(SendBatch(request.op_id, (), (), (item,)) for item in request.places),
    ]


def not_sent(request: SendBatch, now: Nanos) -> BatchReported:
    """Return the report of a batch of which nothing left the program."""
    results = tuple(ItemResult(action, item.client_id, None, NOT_SENT) for action, item in items_of(request))
    return BatchReported(request.op_id, results, now)


class Batches(Generic[F]):
    """The batches that one connection has sent and that are not answered yet."""

    def __init__(self, codec: FrameCodec[F]) -> None:
        self._codec = codec
        self._parts: dict[int, _Part] = {}

    def cut(self, request: SendBatch, first_id: int, whole: bool) -> list[F]:
        """Return the frames of a batch, whose wire ids are `first_id` and up, and expect their answers.

        Args:
            request: the batch.
            first_id: wire id of the first frame.
            whole: whether the venue takes batches; else each item travels alone.
        """
        if whole and 0 < len(request.cancels) + len(request.replaces) + len(request.places) <= MAX_BATCH:
            return [self._whole(request, first_id)]
        items = items_of(request)
        assembly = _Assembly(request.op_id, [None] * len(items))
        frames: list[F] = []
        step = MAX_BATCH if whole else 1
        for start in range(0, len(items), step):
            wire_id = first_id + len(frames)
            chunk = items[start : start + step]
            slots: dict[Action, list[tuple[int, str]]] = {}
            for slot, (action, item) in enumerate(chunk, start):
                slots.setdefault(action, []).append((slot, item.client_id))
            self._parts[wire_id] = _Part(assembly, slots)
            frames.append(self._frame(wire_id, chunk, whole))
        self._forget_old()
        return frames

    def _whole(self, request: SendBatch, wire_id: int) -> F:
        """The usual case: all of it in one frame."""
        slots: dict[Action, list[tuple[int, str]]] = {}
        count = 0
        lists: tuple[tuple[Item, ...], ...] = (request.cancels, request.replaces, request.places)
        for action, items in zip(ACTIONS, lists, strict=True):
            if items:
                slots[action] = [(slot, item.client_id) for slot, item in enumerate(items, count)]
                count += len(items)
        self._parts[wire_id] = _Part(_Assembly(request.op_id, [None] * count), slots)
        self._forget_old()
        return self._codec.batch(wire_id, request.cancels, request.replaces, request.places)

    def _forget_old(self) -> None:
        while len(self._parts) > REMEMBERED_FRAMES:
            del self._parts[next(iter(self._parts))]

    def answered(self, ack: ItemsAcked, now: Nanos) -> BatchReported | None:
        """Take in an answer; return the report once it is whole. An answer to nothing is ignored."""
        part = self._parts.pop(ack.op_id, None)
        return None if part is None else self._fill(part, ack.replies, now)

    def failed(self, failure: OpFailed, now: Nanos) -> BatchReported | None:
        """Take in the refusal of a whole frame: it is the refusal of each of its items."""
        part = self._parts.pop(failure.op_id, None) if failure.op_id is not None else None
        if part is None:
            return None
        reply = ItemReply(failure.order, failure.error, failure.original_cancelled)
        return self._fill(part, {action: (reply,) * len(slots) for action, slots in part.slots.items()}, now)

    def forget(self) -> None:
        """The connection is gone and with it every answer."""
        self._parts.clear()

    def _frame(self, wire_id: int, chunk: list[tuple[Action, Item]], whole: bool) -> F:
        if not whole:
            return self._codec.single(wire_id, chunk[0][1])
        items = [item for _, item in chunk]
        return self._codec.batch(
            wire_id,
            [item for item in items if isinstance(item, CancelItem)],
            [item for item in items if isinstance(item, ReplaceItem)],
            [item for item in items if isinstance(item, PlaceItem)],
        )

    def _fill(self, part: _Part, replies: dict[Action, tuple[ItemReply, ...]], now: Nanos) -> BatchReported | None:
        for action, slots in part.slots.items():
            answers = replies.get(action, ())
            for position, (slot, client_id) in enumerate(slots):
                reply = answers[position] if position < len(answers) else ItemReply(None, UNREADABLE)
                part.assembly.results[slot] = ItemResult(
                    action, client_id, reply.order, reply.error, reply.original_cancelled
                )
        return part.assembly.report(now)
