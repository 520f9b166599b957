"""The benchmarks run and measure what they say, on a scale that takes seconds."""

import itertools
import re
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from test_data import write_files

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import quality
import throughput

from cgan_lib import RECIPES, get_recipe, train
from cgan_lib.evaluation import Scores
from cgan_lib.models import MODELS
from cgan_lib.models.layers import Clamp
from cgan_lib.sampling import latents

OURS = [name for name in RECIPES if not name.endswith("_published")]
SCORES = Scores(count=50, as_requested=91.26, worst_class=82.34, diversity=0.734, least_diverse=0.614, real=99.17)


@pytest.fixture
def mnist(home, monkeypatch):
    """Thirty images of noise in the files of MNIST."""
    write_files(home / "images")
    monkeypatch.setenv("CGAN_DATA", str(home / "images"))


@pytest.mark.parametrize("model", MODELS)
def test_the_plain_networks_are_the_same_networks_from_plain_layers(model):
    recipe = next(recipe for recipe in RECIPES.values() if recipe.model == model)
    recipe = recipe.replace(base_channels=8, base_channels_d=8)
    ours, ours_d = (network.eval() for network in recipe.build())
    plain, plain_d = (throughput.as_tutorials_do(network).eval() for network in recipe.build())
    z, labels = latents(4, recipe.latent_dim), torch.arange(4)
    torch.testing.assert_close(plain(z, labels), ours(z, labels))
    x = torch.zeros(4, 1, recipe.image_size, recipe.image_size)
    assert plain_d(x, labels).shape == ours_d(x, labels).shape
    leaves = [layer for net in (plain, plain_d) for layer in net.modules() if not list(layer.children())]
    own = {type(layer) for layer in leaves if not type(layer).__module__.startswith("torch.")}
    assert own <= {Clamp}  # its gradient is its own: PyTorch ships no such layer


@pytest.mark.parametrize("name", OURS)
@pytest.mark.usefixtures("mnist")
def test_both_ways_train_every_recipe(name):
    recipe = get_recipe(name, batch_size=8, base_channels=8, base_channels_d=8, penalty_every=2, precision="fp32")
    cpu = torch.device("cpu")
    for losses in itertools.islice(throughput.plain_steps(recipe, cpu), 5):  # three steps make an epoch of 30 images
        assert torch.tensor(losses).isfinite().all()
    steps = list(itertools.islice(throughput.our_steps(recipe.replace(log_every=2), cpu), 4))
    assert [step is None for step in steps] == [False, True, False, True]


@pytest.mark.usefixtures("mnist")
def test_the_comparison_takes_turns_and_gives_medians(monkeypatch):
    turns, clock = [], {"plain": [9.0, 9.0, 0.004, 0.006, 0.008], "ours": [9.0, 9.0, 0.002, 0.002, 0.001]}
    monkeypatch.setattr(throughput, "plain_steps", lambda *_: "plain")
    monkeypatch.setattr(throughput, "our_steps", lambda *_: "ours")

    def time_turn(steps, device):
        turns.append(steps)
        return clock[steps].pop(0)

    monkeypatch.setattr(throughput, "time_turn", time_turn)
    result = throughput.compare(get_recipe("bce"), torch.device("cpu"), rounds=3)
    assert turns == ["plain", "ours"] * 5
    assert result == pytest.approx(dict(plain=6, ours=2, ratio=3))  # the first two turns are warm-up


def test_quality_trains_in_a_fresh_home_and_prints_a_row_for_each_recipe(home, monkeypatch, capsys, tiny):
    measured = []

    def evaluate(generator, count):
        measured.append((type(generator).__name__, count))
        return SCORES

    monkeypatch.setenv("CGAN_DATA", str(home))
    monkeypatch.setattr(sys, "argv", ["quality.py", "bce", "projection", "--profile", "ci", "--count", "50"])
    monkeypatch.setattr(quality, "train", partial(train, steps=2, **tiny))
    monkeypatch.setattr(quality, "evaluate", evaluate)
    quality.main()
    assert measured == [("BCEGenerator", 50), ("ProjectionGenerator", 50)]
    printed = capsys.readouterr().out
    rows = re.findall(r"^\| `(\w+)` \| 2 \| \d+ \| 91\.3% \| 82\.3% \| 0\.73 \| 0\.61 \|$", printed, re.MULTILINE)
    assert rows == ["bce", "projection"]
    header, rule, *_ = [line for line in printed.splitlines() if line.startswith("|")]
    assert header.count("|") == rule.count("|") == 8
    assert "right on 99.17% of the real test images" in printed
    assert list(home.iterdir()) == []
