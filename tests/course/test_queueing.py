"""The service in slow motion of notebook 07."""

import pytest

from cgan_lib.course.queueing import PASS_MS, slowest_of_20, waits
from cgan_lib.errors import UserError


@pytest.mark.parametrize("size", sorted(PASS_MS))
def test_who_comes_alone_waits_for_one_pass(size):
    assert waits(lambda waiting, oldest_ms: size, rate=0.01, count=20) == pytest.approx([PASS_MS[size]] * 20)


def test_a_queue_that_grows_makes_the_last_one_wait_for_all_before():
    times = waits(lambda waiting, oldest_ms: 1, rate=1e9, count=50)
    assert times == pytest.approx([PASS_MS[1] * (place + 1) for place in range(50)], abs=1e-3)


def test_a_pass_takes_those_who_came_first_and_no_more_than_fit():
    sizes = iter([1, 64, 16, 4])  # the first is alone when it comes
    times = waits(lambda waiting, oldest_ms: next(sizes), rate=1e9, count=85)
    ends = [4] + [34] * 64 + [43] * 16 + [48] * 4
    assert times == pytest.approx(ends, abs=1e-3)


def test_it_is_told_how_many_wait_and_for_how_long():
    told = []
    waits(lambda waiting, oldest_ms: told.append((waiting, round(oldest_ms))) or 4, rate=1e9, count=9)
    assert told == [(1, 0), (8, 5), (4, 10)]


def test_nought_waits_for_the_next_request():
    times = waits(lambda waiting, oldest_ms: 4 * (waiting == 4), rate=1000, count=8)
    assert len(times) == 8
    assert min(times) == pytest.approx(PASS_MS[4])  # who came fourth


@pytest.mark.parametrize(
    ("size", "said"), [(0, "wait for ever"), (2, "a pass holds one of 1, 4, 16, 64"), (-1, "gave -1")]
)
def test_what_cannot_work_is_said(size, said):
    with pytest.raises(UserError, match=said):
        waits(lambda waiting, oldest_ms: size, rate=100, count=5)


def test_of_20_one_may_be_slow():
    assert slowest_of_20([*range(1, 21)]) == 20
    assert slowest_of_20([*range(1, 101)]) == 96
