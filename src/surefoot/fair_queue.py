"""A queue that is fair between those who wait in it: deficit round robin by key.

After Shreedhar and Varghese, "Efficient Fair Queuing using Deficit Round Robin", SIGCOMM 1995: each key with something
to do gets its quantum of cost per round, and what it does not use counts for its next turn, so that a key with 5,000
waiting items delays another key's one item by one round and not by 5,000 items.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Hashable, Iterator
from typing import Final, Generic, TypeVar

ItemT = TypeVar("ItemT")

QUANTUM: Final = 1.0
"""Cost that a key of weight 1 may take in one round; the cost of an item is in the same unit."""
MIN_WEIGHT: Final = 0.001
"""A lighter key would take more than a thousand rounds for one item."""


class _Lane(Generic[ItemT]):
    """What one key has waiting."""

    __slots__ = ("deficit", "items", "weight")

    def __init__(self, weight: float) -> None:
        self.items: deque[tuple[ItemT, float]] = deque()
        self.deficit = 0.0
        self.weight = weight


class FairQueue(Generic[ItemT]):
    """Items by key, each key's in order of arrival, the keys in turn.

    It has no limit of its own: whoever pushes checks `__len__` and `waiting` before, since only he can say what a full
    queue means. A key without items takes no memory.
    """

    def __init__(self) -> None:
        self._lanes: OrderedDict[Hashable, _Lane[ItemT]] = OrderedDict()  # the first one's turn it is
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ItemT]:
        """All items, about in the order of their turns: one of each key in a round, whatever it costs."""
        lanes = [iter(lane.items) for lane in self._lanes.values()]
        while lanes:
            going: list[Iterator[tuple[ItemT, float]]] = []
            for lane in lanes:
                pair = next(lane, None)
                if pair is not None:
                    going.append(lane)
                    yield pair[0]
            lanes = going

    @property
    def keys(self) -> int:
        """How many keys have something waiting."""
        return len(self._lanes)

    def waiting(self, key: Hashable) -> int:
        """How many items of a key wait."""
        lane = self._lanes.get(key)
        return 0 if lane is None else len(lane.items)

    def push(self, key: Hashable, item: ItemT, *, cost: float = 1.0, weight: float = 1.0) -> None:
        """Add an item behind the others of its key; ``weight`` is the key's share from now on."""
        assert cost > 0, "a free item would never use up a turn"
        assert weight >= MIN_WEIGHT, "a key without weight would never have its turn"
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(weight)
        lane.weight = weight
        lane.items.append((item, cost))
        self._count += 1

    def pop(self) -> ItemT:
        """The next item in turn.

        Raises:
            IndexError: There is none.
        """
        if not self._lanes:
            raise IndexError("the queue is empty")
        while True:
            key, lane = next(iter(self._lanes.items()))
            item, cost = lane.items[0]
            if lane.deficit < cost:
                lane.deficit += QUANTUM * lane.weight
                if lane.deficit < cost:
                    self._lanes.move_to_end(key)
                    continue
            lane.deficit -= cost
            lane.items.popleft()
            self._count -= 1
            if not lane.items:
                del self._lanes[key]  # an idle key saves nothing up
            elif lane.deficit < lane.items[0][1]:
                self._lanes.move_to_end(key)
            return item

    def remove(self, key: Hashable, items: Collection[ItemT]) -> int:
        """Take items of a key out that wait no longer, in one pass through what it has waiting; how many were there."""
        lane = self._lanes.get(key)
        if lane is None:
            return 0
        gone = {id(item) for item in items}
        kept = deque([pair for pair in lane.items if id(pair[0]) not in gone])
        removed = len(lane.items) - len(kept)
        if removed:
            lane.items = kept
            self._count -= removed
            if not kept:
                del self._lanes[key]
        return removed
