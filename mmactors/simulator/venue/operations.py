"""The trading operations of the wire contract: place, cancel, replace, batch, merge.

Owns which operation means which call of the engine, and that an unreadable request costs rate budget, too. One call is
one moment of the venue: no operation of another account comes between the items of a batch.
"""

from collections.abc import Callable, Collection

from mmactors.simulator.venue import replies, requests
from mmactors.simulator.venue.engine import CANCEL_COST, PLACE_COST, Venue
from mmactors.simulator.venue.ledger import Account
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.replies import Json

CAPABILITIES = (
    *("ws_orders", "batch", "replace", "post_only", "mass_cancel", "cancel_on_disconnect"),
    *("client_order_id", "fills_since", "merge"),
)
"""Every capability of the contract."""

_NEEDS = {"replace": "replace", "cancel_all": "mass_cancel", "batch": "batch", "merge": "merge"}
"""The operations that need a capability."""


class OrderOperations:
    """Applies an account's operations, except those that this venue is `without`.

    `session` names the order session of cancel on disconnect.
    """

    def __init__(self, venue: Venue, without: Collection[str] = ()) -> None:
        self.capabilities = tuple(each for each in CAPABILITIES if each not in without)
        self._venue = venue
        self._operations: dict[str, Callable[[Account, Json, int, str | None], Json]] = {
            "place": self._place,
            "cancel": self._cancel,
            "replace": self._replace,
            "cancel_all": self._cancel_all,
            "batch": self._batch,
            "merge": self._merge,
        }

    def takes(self, op: object) -> bool:
        """Return whether this is a trading operation."""
        return isinstance(op, str) and op in self._operations

    def submit(self, account: Account, frame: Json, now_ms: int, session: str | None = None) -> Json:
        """Apply one operation; return the frame of its ack or its error.

        Raises:
            KeyError: it is no trading operation (see `takes`).
        """
        op = frame["op"]
        reply: Json = {"id": frame["id"]} if "id" in frame else {}
        try:
            self._must_offer(_NEEDS.get(op))
            result = self._operations[op](account, frame, now_ms, session)
        except RefusalError as refusal:
            return {**reply, "type": "error", "op": op, "error": replies.error_json(refusal)}
        return {**reply, "type": "ack", "op": op, **result}

    def _must_offer(self, capability: str | None) -> None:
        if capability is not None and capability not in self.capabilities:
            raise requests.bad_request(f"this venue has no {capability}")

    def _place(self, account: Account, frame: Json, now_ms: int, session: str | None) -> Json:
        return self._place_item(account, frame.get("order"), now_ms, session)

    def _place_item(self, account: Account, item: object, now_ms: int, session: str | None) -> Json:
        if isinstance(item, dict) and "client_order_id" not in self.capabilities:  # an unknown field to such a venue
            item = {name: value for name, value in item.items() if name != "client_order_id"}
        try:
            body = requests.new_order(item)
            if body.post_only:
                self._must_offer("post_only")
        except RefusalError:
            self._venue.charge(account, PLACE_COST, now_ms)
            raise
        order, duplicate = self._venue.place(account, body, now_ms, session)
        rendered = replies.order_json(order)
        if duplicate:
            rendered["duplicate"] = True
        return {"order": rendered}

    def _cancel(self, account: Account, item: object, now_ms: int, _session: str | None) -> Json:
        try:
            key = requests.order_key(requests.mapping(item, "cancel"))
        except RefusalError:
            self._venue.charge(account, CANCEL_COST, now_ms)
            raise
        return {"order": replies.order_json(self._venue.cancel(account, key, now_ms))}

    def _replace(self, account: Account, item: object, now_ms: int, _session: str | None) -> Json:
        try:
            self._must_offer("replace")
            body = requests.mapping(item, "replace")
            key = requests.order_key(body)
            price, size, client_id = requests.price(body), requests.size(body), requests.client_order_id(body)
        except RefusalError:
            self._venue.charge(account, PLACE_COST, now_ms)
            raise
        return {"order": replies.order_json(self._venue.replace(account, key, price, size, client_id, now_ms))}

    def _cancel_all(self, account: Account, frame: Json, now_ms: int, _session: str | None) -> Json:
        market = frame.get("market")
        if market is not None and not isinstance(market, str):
            raise requests.bad_request("market must be a string")
        wanted = frame.get("outcome")
        outcome = None if wanted is None else requests.outcome(wanted)
        return {"result": {"cancelled": self._venue.cancel_all(account, now_ms, market=market, outcome=outcome)}}

    def _batch(self, account: Account, frame: Json, now_ms: int, session: str | None) -> Json:
        items: dict[str, list[object]] = {}
        for kind in ("cancel", "replace", "place"):
            given = frame.get(kind, [])
            if not isinstance(given, list):
                raise requests.bad_request(f"{kind} must be a list")
            items[kind] = given
        if sum(map(len, items.values())) > requests.BATCH_LIMIT:
            raise requests.bad_request(f"a batch has at most {requests.BATCH_LIMIT} items over its three lists")
        steps = {"cancel": self._cancel, "replace": self._replace, "place": self._place_item}
        return {
            "results": {
                kind: [self._item(steps[kind], account, item, now_ms, session) for item in items[kind]]
                for kind in ("cancel", "replace", "place")
            }
        }

    @staticmethod
    def _item(
        step: Callable[[Account, object, int, str | None], Json],
        account: Account,
        item: object,
        now_ms: int,
        session: str | None,
    ) -> Json:
        try:
            return {"ok": True, **step(account, item, now_ms, session)}
        except RefusalError as refusal:
            return {"ok": False, "error": replies.error_json(refusal)}

    def _merge(self, account: Account, frame: Json, now_ms: int, _session: str | None) -> Json:
        market = requests.text(frame, "market")
        self._venue.merge(account, market, requests.size(frame), now_ms)
        position = account.positions[market]
        return {
            "result": {
                "position": replies.position_json(position),
                "balance": replies.balance_json(account.cash, account.reserved),
            }
        }
