"""A service in slow motion: requests arrive, wait, and are drawn together in passes whose times are known."""

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from random import Random

from cgan_lib.errors import UserError, shown

PASS_MS = {1: 4.0, 4: 5.0, 16: 9.0, 64: 30.0}
"""how long a pass of so many images takes, in milliseconds, whether or not all of them were asked for"""

NextPass = Callable[[int, float], int]


def waits(next_pass: NextPass, rate: float, count: int = 3000) -> list[float]:
    """How long each of `count` requests waits for its picture, in ms, when `rate` arrive a second, at random times.

    Whenever the generator is free and somebody waits, `next_pass(waiting, oldest_ms)` says how large the next pass is,
    one of `PASS_MS`, or 0 to wait for the next request. Places that nobody asked for are filled up with copies.
    `UserError` for another size, and for a service that waits when nobody comes any more.
    """
    draw = Random(0)
    arrivals = list(accumulate(draw.expovariate(rate / 1000) for _ in range(count)))  # ms
    now, answered = 0.0, 0
    found: list[float] = []
    while answered < count:
        now = max(now, arrivals[answered])
        waiting = bisect_right(arrivals, now) - answered
        size = next_pass(waiting, now - arrivals[answered])
        if size == 0:
            if answered + waiting == count:
                raise UserError(f"{waiting} requests wait for ever: nobody comes any more, and next_pass says 0.")
            now = arrivals[answered + waiting]
            continue
        if size not in PASS_MS:
            raise UserError(f"next_pass gave {shown(size)}: a pass holds one of {', '.join(map(str, PASS_MS))}.")
        now += PASS_MS[size]
        drawn = arrivals[answered : answered + min(size, waiting)]
        found += [now - arrived for arrived in drawn]
        answered += len(drawn)
    return found


def slowest_of_20(times: list[float]) -> float:
    """The time within which 19 of 20 are answered, the 95th percentile."""
    return sorted(times)[int(0.95 * len(times))]
