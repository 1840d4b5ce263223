"""A range of n places and a seed -> its places in a drawn order; a rank -> a choice of things.

Nothing is held in memory, so that ranges of any size can be drawn from without repeats.
"""

from collections.abc import Iterator, Sequence
from math import comb, isqrt

from unprompt.index.base.durable import stable_id

ROUNDS = 6
_WORD = (1 << 64) - 1


class DrawnOrder:
    """A permutation of range(size), computed place by place: a Feistel network over two digits.

    The first places of an order stay the first ones however many are asked for.
    """

    def __init__(self, size: int, *seed: object):
        self.size = size
        self._left = isqrt(max(size - 1, 0)) + 1
        self._right = -(-size // self._left)
        self._keys = [stable_id(*seed, number) for number in range(ROUNDS)]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, position: int) -> int:
        if not 0 <= position < self.size:
            raise IndexError(f"position {position} of {self.size}")
        place = self._step(position)
        while place >= self.size:  # at most a few lie in the last, uneven row
            place = self._step(place)
        return place

    def __iter__(self) -> Iterator[int]:
        return (self[position] for position in range(self.size))

    def _step(self, place: int) -> int:
        left, right = divmod(place, self._right)
        for number, key in enumerate(self._keys):
            if number % 2:
                right = (right + _mix(left ^ key)) % self._right
            else:
                left = (left + _mix(right ^ key)) % self._left
        return left * self._right + right


def choose_subset(rank: int, things: int, size: int) -> tuple[int, ...]:
    """The subset number `rank` of the comb(things, size) ascending subsets of range(things)."""
    chosen = []
    for taken in range(size, 0, -1):
        # the largest top with comb(top, taken) <= rank, found between its bounds
        low, high = taken - 1, things - 1
        while low < high:
            middle = (low + high + 1) // 2
            if comb(middle, taken) <= rank:
                low = middle
            else:
                high = middle - 1
        rank -= comb(low, taken)
        things = low
        chosen.append(low)
    return tuple(reversed(chosen))


def choose_each(rank: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """One place of each range: the digits of `rank` in the mixed base `sizes`."""
    digits = []
    for size in sizes:
        rank, digit = divmod(rank, size)
        digits.append(digit)
    return tuple(digits)


def choose_sequence(rank: int, things: Sequence[int]) -> tuple[int, ...]:
    """The things in their order number `rank` of all the orders they can stand in."""
    left, ordered = list(things), []
    while left:
        rank, place = divmod(rank, len(left))
        ordered.append(left.pop(place))
    return tuple(ordered)


def _mix(value: int) -> int:
    """64 bits in which each bit of `value` has a part (the finalizer of splitmix64)."""
    value &= _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)
