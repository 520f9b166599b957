"""Our layers that do what PyTorch's do, only faster: the same numbers. And the weights that networks start from."""

import pytest
import torch
from torch import nn

from cgan_lib.models.labels import ClassEmbedding, LabelPlane
from cgan_lib.models.layers import (
    Clamp,
    DenseToMaps,
    Dropout,
    FlattenPixels,
    dcgan_init,
    quiet_labels_init,
)


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


def test_dropout_does_nothing_in_evaluation_or_at_zero_and_stays_finite_near_one():
    x = torch.randn(4, 3, 5, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("learning", [True, False])
def test_clamp_cuts_to_plus_or_minus_one_however_far_outside(dtype, learning):
    x = torch.tensor([-6e4, -301, -3.3, -1, -0.7, 0, 0.1, 1, 1.1, 299, 6e4], dtype=dtype, requires_grad=learning)
    assert torch.equal(Clamp()(x), x.detach().clamp(-1, 1))
    large = torch.tensor([-1e9, 1e9], requires_grad=learning)
    assert Clamp()(large).tolist() == [-1, 1]


def test_clamp_lets_through_every_gradient_that_leads_back_inside_and_no_other():
    values = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    x = values.clone().requires_grad_()
    Clamp()(x).sum().backward()  # wants smaller numbers
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 1]
    x = values.clone().requires_grad_()
    Clamp()(x).sum().neg().backward()  # wants larger ones
    assert x.grad.tolist() == [-1, -1, -1, -1, -1, -1, 0]


# --- labels and class weights


def test_class_embedding_of_labels_is_that_of_pytorch():
    layer, plain = ClassEmbedding(5, 3), nn.Embedding(5, 3)
    plain.load_state_dict(layer.state_dict())  # the same name and shape
    for labels in (torch.tensor([4, 0, 4]), torch.tensor([2, 1], dtype=torch.int32)):
        assert torch.equal(layer(labels), plain(labels))


def test_class_embedding_of_class_weights_mixes_the_vectors():
    layer = ClassEmbedding(4, 3)
    rows = layer.weight.detach()
    assert torch.equal(layer(torch.eye(4)), rows)
    weights = torch.tensor([[0.5, 0, 0, 0.5], [0.25, 0.75, 0, 0], [0, 0, 2, -1]])
    expected = torch.stack([(rows[0] + rows[3]) / 2, rows[0] / 4 + 3 * rows[1] / 4, 2 * rows[2] - rows[3]])
    assert torch.allclose(layer(weights), expected, atol=1e-6)


def test_class_embedding_learns_from_labels_and_from_weights_alike():
    layer = ClassEmbedding(4, 3)
    gradients = []
    for labels in (torch.tensor([1, 3]), torch.eye(4)[[1, 3]]):
        layer.zero_grad()
        layer(labels).square().sum().backward()
        gradients.append(layer.weight.grad.clone())
    assert torch.allclose(*gradients)
    assert gradients[0][[0, 2]].eq(0).all()
    weights = torch.full((1, 4), 0.25, requires_grad=True)
    layer(weights).sum().backward()
    assert torch.allclose(weights.grad[0], layer.weight.detach().sum(1))


@pytest.mark.parametrize("embed_dim", [None, 6])
def test_label_planes_mix_too(embed_dim):
    plane = LabelPlane(4, 5, embed_dim)
    one, other = plane(torch.tensor([1, 2]))
    between = plane(torch.tensor([[0, 0.25, 0.75, 0]]))
    assert between.shape == (1, 1, 5, 5)
    assert torch.allclose(between[0], 0.25 * one + 0.75 * other, atol=1e-6)


# --- the weights that networks start from


@pytest.fixture
def layers():
    torch.manual_seed(0)
    kinds = {
        "up": nn.ConvTranspose2d(40, 50, 4, bias=False),
        "down": nn.Conv2d(40, 50, 4),
        "batch": nn.BatchNorm2d(1000),
        "instance": nn.InstanceNorm2d(1000, affine=True),
        "plain": nn.InstanceNorm2d(8),
        "dense": nn.Linear(200, 100),
        "embedding": nn.Embedding(100, 100),
    }
    for layer in kinds.values():
        for parameter in layer.parameters():
            nn.init.constant_(parameter, 7)
    return nn.ModuleDict(kinds)


def assert_normal(weight, mean, std):
    count = weight.numel()
    assert abs(weight.mean().item() - mean) < 4 * std / count**0.5  # four standard deviations
    assert abs(weight.std().item() / std - 1) < 4 / (2 * count) ** 0.5


def test_dcgan_init_is_that_of_the_paper_with_quiet_labels(layers):
    dcgan_init(layers)
    for name in ("up", "down"):
        assert_normal(layers[name].weight, 0, 0.02)
    for name in ("batch", "instance"):
        assert_normal(layers[name].weight, 1, 0.02)
    assert_normal(layers["embedding"].weight, 0, 0.35)
    biases = [layer.bias for layer in layers.values() if getattr(layer, "bias", None) is not None]
    assert len(biases) == 4
    assert not any(bias.any() for bias in biases)


def test_quiet_labels_init_is_glorot_with_small_embeddings(layers):
    quiet_labels_init(layers)
    for name, fan_in, fan_out in (("up", 50 * 16, 40 * 16), ("down", 40 * 16, 50 * 16), ("dense", 200, 100)):
        limit = (6 / (fan_in + fan_out)) ** 0.5
        weight = layers[name].weight
        assert weight.abs().max() <= limit
        assert weight.abs().max() > 0.99 * limit
        assert abs(weight.mean()) < 0.05 * limit
    assert_normal(layers["embedding"].weight, 0, 0.35)
    assert not layers["down"].bias.any()
    assert not layers["dense"].bias.any()
