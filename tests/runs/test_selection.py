"""The rule that chooses the best generator: by a score, or by the losses of a run."""

import io

import pytest
import torch

from cgan_lib.runs.selection import Best, is_stable

STEADY = (1.0, 1.0)


@pytest.mark.parametrize(
    ("before", "now", "stable"),
    [
        ([1.0, 1.0], [1.0, 1.0], True),
        # drift: within 20% of the mean before
        ([1.0], [1.19], True),
        ([1.0], [1.21], False),
        ([1.0], [0.81], True),
        ([1.0], [0.79], False),
        ([5.0], [6.0], True),  # just 20%
        ([0.5, 1.5], [1.0], True),  # of the mean: what was before may have been noisy
        # noise: the standard deviation is below half of the mean
        ([1.0], [0.51, 1.49], True),
        ([1.0], [0.5, 1.5], False),  # just half
        ([1.0], [0.0, 1.0, 2.0], False),
        ([1.0], [0.6, 1.0, 1.4], True),
        # floor: means below 0.1 count as 0.1
        ([0.01], [0.029], True),
        ([0.01], [0.031], False),
        ([0.0], [0.0], True),
        ([0.01], [0.0, 0.05], True),
        ([0.05], [-0.02, 0.12], False),  # drift 0; the deviation 0.07 is over half of 0.1
        # losses may be negative
        ([-2.0], [-2.3, -2.1], True),
        ([-2.0], [-2.41], False),
        ([-0.5], [0.5], False),
        ([-2.0], [-3.1, -0.9], False),
        # nothing to compare, or no number
        ([], [1.0], False),
        ([1.0], [], False),
        ([1.0], [float("nan")], False),
        ([float("nan")], [1.0], False),
        ([1.0], [float("inf")], False),
    ],
)
def test_the_discriminator_is_stable_while_its_loss_neither_drifts_nor_jumps(before, now, stable):
    assert is_stable(before, now) is stable


def window(best, losses_g, losses_d=STEADY, eligible=True):
    """Record one window, point by point, and close it."""
    for g, d in zip(losses_g, losses_d, strict=True):
        best.record({"loss/G": g, "loss/D": d, "gradient_norm/G": 99.0})
    return best.close_window(eligible)


LOW, DRIFTED, JUMPING = (1, 1), (2.0, 2.0), (0.1, 3.9)
CASES = {  # windows after a first one of losses 9 → (arguments, chosen)
    "the lowest mean wins, not the first of a tie": [
        *((([3, 5],), True), (([4, 4],), False), (([1, 6],), True)),
        *((([3, 4],), False), (([1, 1],), True), (([2, 2],), False)),
    ],
    "a low loss does not count while the discriminator drifts or jumps": [
        *((([5, 5],), True), ((LOW, DRIFTED), False), (([4, 4], DRIFTED), True)),  # stable where it has arrived
        *(((LOW, JUMPING), False), (([3, 3], DRIFTED), True)),  # compared with the mean of the jumps
    ],
    "what is not eligible is compared with but not chosen": [
        *(((LOW, STEADY, False), False), ((LOW, STEADY, False), False), (([2, 2],), True))
    ],
    "windows without points are never chosen and end the comparison": [
        *((((), ()), False), ((LOW,), False), ((LOW,), True))
    ],
}


@pytest.mark.parametrize("windows", CASES.values(), ids=CASES)
def test_the_stable_window_of_the_lowest_generator_loss_is_chosen(windows):
    best = Best()
    assert not window(best, [9, 9])  # the first is never stable
    assert [window(best, *arguments) for arguments, _ in windows] == [chosen for _, chosen in windows]
    assert best.value == min(sum(arguments[0]) / 2 for arguments, chosen in windows if chosen)


def test_a_window_with_points_of_the_discriminator_alone_is_never_chosen():
    best = Best()
    window(best, STEADY)
    best.record({"loss/D": 1.0})
    assert not best.close_window()
    assert window(best, [2, 2])


def test_offers_win_when_they_are_lower_than_all_before():
    best = Best()
    assert [best.offer(value) for value in (3.0, 4.0, 3.0, 2.0, -1.0, 0.0)] == [True, False, False, True, True, False]
    assert best.value == -1


@pytest.mark.parametrize("saved_after", range(10))
def test_a_best_that_is_saved_and_loaded_at_any_point_decides_as_one_that_was_not(saved_after):
    losses = zip((5, 5, 4, 4, 1, 1, 3, 2, 3, 3), (1, 1, 1, 1, 2, 2, 2, 2, 2.1, 2), strict=True)
    best, chosen = Best(), []
    for number, (g, d) in enumerate(losses):
        best.record({"loss/G": g, "loss/D": d})
        if number == saved_after:
            buffer = io.BytesIO()
            torch.save(state := best.state_dict(), buffer)
            best.record({"loss/G": -99.0, "loss/D": 0.0})  # no longer its business
            buffer.seek(0)
            best = Best()
            best.load_state_dict(torch.load(buffer, weights_only=True))
            assert best.state_dict() == state
        if number % 2:
            chosen.append(best.close_window())
    assert chosen == [False, True, False, True, False]
