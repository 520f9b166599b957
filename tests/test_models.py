"""The families in detail: the published weights, the ways to join a label, the layers that set a family apart."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from cgan_lib import UserError, generate, load_generator
from cgan_lib.models import MODELS
from cgan_lib.models.labels import LabelPlane
from cgan_lib.models.layers import check_image, downsample, upsample
from cgan_lib.models.limits import halvings, quarter
from cgan_lib.models.projection import ProjectionHead, Residual
from cgan_lib.models.subpixel import DepthToSpace, SpaceToDepth

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
    for state in (published, MODELS["bce"].generator().state_dict()):
        assert {name: tuple(tensor.shape) for name, tensor in state.items()} == PUBLISHED_SHAPES
    torch.save(published, tmp_path / "mnist_cgan_generator.pth")
    generator = load_generator(tmp_path / "mnist_cgan_generator.pth")
    z, labels = torch.randn(10, 100), torch.arange(10)
    expected = forward_of_the_published_net(published, z, labels)
    with torch.no_grad():
        torch.testing.assert_close(generator(z, labels), expected, atol=1e-5, rtol=0)
    pixels = generate(generator, labels, z=z)
    assert (pixels - (expected + 1) * 127.5).abs().max() < 0.51


def test_a_label_plane_of_its_own_or_through_a_shared_layer():
    labels = torch.tensor([3, 0])
    own = LabelPlane(4, 6)
    assert torch.equal(own(labels)[0, 0], own[0].weight[3].view(6, 6))
    shared = LabelPlane(4, 6, embed_dim=2)
    assert shared(labels).shape == (2, 1, 6, 6)
    # 4 planes, but only 2 numbers tell them apart
    assert torch.linalg.matrix_rank(shared(torch.arange(4)).flatten(1) - shared[1].bias, atol=1e-5) == 2


def test_sides_are_halved_and_doubled():
    assert upsample(2, 3)(torch.zeros(1, 2, 5, 7)).shape == (1, 3, 10, 14)
    assert downsample(2, 3)(torch.zeros(1, 2, 10, 14)).shape == (1, 3, 5, 7)
    assert [quarter(size) for size in (8, 28, 32, 64)] == [2, 7, 8, 16]
    assert {size: halvings(size) for size in (8, 12, 16, 28, 32, 64)} == {8: 1, 12: 1, 16: 2, 28: 2, 32: 3, 64: 4}


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


# Standard deviation of the class embeddings that a generator and a discriminator start from. 1 is PyTorch's own, with
# which the label is as loud as z; where no BatchNorm follows, it must be quiet. None: under spectral norm any will do
LOUDNESS = {
    "bce": (1.0, 1.0),
    "dropout": (0.35, 0.35),
    "spatial": (1.0, 1.0),
    "dcgan": (0.35, 0.35),
    "growing": (0.35, 0.35),
    "projection": (0.35, None),
    "residual": (0.35, 0.35),
    "subpixel": (0.35, 0.35),
}


@pytest.mark.parametrize("model", LOUDNESS)
@pytest.mark.parametrize("wrong", [(1, 24, 24), (1, 28, 32), (3, 28, 28), (1, 28)], ids=str)
def test_discriminators_refuse_other_images_and_say_what_they_read(model, wrong):
    discriminator = MODELS[model].discriminator(base_channels=8, image_size=28)
    with pytest.raises(UserError, match=r"reads \(N, 1, 28, 28\), got \(2, .*image_size=28"):
        discriminator(torch.zeros(2, *wrong), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize("model", LOUDNESS)
@pytest.mark.parametrize("size", [30, 4, 0])
def test_sizes_that_two_strides_do_not_divide_are_refused(model, size):
    for network in (MODELS[model].generator, MODELS[model].discriminator):
        with pytest.raises(UserError, match=f"image_size {size} .*(multiple of 4, at least 8|from 1 to)"):
            network(image_size=size)


@pytest.mark.parametrize("model", LOUDNESS)
def test_labels_start_as_loud_as_each_family_can_bear(model):
    torch.manual_seed(0)
    networks = MODELS[model].generator(num_classes=200), MODELS[model].discriminator(num_classes=200)
    for network, expected in zip(networks, LOUDNESS[model], strict=True):
        (embedding,) = (layer for layer in network.modules() if isinstance(layer, nn.Embedding))
        if expected is not None:  # at least 200 × 20 numbers
            assert embedding.weight.std().item() == pytest.approx(expected, rel=0.04)


# --- dcgan


@pytest.mark.parametrize(("size", "side", "divisor"), [(28, 7, 2), (32, 4, 4), (64, 4, 8)])
@pytest.mark.parametrize("model", ["dcgan", "growing"])
def test_dcgan_starts_from_the_smallest_even_split_of_the_image(model, size, side, divisor):
    family = MODELS[model]
    generator = family.generator(image_size=size, base_channels=divisor)
    discriminator = family.discriminator(image_size=size, base_channels=2)
    z, labels = torch.randn(2, 100), torch.tensor([0, 1])
    assert generator.stages[0](torch.randn(2, 200, 1, 1)).shape == (2, divisor, side, side)
    images = generator(z, labels)
    assert images.shape == (2, 1, size, size)
    assert discriminator(images, labels).shape == (2,)
    assert discriminator.to_logit[1].kernel_size == (side, side)
    with pytest.raises(UserError, match=f"base_channels {divisor + 1} must be a multiple of {divisor}"):
        family.generator(image_size=size, base_channels=divisor + 1)


def test_dcgan_has_the_widths_of_the_dcgan_paper_by_default():
    with torch.device("meta"):
        generator, discriminator = MODELS["dcgan"].generator(), MODELS["dcgan"].discriminator()
    assert [stage[0].out_channels for stage in generator.stages] == [512, 256, 128, 64]
    assert [stage[0].out_channels for stage in discriminator.stages] == [64, 128, 256, 512]


@pytest.mark.parametrize("model", ["dcgan", "growing"])
def test_the_label_of_dcgan_counts_through_its_plane_alone(model):
    torch.manual_seed(0)
    discriminator = MODELS[model].discriminator(num_classes=3, image_size=32, base_channels=8).eval()
    planes = discriminator.label_plane[0].weight.data  # (3, 32·32)
    planes[2] = planes[0]
    logits = discriminator(torch.rand(1, 1, 32, 32).expand(3, -1, -1, -1), torch.arange(3))
    assert logits[0] == logits[2]
    assert abs(logits[0] - logits[1]) > 1e-4


@pytest.mark.parametrize("model", ["dcgan", "growing"])
def test_a_constant_label_plane_gets_through_every_way_in_because_no_norm_takes_it_away(model):
    torch.manual_seed(0)
    discriminator = MODELS[model].discriminator(image_size=32, base_channels=8)
    ways_in = [discriminator.stages[0], *getattr(discriminator, "early_from_image", [])]
    assert len(ways_in) == (3 if model == "growing" else 1)
    for way in ways_in:
        maps = way(torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)], dim=1))  # (1, 2, 8, 8): image, plane
        expected = F.leaky_relu(way[0].weight[:, 1].sum((1, 2)) + way[0].bias, 0.2)
        torch.testing.assert_close(maps[0, :, 1, 1], expected)  # not at the border


# --- growing


@pytest.fixture(params=[28, 32], ids=["grown=1", "grown=2"])
def growing(request):
    """Both growing networks, in evaluation mode, with inputs: `z`, labels and images."""
    torch.manual_seed(0)
    size, family = request.param, MODELS["growing"]
    generator = family.generator(image_size=size, base_channels=16).eval()
    discriminator = family.discriminator(image_size=size, base_channels=8).eval()
    inputs = torch.randn(3, 100), torch.arange(3), torch.rand(3, 1, size, size) * 2 - 1
    return generator, discriminator, *inputs


def test_growing_networks_start_whole_and_stay_within_their_limits(growing):
    for network in growing[:2]:
        assert network.growth == network.grown
        for growth, kept in ((-1, 0), (0.25, 0.25), (99, network.grown)):
            network.grow(growth)
            assert network.growth == kept
        assert "growth" in network.state_dict()


@pytest.mark.parametrize(("size", "grown"), [(8, 0), (12, 0), (16, 1), (28, 1), (32, 2), (64, 2)])
def test_networks_grow_by_two_doublings_where_the_image_allows(size, grown):
    family = MODELS["growing"]
    networks = family.generator(image_size=size, base_channels=8), family.discriminator(image_size=size)
    assert [network.grown for network in networks] == [grown, grown]


def test_a_generator_that_is_not_grown_draws_large_pixels(growing):
    generator, _, z, labels, x = growing
    for growth in range(generator.grown + 1):
        generator.grow(growth)
        pixel = 2 ** (generator.grown - growth)
        images = generator(z, labels)
        assert images.shape == x.shape
        blocks = images.unfold(2, pixel, pixel).unfold(3, pixel, pixel).flatten(4)  # (3, 1, h, w, pixel·pixel)
        assert torch.equal(blocks, blocks[..., :1].expand_as(blocks))
        small = blocks[..., 0]
        assert len(small[0].unique()) > small[0].numel() / 2  # pixels no larger than that


def test_a_discriminator_that_is_not_grown_sees_nothing_smaller_than_its_pixels(growing):
    _, discriminator, _, labels, x = growing

    def with_chequers(side):
        places = torch.arange(x.shape[-1]) // side
        return discriminator(x + 2 * ((places + places[:, None]) % 2) - 1, labels)

    for growth in range(discriminator.grown + 1):
        discriminator.grow(growth)
        pixel, expected = 2 ** (discriminator.grown - growth), discriminator(x, labels)
        assert (with_chequers(pixel) - expected).abs().min() > 1e-3
        if pixel > 1:
            torch.testing.assert_close(with_chequers(pixel // 2), expected, atol=1e-5, rtol=0)


def test_grown_networks_are_the_plain_ones_with_the_same_weights(growing):
    generator, discriminator, z, labels, x = growing

    def plain(network, build):
        state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("early")}
        del state["growth"]
        build.load_state_dict(state)
        return build.eval()

    size, family = x.shape[-1], MODELS["dcgan"]
    same = plain(generator, family.generator(image_size=size, base_channels=16))
    assert torch.equal(same(z, labels), generator(z, labels))
    same = plain(discriminator, family.discriminator(image_size=size, base_channels=8))
    assert torch.equal(same(x, labels), discriminator(x, labels))


def test_what_a_growing_network_gives_is_continuous_in_its_growth(growing):
    generator, discriminator, z, labels, x = growing

    def at(network, growth, *inputs):
        network.grow(growth)
        return network(*inputs)

    for network, inputs in ((generator, (z, labels)), (discriminator, (x, labels))):
        for whole in range(network.grown + 1):
            now = at(network, whole, *inputs)
            for near in (whole - 1e-4, whole + 1e-4):
                torch.testing.assert_close(at(network, near, *inputs), now, atol=1e-3, rtol=0)
        small, half, large = (at(network, growth, *inputs) for growth in (0, 0.5, 1))
        assert (small - large).abs().max() > 1e-2  # each size has a way of its own …
        assert not torch.equal(half, small)
        assert not torch.equal(half, large)
    small, half, large = (at(generator, growth, z, labels) for growth in (0, 0.25, 1))
    torch.testing.assert_close(half, 0.75 * small + 0.25 * large)  # … and the images of both are mixed


# --- projection and residual


@pytest.mark.parametrize("model", ["projection", "residual"])
def test_the_logit_is_realness_plus_agreement_and_a_wrong_label_changes_agreement_alone(model):
    torch.manual_seed(0)
    discriminator = MODELS[model].discriminator(base_channels=8, feature_dim=6).eval()
    x, labels, wrong = torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 3]), torch.tensor([4, 5, 6, 7])
    head, features = discriminator.head, discriminator.features(x)
    assert features.shape == (4, 6)
    right, other = discriminator(x, labels), discriminator(x, wrong)
    torch.testing.assert_close(right, head.realness(features) + head.agreement(features, labels))
    difference = head.agreement(features, wrong) - head.agreement(features, labels)
    torch.testing.assert_close(other - right, difference)
    assert difference.abs().min() > 1e-4


def test_the_projection_head_by_hand():
    head = ProjectionHead(2, 3)
    head.linear.weight.data, head.linear.bias.data = torch.tensor([[1.0, -2.0]]), torch.tensor([0.5])
    head.class_embedding.weight.data = torch.tensor([[0.0, 0.0], [3.0, 1.0], [-1.0, 2.0]])
    features, labels = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 4.0]]), torch.tensor([0, 1, 2])
    assert head.realness(features).tolist() == [0.5, 0.5, -7.5]
    assert head.agreement(features, labels).tolist() == [0, 7, 8]
    assert head(features, labels).tolist() == [0.5, 7.5, 0.5]


@pytest.fixture
def projection():
    torch.manual_seed(0)
    return MODELS["projection"].discriminator(num_classes=4, base_channels=4, feature_dim=8)


def test_every_weight_of_the_projection_discriminator_has_spectral_norm(projection):
    weights = [layer for layer in projection.modules() if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(weights) == 6
    for layer in weights:
        assert is_parametrized(layer, "weight")
        layer.parametrizations.weight.original.data.mul_(7)
    projection(torch.rand(2, 1, 28, 28), torch.tensor([0, 1]))
    assert all(torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2) < 1.5 for layer in weights)


def test_the_projection_discriminator_sums_what_it_finds_over_all_places(projection):
    x = torch.rand(2, 1, 28, 28)
    found = projection.eval().backbone(x)
    assert found.shape == (2, 8, 7, 7)
    torch.testing.assert_close(projection.features(x), found.flatten(2).sum(2))


def test_a_residual_block_adds_to_its_input_and_starts_small():
    torch.manual_seed(0)
    generator = MODELS["residual"].generator()
    blocks = [layer for layer in generator.modules() if isinstance(layer, Residual)]
    assert len(blocks) == 2
    for block in blocks:
        x = torch.randn(4, block.convolutions[1].in_channels, 7, 7)
        added = block(x) - x
        assert 0 < added.std() < 0.1
        block.convolutions[-1].weight.data.zero_()
        assert torch.equal(block(x), x)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_residual_networks_have_no_norm_layers(network):
    layers = getattr(MODELS["residual"], network)(base_channels=8).modules()
    assert not [layer for layer in layers if "Norm" in type(layer).__name__ or is_parametrized(layer)]


# --- subpixel


def test_pixels_move_between_channels_and_places_and_back():
    maps = torch.arange(2 * 8 * 4 * 6.0).view(2, 8, 4, 6)
    large = DepthToSpace()(maps)
    assert large.shape == (2, 2, 8, 12)
    assert torch.equal(large[:, :, ::2, ::2], maps[:, :2])  # of four places each channel has the first, here
    assert torch.equal(SpaceToDepth()(large), maps)
    order = torch.arange(8).view(4, 2).T.flatten()  # PyTorch's own has the channels of a pixel side by side
    assert torch.equal(large, torch.nn.functional.pixel_shuffle(maps[:, order], 2))
