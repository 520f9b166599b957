"""The lab of notebook 08: repeatable, its faults are named by `diagnose`, and what is shown does not tell."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from cgan_lib import UserError, diagnose
from cgan_lib.course.exercises.lab import TRACES
from cgan_lib.course.lab import (
    FAULTS,
    LETTERS,
    Parts,
    case_run,
    fault_of,
    name_of,
    show_case,
    show_case_signs,
    show_signs,
    train_lab,
)
from cgan_lib.course.lab.cases import part_source
from cgan_lib.runs.diagnose import CANNOT_TELL
from cgan_lib.runs.rules import RULES

pytestmark = pytest.mark.filterwarnings("ignore:mnist is not in")
PLAIN = sorted(
    name for name, rule in RULES.items() if not rule.infers and name != "kept_gradients"
)  # that takes longer


def test_there_is_a_rule_and_a_trace_for_each_fault_and_a_case():
    assert sorted(FAULTS) == sorted(RULES) == sorted(TRACES) == sorted(name_of(letter) for letter in LETTERS)
    for name, fault in FAULTS.items():
        assert getattr(fault.parts(), fault.part) == fault.wrong, name
        assert len(fault.cause) > 40


@pytest.mark.parametrize("name", PLAIN)
def test_a_fault_that_needs_no_inference_is_named_after_four_steps(name):
    assert diagnose(train_lab(FAULTS[name].parts(), steps=4)).cause == name


def test_a_healthy_lab_is_not_accused_after_four_steps():
    assert diagnose(train_lab(steps=4)).cause == CANNOT_TELL


def test_gradients_that_are_kept_repeat_ever_more():
    kept, cleared = (
        train_lab(parts, steps=8).history()["vitals/gradient_repeats/G"][1][-1]
        for parts in (FAULTS["kept_gradients"].parts(), Parts())
    )
    assert kept > 0.9 > cleared


def test_the_same_seed_gives_the_same_numbers_and_draws_nothing_from_others():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same, other = train_lab(steps=3), train_lab(steps=3), train_lab(seed=1, steps=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.grid(), same.grid())
    assert not torch.equal(one.grid(), other.grid())


def test_what_a_part_draws_at_random_changes_nothing_that_follows():
    def clear(game):
        torch.rand(7)
        Parts().clear_gradients(game)

    first = train_lab(steps=2).history()["vitals/z_moves"][1]
    again = train_lab(Parts(clear_gradients=clear), steps=2).history()["vitals/z_moves"][1]
    assert first[0] == again[0]


def test_drawing_samples_leaves_the_generator_as_it_was():
    run = train_lab(FAULTS["training_mode"].parts(), steps=2)
    before = {name: value.clone() for name, value in run.game.sampler.state_dict().items()}
    run.grid()
    assert all(torch.equal(value, before[name]) for name, value in run.game.sampler.state_dict().items())
    assert not run.game.sampler.training


@pytest.mark.parametrize("letter", LETTERS)
def test_the_code_that_is_shown_names_the_part_and_not_the_fault(letter):
    source, fault = part_source(letter), fault_of(letter)
    assert fault.part in source.lower()
    assert name_of(letter) not in source
    assert getattr(fault.wrong, "__name__", "_nothing") not in source


def test_a_case_is_trained_once_and_shown_beside_a_healthy_run(monkeypatch, capsys):
    figures = []
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: figures.append(plt.gcf()))
    show_case("C")
    show_case_signs("C")
    assert len({id(figure) for figure in figures}) == 2
    printed = capsys.readouterr().out
    assert printed.count("GAN-test") == 2
    assert "label_moves" in printed
    assert case_run("C") is case_run("C")


def test_an_unknown_case_or_part_is_one_line():
    with pytest.raises(UserError, match="unknown case 'Z'"):
        case_run("Z")
    with pytest.raises(UserError, match="unknown part 'rate': did you mean 'rates'"):
        Parts().replace(rate=1)


def test_a_sign_that_one_run_has_not_is_a_dash(capsys):
    curve = (np.arange(2), np.ones(2))
    signs = {"vitals/separated": curve}
    runs = (SimpleNamespace(history=lambda more=more: signs | more) for more in ({"vitals/z_moves": curve}, {}))
    show_signs(dict(zip("ab", runs, strict=True)))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("z_moves")]
    assert line.endswith("–")
