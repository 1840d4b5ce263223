"""A size and a seed -> a random permutation; a rank -> the combination that has this rank.

Every value is computed when it is asked for, so that a range of any size can be sampled without
repeats and without memory.
"""

from collections.abc import Iterator, Sequence
from math import comb, isqrt

from unprompt.index.base.durable import stable_id

ROUNDS = 6
_WORD = (1 << 64) - 1


class RandomPermutation:
    """A permutation of range(size) by a Feistel network over two digits.

    Item i does not depend on how many items are read.
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
        while place >= self.size:  # only positions of the last, uneven row
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


def unrank_combination(rank: int, things: int, size: int) -> tuple[int, ...]:
    """Combination number `rank` of the comb(things, size) ascending ones of range(things)."""
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


def unrank_product(rank: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Element number `rank` of the product of ranges: its digits in the mixed base `sizes`."""
    digits = []
    for size in sizes:
        rank, digit = divmod(rank, size)
        digits.append(digit)
    return tuple(digits)


def unrank_permutation(rank: int, things: Sequence[int]) -> tuple[int, ...]:
    """Permutation number `rank` of the things."""
    left, ordered = list(things), []
    while left:
        rank, place = divmod(rank, len(left))
        ordered.append(left.pop(place))
    return tuple(ordered)


def _mix(value: int) -> int:
    """The finalizer of splitmix64: 64 bits that each depend on every bit of `value`."""
    value &= _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)
