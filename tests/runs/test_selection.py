"""The rule that chooses the best generator: by a score, or by the losses of a run."""

import copy
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
        ([1.0], [0.49, 1.51], False),
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
        # nothing to compare
        ([], [1.0], False),
        ([1.0], [], False),
        ([], [], False),
    ],
)
def test_the_discriminator_is_stable_while_its_loss_neither_drifts_nor_jumps(before, now, stable):
    assert is_stable(before, now) is stable


def test_a_loss_that_is_not_a_number_is_not_stable():
    assert not is_stable([1.0], [float("nan")])
    assert not is_stable([float("nan")], [1.0])
    assert not is_stable([1.0], [float("inf")])


def window(best, losses_g, losses_d=STEADY, **options):
    """Record one window, point by point, and close it."""
    for g, d in zip(losses_g, losses_d, strict=True):
        best.record({"loss/G": g, "loss/D": d, "gradient_norm/G": 99.0})
    return best.close_window(**options)


def test_the_first_window_is_never_the_best():
    best = Best()
    assert not window(best, [0.1, 0.1])
    assert best.value == float("inf")
    assert window(best, [5.0, 7.0])
    assert best.value == 6


def test_the_stable_window_of_the_lowest_mean_generator_loss_wins():
    best = Best()
    window(best, STEADY)
    chosen = [window(best, losses) for losses in ([3, 5], [4, 4], [1, 6], [3, 4], [1, 1], [2, 2])]
    assert chosen == [True, False, True, False, True, False]  # means 4, 4 (a tie), 3.5, 3.5, 1, 2
    assert best.value == 1


def test_a_low_loss_of_the_generator_does_not_count_while_the_discriminator_drifts_or_jumps():
    best = Best()
    window(best, [9, 9])
    assert window(best, [5, 5])
    assert not window(best, [1, 1], [2.0, 2.0])  # it drifts …
    assert window(best, [4, 4], [2.0, 2.0])  # … and is stable where it has arrived
    assert not window(best, [1, 1], [0.1, 3.9])  # it jumps
    assert window(best, [3, 3], [2.0, 2.0])  # compared with the mean of the jumps
    assert best.value == 3


def test_a_window_that_is_not_eligible_is_compared_with_but_not_chosen():
    best = Best()
    assert not window(best, [1, 1], eligible=False)
    assert not window(best, [1, 1], eligible=False)
    assert best.value == float("inf")
    assert window(best, [2, 2])  # stable, since the window before had the same loss
    assert best.value == 2


def test_windows_without_points_are_never_chosen_and_end_the_comparison():
    best = Best()
    window(best, STEADY)
    assert not best.close_window()
    assert not window(best, [1, 1])  # nothing just before it
    assert window(best, [1, 1])


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


def test_a_best_that_is_saved_and_loaded_at_any_point_decides_as_one_that_was_not():
    points = [(g, d) for g, d in zip((5, 5, 4, 4, 1, 1, 3, 2, 3, 3), (1, 1, 1, 1, 2, 2, 2, 2, 2.1, 2), strict=True)]

    def decisions(saved_after):
        best, chosen = Best(), []
        for number, (g, d) in enumerate(points):
            best.record({"loss/G": g, "loss/D": d})
            if number == saved_after:
                buffer = io.BytesIO()
                torch.save(best.state_dict(), buffer)
                buffer.seek(0)
                best = Best()
                best.load_state_dict(torch.load(buffer, weights_only=True))
            if number % 2:
                chosen.append(best.close_window())
        return chosen, best.state_dict()

    expected = decisions(saved_after=None)
    assert expected[0] == [False, True, False, True, False]
    assert all(decisions(number) == expected for number in range(len(points)))


def test_a_state_is_a_snapshot():
    best = Best()
    best.record({"loss/G": 1.0, "loss/D": 1.0})
    state = best.state_dict()
    before = copy.deepcopy(state)
    best.record({"loss/G": 2.0, "loss/D": 2.0})
    assert state == before
    other = Best()
    other.load_state_dict(state)
    other.record({"loss/G": 3.0, "loss/D": 3.0})
    assert state == before


def test_a_checkpoint_without_a_state_starts_anew():
    best = Best()
    best.load_state_dict({})
    assert best.offer(1.0)
