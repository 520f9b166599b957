"""Our layers that do what PyTorch's do, only faster: the same numbers."""

import pytest
import torch
from torch import nn

from cgan_lib.models.layers import DenseToMaps, Dropout, FlattenPixels


@pytest.mark.parametrize("shape", [(64, 50), (8, 16, 14, 14)], ids=str)
@pytest.mark.parametrize("p", [0.3, 0.5])
def test_dropout_zeroes_the_share_p_and_keeps_the_mean(shape, p):
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.ones(shape))
    count = dropped.numel()
    error = 4 * (p * (1 - p) / count) ** 0.5 + 1 / 512  # four standard deviations, and p in 256ths
    assert abs((dropped == 0).float().mean().item() - p) < error
    assert abs(dropped.mean().item() - 1) < error / (1 - p)
    assert len(dropped.unique()) == 2


def test_dropout_masks_every_byte_of_the_random_words_alike():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(1000, 800)) != 0).float().view(-1, 8).mean(0)  # (8,): by place in the word
    assert (kept - 0.5).abs().max() < 0.01


def test_dropout_does_nothing_in_evaluation_or_at_zero():
    x = torch.randn(4, 3, 5, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_dropout_near_one_stays_finite():
    assert Dropout(0.999)(torch.ones(1000)).isfinite().all()


def test_dropout_follows_the_global_seed_and_passes_gradients_where_it_keeps():
    x = torch.randn(4, 3, 5, 5, requires_grad=True)
    layer = Dropout(0.5)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    first.sum().backward()
    assert torch.equal(x.grad != 0, first != 0)


def test_dense_to_maps_is_linear_then_unflatten():
    layer = DenseToMaps(6, 4, 3)
    plain = nn.Linear(6, 36)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(5, 6)
    assert torch.equal(layer(x), plain(x).view(5, 4, 3, 3))


def test_flatten_pixels_is_flatten_with_the_channels_last():
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(FlattenPixels()(x), x.movedim(1, -1).reshape(2, -1))
