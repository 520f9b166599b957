"""The benchmarks run and measure what they say, on a scale that takes seconds."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import quality
import throughput

from cgan_lib import get_recipe


@pytest.mark.parametrize("name", ["bce", "dropout", "spatial"])
def test_the_plain_networks_are_the_same_networks_from_plain_layers(name):
    ours, _ = get_recipe(name, base_channels=8).build()
    plain, plain_d = (
        throughput.as_tutorials_do(network).eval() for network in get_recipe(name, base_channels=8).build()
    )
    z, labels = torch.randn(4, 100), torch.arange(4)
    torch.testing.assert_close(plain(z, labels), ours.eval()(z, labels))
    kinds = {
        type(layer).__module__.split(".")[0]
        for net in (plain, plain_d)
        for layer in net.modules()
        if not list(layer.children())
    }
    assert kinds == {"torch"}


def test_the_judge_counts_what_was_requested_and_sees_a_collapse():
    judge = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    images = torch.randint(0, 256, (40, 1, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        predicted = judge((images.float() / 127.5) - 1).argmax(1)
    labels = torch.arange(10).repeat(4)
    right, worst, spread = quality.judged(judge, images, labels)
    assert right == pytest.approx(100 * (predicted == labels).float().mean().item())
    assert worst <= right
    assert (spread > 0).all()
    _, _, collapsed = quality.judged(judge, images[:10].repeat(4, 1, 1, 1), labels)
    assert collapsed.max() == pytest.approx(0, abs=1e-3)
