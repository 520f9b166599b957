"""Every check tells right, wrong and not attempted apart, with a hint that fits the mistake."""

import sys
from importlib import import_module
from pkgutil import iter_modules

import answers
import pytest
import torch
from answers import arcs, basics, sharing

from cgan_lib.course import exercises
from cgan_lib.course.exercises.verdict import UNREADABLE, judge

NAMES = sorted(name.removeprefix("check_") for name in vars(exercises) if name.startswith("check_"))
NOTEBOOKS = [import_module(f"answers.{module.name}") for module in iter_modules(answers.__path__)]
RIGHT = [row for notebook in NOTEBOOKS for row in notebook.RIGHT]
WRONG = [row for notebook in NOTEBOOKS for row in notebook.WRONG]
NOT_ATTEMPTED = [
    *((name, nothing) for name in sorted(exercises.EXERCISES) for nothing in (None, ...)),
    *((name, answer) for name, right in RIGHT if callable(right) for answer in (lambda *_: None, lambda *_: ...)),
    *(row for notebook in NOTEBOOKS for row in notebook.NOT_ATTEMPTED),
]


def verdict(name, answer):
    """What the check says; where one check serves several cases, the case stands behind its name."""
    check_name, *case = name.split()
    return getattr(exercises, f"check_{check_name}")(*case, answer)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # of answers that lose the gradient
@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name, answer):
    assert repr(verdict(name, answer)).startswith("✔ Right.")


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.filterwarnings("ignore:Using backward\\(\\) with create_graph")
@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_wrong_answers_get_the_hint_for_their_mistake(name, answer, hint):
    said = repr(verdict(name, answer))
    assert said.startswith("✘ Not yet.")
    assert hint in said
    assert UNREADABLE not in said


@pytest.mark.parametrize(("name", "answer"), NOT_ATTEMPTED)
def test_what_was_not_attempted_is_not_called_wrong(name, answer):
    assert verdict(name, answer).state == "not attempted"


@pytest.mark.parametrize("name", NAMES)
def test_every_check_is_tried_with_right_and_with_many_wrong_answers(name):
    assert sum(row[0].split()[0] == name for row in RIGHT) >= 4
    assert sum(row[0].split()[0] == name for row in WRONG) >= 8


def after(seed, method):
    """`method`, with the random numbers that follow a seed, from its first call on."""
    draws = torch.Generator().manual_seed(seed).get_state()

    def drawn(*sizes):
        nonlocal draws
        torch.default_generator.set_state(draws)
        z = method(*sizes)
        draws = torch.default_generator.get_state()
        return z

    return drawn


@pytest.mark.parametrize("method", arcs.RIGHT_TRUNCATED)
def test_truncated_latents_are_right_however_they_are_drawn(method):
    for seed in range(200 if method is arcs.truncated else 10):
        assert verdict("truncated", after(seed, method)).state == "right"


@pytest.mark.parametrize(("name", "answer"), [("truncated", arcs.truncated), ("same_generator", sharing.draw_the_same)])
def test_checking_does_not_move_the_random_state(name, answer):
    state = torch.random.get_rng_state()
    assert verdict(name, answer).state == "right"
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_error_of_a_check_is_not_shown_as_the_learner_s():
    assert repr(judge(lambda: {}["praise"], [3])) == f"✘ Not yet. {UNREADABLE}"


@pytest.mark.parametrize("switched_off", [torch.inference_mode, torch.no_grad])
def test_gradients_are_found_where_a_notebook_has_switched_them_off(switched_off):
    with switched_off():
        assert verdict("nonsaturating", basics.loss).state == "right"


def test_an_answer_that_would_end_the_notebook_does_not():
    assert "raised SystemExit" in repr(verdict("nonsaturating", lambda fake: sys.exit(3)))


def test_a_check_without_its_case_says_which_there_are():
    name = next(name for name in exercises.EXERCISES if " " in name).rpartition(" ")[0]
    check = getattr(exercises, f"check_{name}")
    for given in ((), ("",), ("none such", 3)):
        said = check(*given)
        assert said.state == "wrong"
        assert "the first argument is one of" in said.message
