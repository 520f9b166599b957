"""The families in detail: the published weights, the ways to join a label, the layers that set a family apart."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib import UserError, generate, load_generator
from cgan_lib.models import MODELS
from cgan_lib.models.layers import LabelPlane, check_image, downsample, quarter, upsample

PUBLISHED_SHAPES = {
    "label_embedding.weight": (10, 20),
    "projection.0.weight": (6272, 120),
    "projection.0.bias": (6272,),
    "conv_blocks.0.weight": (128,),
    "conv_blocks.0.bias": (128,),
    "conv_blocks.0.running_mean": (128,),
    "conv_blocks.0.running_var": (128,),
    "conv_blocks.0.num_batches_tracked": (),
    "conv_blocks.1.weight": (128, 64, 4, 4),
    "conv_blocks.1.bias": (64,),
    "conv_blocks.2.weight": (64,),
    "conv_blocks.2.bias": (64,),
    "conv_blocks.2.running_mean": (64,),
    "conv_blocks.2.running_var": (64,),
    "conv_blocks.2.num_batches_tracked": (),
    "conv_blocks.4.weight": (64, 1, 4, 4),
    "conv_blocks.4.bias": (1,),
}


@pytest.fixture
def published():
    """A state dict like that of the public weights VioletaR/cgan-mnist, from plain layers, none of its values trivial.

    In a net that has learned something no BatchNorm statistic is 0 or 1, so neither are these.
    """
    torch.manual_seed(0)
    state = nn.ModuleDict(
        {
            "label_embedding": nn.Embedding(10, 20),
            "projection": nn.Sequential(nn.Linear(120, 6272)),
            "conv_blocks": nn.Sequential(
                nn.BatchNorm2d(128),
                nn.ConvTranspose2d(128, 64, 4, 2, 1),
                nn.BatchNorm2d(64),
                nn.LeakyReLU(0.2),
                nn.ConvTranspose2d(64, 1, 4, 2, 1),
            ),
        }
    ).state_dict()
    for norm in ("conv_blocks.0", "conv_blocks.2"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{name}"].uniform_(0.2, 1)
    return state


def forward_of_the_published_net(s, z, labels):
    def norm(x, name):
        mean, var, weight, bias = (s[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, training=False)

    def up(x, name):
        return F.conv_transpose2d(x, s[f"{name}.weight"], s[f"{name}.bias"], stride=2, padding=1)

    joined = torch.cat([z, F.embedding(labels, s["label_embedding.weight"])], dim=1)
    x = F.linear(joined, s["projection.0.weight"], s["projection.0.bias"]).view(-1, 128, 7, 7)
    x = up(norm(x, "conv_blocks.0"), "conv_blocks.1")
    x = F.leaky_relu(norm(x, "conv_blocks.2"), 0.2)
    return torch.tanh(up(x, "conv_blocks.4"))


def test_published_weights_load_as_they_are_and_draw_what_the_published_net_draws(published, tmp_path):
    assert {name: tuple(tensor.shape) for name, tensor in published.items()} == PUBLISHED_SHAPES
    torch.save(published, tmp_path / "mnist_cgan_generator.pth")
    generator = load_generator(tmp_path / "mnist_cgan_generator.pth")
    z, labels = torch.randn(10, 100), torch.arange(10)
    expected = forward_of_the_published_net(published, z, labels)
    with torch.no_grad():
        torch.testing.assert_close(generator(z, labels), expected, atol=1e-5, rtol=0)
    pixels = generate(generator, labels, z=z)
    assert (pixels - (expected + 1) * 127.5).abs().max() < 0.51


def test_default_bce_generator_has_the_published_names_and_shapes():
    state = MODELS["bce"].generator().state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == PUBLISHED_SHAPES


def test_a_label_plane_of_its_own_or_through_a_shared_layer():
    labels = torch.tensor([3, 0])
    own = LabelPlane(4, 6)
    assert torch.equal(own(labels)[0, 0], own[0].weight[3].view(6, 6))
    shared = LabelPlane(4, 6, embed_dim=2)
    assert shared(labels).shape == (2, 1, 6, 6)
    # 4 planes, but only 2 numbers tell them apart
    assert torch.linalg.matrix_rank(shared(torch.arange(4)).flatten(1) - shared[1].bias, atol=1e-5) == 2


def test_strided_layers_double_and_halve():
    assert upsample(2, 3)(torch.zeros(1, 2, 5, 7)).shape == (1, 3, 10, 14)
    assert downsample(2, 3)(torch.zeros(1, 2, 10, 14)).shape == (1, 3, 5, 7)


def test_quarter_is_the_side_that_two_doublings_bring_to_the_image():
    assert [quarter(size) for size in (8, 28, 32, 64)] == [2, 7, 8, 16]


def test_check_image_says_how_to_put_it_right():
    check_image(torch.zeros(5, 1, 28, 28), 1, 28)
    with pytest.raises(UserError, match=r"got \(5, 1, 64, 64\): load the data with image_size=28"):
        check_image(torch.zeros(5, 1, 64, 64), 1, 28)


def test_spatial_discriminator_sees_what_is_there_and_not_where():
    """Global max pooling: moving a stroke, far from the border and by a multiple of all strides, changes nothing."""
    torch.manual_seed(0)
    discriminator = MODELS["spatial"].discriminator(base_channels=8).eval()
    discriminator.label_plane[1].weight.data.zero_()  # a plane that is the same everywhere …
    discriminator.label_plane[1].bias.data.zero_()  # … so that only the image has a place
    x = torch.zeros(2, 1, 28, 28)
    stroke = torch.rand(4, 4)
    x[0, 0, 8:12, 8:12] = stroke
    x[1, 0, 12:16, 16:20] = stroke
    first, second = discriminator(x, torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(first, second)
    assert not torch.isclose(first, discriminator(x[:1] * 0, torch.zeros(1, dtype=torch.long))[0])


def test_discriminators_with_dropout_have_no_batch_norm_and_the_other_way_round():
    def kinds(model):
        return {type(layer) for layer in MODELS[model].discriminator(base_channels=8).modules()}

    assert nn.BatchNorm2d not in kinds("dropout")
    assert nn.BatchNorm2d in kinds("bce")
    assert nn.AdaptiveMaxPool2d in kinds("spatial")
