"""The rules of `diagnose`, each with a made-up log on both sides of its threshold; and what the log must hold."""

import numpy as np
import pytest

from cgan_lib import diagnose, open_run
from cgan_lib.runs import rules
from cgan_lib.runs.diagnose import CANNOT_TELL, HEALTHY, LEAST_POINTS, LEAST_STEPS
from cgan_lib.runs.rules import RULES

WELL = {
    "vitals/real_lowest": -1.0,
    "vitals/real_highest": 1.0,
    "vitals/logit_lowest": -5.0,
    "vitals/logit_highest": 5.0,
    "vitals/label_drop": 1.2,
    "vitals/label_change": 1.4,
    "vitals/separated": 0.85,
    "vitals/z_moves": 0.22,
    "vitals/label_moves": 0.2,
    "vitals/drawing_differs": 0.0,
    "vitals/statistics_lag": 0.0,
    "vitals/nearest": 1.0,
    "vitals/step_size/G": 0.02,
    "vitals/step_size/D": 0.01,
    "vitals/gradient_repeats/G": 0.3,
    "vitals/gradient_repeats/D": -0.2,
    "vitals/gradient_leaks": 0.0,
    "vitals/latents_repeat": 0.0,
    "vitals/normalised_together": 1.0,
    "loss/G": 2.0,
    "probability/D(x)": 0.8,
    "probability/D(G(z))": 0.3,
}
# cause → signs just beyond its thresholds, and one of them brought back to just within
FAULTY = {
    "sigmoid_twice": ({"logit_lowest": 0.0, "logit_highest": 1.0}, {"logit_highest": 1.01}),
    "unit_range": ({"real_lowest": rules.RANGE_LOWEST + 0.01}, {"real_lowest": rules.RANGE_LOWEST}),
    "blind_discriminator": ({"label_change": rules.NO_CHANGE * 0.9, "label_drop": 0.0}, {"label_change": 0.011}),
    "kept_gradients": ({"gradient_repeats/D": rules.REPEATS + 0.001}, {"gradient_repeats/D": rules.REPEATS}),
    "missing_detach": ({"gradient_leaks": rules.LEAK * 1.1}, {"gradient_leaks": rules.LEAK}),
    "one_batch": ({"normalised_together": rules.TOGETHER + 0.1}, {"normalised_together": rules.TOGETHER}),
    "seeded_noise": ({"latents_repeat": rules.SAME_LATENTS + 0.1}, {"latents_repeat": rules.SAME_LATENTS}),
    "training_mode": ({"drawing_differs": rules.DIFFERS * 1.1}, {"drawing_differs": rules.DIFFERS}),
    "stale_statistics": ({"statistics_lag": rules.LAG * 1.1}, {"statistics_lag": rules.LAG}),
    "loud_labels": ({"z_moves": 0.1, "label_moves": 0.4}, {"label_moves": 0.1 * rules.LOUD}),
    "few_images": ({"nearest": rules.COPIES * 0.99}, {"nearest": rules.COPIES}),
    "minimax": (
        {"loss/G": -0.1, "probability/D(G(z))": rules.SELDOM_FOOLED * 0.9},
        {"probability/D(G(z))": rules.SELDOM_FOOLED * 1.01},
    ),
    "strong_discriminator": (
        {"loss/G": rules.HOPELESS * 1.1, "probability/D(G(z))": rules.SELDOM_FOOLED * 0.9},
        {"loss/G": rules.HOPELESS},
    ),
    "weak_discriminator": (
        {"step_size/D": 0.019 * rules.OUTPACED, "step_size/G": 0.02, "separated": 0.1},
        {"separated": rules.FOOLED},
    ),
    "high_rate": (
        {"step_size/G": rules.BIG_STEP * 1.01, "z_moves": 0.1, "label_moves": 0.101 / rules.FEWER_KINDS},
        {"label_moves": 0.099 / rules.FEWER_KINDS},
    ),
    "shuffled_labels": (
        {"label_drop": 0.1, "label_change": 1.0, "z_moves": 0.3, "label_moves": 0.05},
        {"label_drop": rules.RIGHT_PAIRS},
    ),
}


class Made:
    """A run whose log was made up: each value at five steps."""

    def __init__(self, *changes, points=5, every=10):
        values = dict(WELL)
        for change in changes:
            values |= {name if name.startswith(("loss", "prob")) else f"vitals/{name}": v for name, v in change.items()}
        self.curves = {name: (np.arange(points) * every, np.full(points, value)) for name, value in values.items()}

    def history(self):
        return self.curves


def test_every_rule_is_tried():
    assert sorted(FAULTY) == sorted(RULES)


@pytest.mark.parametrize("cause", sorted(FAULTY))
def test_a_rule_tells_its_cause_with_a_reason_just_beyond_its_threshold(cause):
    found = diagnose(Made(FAULTY[cause][0]))
    assert found.cause == cause
    assert repr(found).startswith(cause.replace("_", " "))
    assert RULES[cause].advice in repr(found)
    assert any(letter.isdigit() for letter in found.reasons[0])


@pytest.mark.parametrize("cause", sorted(FAULTY))
def test_it_says_nothing_on_the_other_side(cause):
    assert diagnose(Made(*FAULTY[cause])).cause == HEALTHY


@pytest.mark.parametrize("cause", sorted(FAULTY))
def test_a_log_without_what_a_rule_needs_is_not_accused_by_it(cause):
    made = Made(FAULTY[cause][0])
    needed = [name for name in RULES[cause].needs if name not in ("separated", "z_moves", "label_moves", "nearest")]
    for name in needed:
        made.curves.pop(f"vitals/{name}", None)
        made.curves.pop(name, None)
    assert diagnose(made).cause in ((HEALTHY,) if needed else (cause,))


def test_a_log_that_says_too_little_gets_no_guess():
    old = Made(FAULTY["high_rate"][0])
    old.curves = {name: curve for name, curve in old.curves.items() if not name.startswith("vitals")}
    assert diagnose(old).cause == CANNOT_TELL
    assert "older" in diagnose(old).reasons[0]
    short = diagnose(Made(FAULTY["high_rate"][0], points=LEAST_POINTS - 1))
    assert short.cause == CANNOT_TELL
    assert f"{LEAST_POINTS - 1} times" in short.reasons[0]
    assert diagnose(Made(FAULTY["high_rate"][0], points=LEAST_POINTS, every=20)).cause == "high_rate"


@pytest.mark.parametrize("name", ["loss/G", "separated", "logit_highest"])
def test_a_run_that_ended_in_nan_is_not_called_healthy(name):
    found = diagnose(Made({name: np.nan}))
    assert found.cause == CANNOT_TELL
    assert f"{name} ends in nan" in found.reasons[0]


def test_a_young_run_is_told_what_is_plainly_wrong_and_no_more():
    for cause, rule in RULES.items():
        found = diagnose(Made(FAULTY[cause][0], every=LEAST_STEPS // 4 - 1)).cause
        assert found == (CANNOT_TELL if rule.infers else cause)
        assert diagnose(Made(FAULTY[cause][0], every=LEAST_STEPS // 4)).cause == cause


def test_a_run_on_disk_has_vital_signs_at_each_grid(finished):
    curves = open_run(finished.folder).history()
    steps, values = curves["vitals/separated"]
    assert steps.tolist() == [0, 20, 40]
    assert ((values >= 0) & (values <= 1)).all()
    assert curves["vitals/gradient_repeats/G"][0].tolist() == [20, 40]  # nothing was watched before the first step
    assert diagnose(open_run(finished.folder)).cause == CANNOT_TELL
