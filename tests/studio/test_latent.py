"""Moves through the latent space: arcs, mixtures, directions with names, maps, the way back from an image, GIFs."""

import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from scipy.spatial import geometric_slerp
from torch import nn

from cgan_lib import UserError, generate, load_generator
from cgan_lib.data import resize
from cgan_lib.files import save_gif
from cgan_lib.models import MODELS
from cgan_lib.sampling import blend, latents, slerp
from cgan_lib.studio.latent import EFFECTS, Direction, View, directions, find_latent, latent_grid, measurements

SHARES = torch.linspace(0, 1, 9)


# --- arcs and mixtures


@pytest.mark.parametrize("dimensions", [2, 3, 100])
def test_an_arc_is_the_great_circle_and_keeps_the_length(dimensions):
    start, end = 5 * nn.functional.normalize(latents(2, dimensions, seed=3))  # both of length 5
    arc = slerp(start, end, SHARES)
    assert arc.shape == (9, dimensions)
    units = [(vector / vector.norm()).double().numpy() for vector in (start.double(), end.double())]
    np.testing.assert_allclose(arc, 5 * geometric_slerp(*units, SHARES.double().numpy()), atol=2e-5)
    assert torch.allclose(arc.norm(dim=1), torch.tensor(5.0), atol=1e-4)


@pytest.mark.parametrize("angle", [0.01, 0.3, 3.0, 3.13])
def test_narrow_and_wide_arcs_are_arcs_too(angle):
    turned = angle * SHARES
    circle = 10 * torch.stack([turned.cos(), turned.sin()], dim=1)
    assert torch.allclose(slerp(circle[0], circle[-1], SHARES), circle, atol=0.02)


def test_an_arc_between_different_lengths_starts_and_ends_exactly_and_turns_evenly():
    start, end = torch.tensor([3.0, 0, 0, 1]), torch.tensor([0.0, 2, 1, 1])
    arc = slerp(start, end, SHARES)
    assert torch.allclose(arc[[0, -1]], torch.stack([start, end]), atol=1e-6)
    # x'' = -angle²·x, the equation of even turning: then the neighbours of every point add up to a multiple of it
    cosine = torch.cos(torch.arccos(start @ end / start.norm() / end.norm()) / 8)
    assert torch.allclose(arc[:-2] + arc[2:], 2 * cosine * arc[1:-1], atol=1e-5)


def test_an_arc_to_the_same_or_the_opposite_latent_is_finite_and_has_the_right_ends():
    for seed in range(20):  # rounding differs from one to the next
        start = latents(1, 100, seed)[0]
        same, doubled, opposite = (slerp(start, end, SHARES) for end in (start, 2 * start, -start))
        assert torch.allclose(same, start.expand(9, -1), atol=1e-4)
        assert torch.allclose(doubled, start * (1 + SHARES[:, None]), atol=1e-2)
        assert opposite.isfinite().all()
        assert opposite.norm(dim=1).max() <= start.norm() * 1.001
        assert torch.allclose(opposite[[0, -1]], torch.stack([start, -start]), atol=1e-3)
    assert slerp(torch.zeros(3), torch.zeros(3), SHARES).isfinite().all()


def test_a_mixture_goes_from_one_class_to_the_other_and_adds_up_to_one():
    weights = blend(3, 1, SHARES, num_classes=5)
    assert weights.shape == (9, 5)
    assert weights.dtype == torch.float32
    assert weights[0].tolist() == [0, 0, 0, 1, 0]
    assert weights[-1].tolist() == [0, 1, 0, 0, 0]
    assert torch.allclose(weights.sum(1), torch.ones(9))
    assert torch.allclose(weights[:, 1], SHARES)
    assert blend(2, 2, SHARES)[:, 2].eq(1).all()
    assert blend(0, 9, SHARES).shape == (9, 10)


@pytest.mark.parametrize("labels", [(-1, 3), (3, 10), (10, 3), (3, -1)])
def test_a_mixture_of_what_is_no_class_is_an_error(labels):
    with pytest.raises(UserError, match=r"label -?\d+ is no class: use 0 to 9"):
        blend(*labels, SHARES)


# --- directions


def first_layer(model: str, generator: nn.Module) -> nn.Module:
    """Found by hand, family by family."""
    return {
        "bce": lambda g: g.projection[0],
        "dropout": lambda g: g.dense[0],
        "spatial": lambda g: g.dense[0],
        "dcgan64": lambda g: g.stages[0][0],
        "growing": lambda g: g.stages[0][0],
        "projection": lambda g: g.dense,
        "residual": lambda g: g.dense,
    }[model](generator)


@pytest.fixture(params=MODELS)
def family(request):
    """A generator that hears some numbers of `z` better than others, and how its first layer answers to `z`."""
    torch.manual_seed(1)
    generator = MODELS[request.param].generator(
        latent_dim=7, num_classes=3, image_size=16, embed_dim=5, base_channels=8
    )
    layer = first_layer(request.param, generator)
    convolution = isinstance(layer, nn.ConvTranspose2d)
    strengths = torch.tensor([1, 3, 0.5, 2, 1.5, 0.2, 0.7])
    turned = torch.linalg.qr(torch.randn(7, 7))[0]
    inputs = layer.weight.shape[0 if convolution else 1]
    with torch.no_grad():
        rows = layer.weight.flatten(1).T if convolution else layer.weight  # (outputs, inputs)
        rows[:, :7] = rows[:, :7] * strengths @ turned
        rows[:, 7:] *= 10  # what the label does must not count
        layer.weight.copy_(rows.T.view_as(layer.weight) if convolution else rows)

    @torch.no_grad()
    def answer(z):
        x = torch.cat([z, torch.ones(len(z), inputs - 7)], dim=1)
        return layer(x[:, :, None, None] if convolution else x).flatten(1)

    return generator, answer


def test_directions_are_of_length_one_and_at_right_angles_and_sorted(family):
    ways = directions(family[0], 7)
    vectors = torch.stack([way.vector for way in ways])
    assert torch.allclose(vectors @ vectors.T, torch.eye(7), atol=1e-5)
    shares = [way.share for way in ways]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert [way.share for way in directions(family[0])] == shares[:4]
    assert sum(shares[:4]) < 1


def test_the_first_direction_changes_the_output_of_the_first_layer_most_and_by_its_share(family):
    generator, answer = family

    def explained(vector, z):
        return (answer((z @ vector)[:, None] * vector).var(0).sum() / answer(z).var(0).sum()).item()

    ways = directions(generator, 3)
    z = latents(20_000, 7, seed=5)
    for way in ways:
        assert explained(way.vector, z) == pytest.approx(way.share, rel=0.03)
    others = nn.functional.normalize(latents(40, 7, seed=6))
    most = explained(ways[0].vector, z[:1000])
    assert all(explained(vector, z[:1000]) < most for vector in others)
    assert ways[0].share > 1.2 * ways[1].share  # else this would say little


@pytest.mark.parametrize("count", [0, -1, 8])
def test_as_many_directions_as_latents_have_numbers_and_no_more(family, count):
    with pytest.raises(UserError, match=f"count {count} must be 1 to latent_dim, 7"):
        directions(family[0], count)


class Bar(nn.Module):
    """Draws a soft bar: number by number `z` makes it bolder, slanted, wider and taller; the last does nothing.

    `signs` turn round what they do. The first layer hears the first number best, and so on.
    """

    def __init__(self, signs=(1, 1, 1, 1), fail=False):
        super().__init__()
        self.config = dict(latent_dim=5, num_classes=3, channels=1, image_size=28)
        self.fail = fail
        self.of_labels = nn.Sequential(nn.Embedding(3, 9), nn.Linear(9, 1))  # linear and first, but deaf to z
        self.linear = nn.Linear(5, 5, bias=False)
        self.norm = nn.BatchNorm1d(1)
        self.linear.weight.data = torch.diag(torch.tensor([5.0, 4, 3, 2, 1]))
        self.register_buffer("signs", torch.tensor([*signs, 1.0]) / torch.tensor([5.0, 4, 3, 2, 1]))

    def forward(self, z, labels):
        self.of_labels(labels)
        bold, slant, wide, tall, _ = (torch.tanh(self.linear(z) * self.signs / 4)[:, :, None, None]).unbind(1)
        if self.fail:
            raise ValueError("broken")
        width, height = 2 * 1.5**wide, 4 * 1.4**tall
        y = 13.5 - torch.arange(28.0)[:, None]  # rows up
        x = torch.arange(28.0) - 13.5 - 0.8 * slant * y
        bar = torch.exp(-((x / width) ** 2) / 2 - (y / height) ** 2 / 2) * 8 / (width * height)  # as much ink always
        return 2 * (0.45 * bar * 1.6**bold)[:, None].clamp(0, 1) - 1


@pytest.mark.parametrize("signs", [(1, 1, 1, 1), (-1, -1, -1, -1), (1, -1, -1, 1)], ids=str)
def test_directions_are_named_by_what_is_seen_and_lead_to_more_of_it(signs):
    ways = directions(Bar(signs), 5)
    assert [way.name for way in ways] == ["bolder", "leaning right", "wider", "taller", ""]
    for axis, (way, sign) in enumerate(zip(ways, signs, strict=False)):
        assert torch.allclose(way.vector, sign * torch.eye(5)[axis], atol=1e-6)
    shares = torch.tensor([25.0, 16, 9, 4, 1]) / 55
    assert [way.share for way in ways] == pytest.approx(shares.tolist())


def test_the_label_of_a_direction_has_its_number_name_and_share():
    assert Direction(torch.ones(1), 0.1234, "wider").label(2) == "2 · wider · 12.3%"
    assert Direction(torch.ones(1), 0.05, "").label(4) == "4 · 5.0%"


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fail", [True, False])
def test_looking_for_directions_leaves_mode_weights_and_hooks_as_they_were(training, fail):
    bar = Bar(fail=fail).train(training)
    before = {name: value.clone() for name, value in bar.state_dict().items()}
    if fail:
        with pytest.raises(ValueError, match="broken"):
            directions(bar)
    else:
        directions(bar)
    assert all(layer.training is training for layer in bar.modules())
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in bar.modules())
    assert all(torch.equal(value, before[name]) for name, value in bar.state_dict().items())
    assert all(parameter.grad is None for parameter in bar.parameters())


def test_a_generator_whose_latents_meet_no_linear_layer_first_has_no_directions():
    class Scaled(Bar):
        def forward(self, z, labels):
            return super().forward(2 * z, labels)

    with pytest.raises(UserError, match="Scaled has no linear layer that reads z"):
        directions(Scaled())


# --- measurements


def bar(slant=0.0, columns=3, rows=16, brightness=200, canvas=40):
    """A bar uint8 (1, canvas, canvas), `columns` wide, whose rows are shifted by `slant` each."""
    y = torch.arange(canvas)[:, None]
    middle = (canvas - 1) / 2
    centre = middle + slant * (middle - y)
    left, right = centre - columns / 2, centre + columns / 2
    x = torch.arange(canvas)
    covered = (torch.minimum(x + 0.5, right) - torch.maximum(x - 0.5, left)).clamp(0, 1)  # of each pixel
    return (covered * brightness * ((y - middle).abs() < rows / 2)).round().byte()[None]


@pytest.mark.parametrize("slope", [-0.8, -0.5, 0.0, 0.25, 0.5, 0.8])
def test_the_slant_of_a_bar_is_measured_in_columns_to_the_right_for_each_row_up(slope):
    measured = measurements(bar(slope)[None])["slant"]
    assert measured.shape == (1,)
    assert measured.item() == pytest.approx(slope, abs=0.02)


def test_width_and_height_are_standard_deviations_in_pixels_and_ink_the_mean_brightness():
    measured = measurements(bar(columns=6, rows=12, brightness=255)[None])
    assert measured["width"].item() == pytest.approx(((6**2 - 1) / 12) ** 0.5, rel=0.02)
    assert measured["height"].item() == pytest.approx(((12**2 - 1) / 12) ** 0.5, rel=0.02)
    assert measured["ink"].item() == pytest.approx(72 / 1600, rel=0.01)
    assert measured["slant"].item() == pytest.approx(0, abs=1e-4)


def test_measurements_are_the_moments_of_the_brightness_also_in_colour():
    images = torch.randint(256, (4, 3, 20, 31), generator=torch.Generator().manual_seed(0)).byte()
    measured = measurements(images)
    assert set(EFFECTS) <= set(measured)
    y, x = (axis.ravel() for axis in np.indices((20, 31)))
    for number, image in enumerate(images):
        ink = image.double().mean(0).flatten().numpy()
        (var_x, covariance), (_, var_y) = np.cov(x, -y, aweights=ink, ddof=0)
        expected = dict(ink=ink.mean() / 255, slant=covariance / var_y, width=var_x**0.5, height=var_y**0.5)
        assert {name: values[number].item() for name, values in measured.items()} == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "more"),
    [("width", dict(columns=7)), ("height", dict(rows=24)), ("ink", dict(brightness=255)), ("slant", dict(slant=0.3))],
)
def test_more_of_it_gives_a_larger_number(name, more):
    measured = measurements(torch.stack([bar(), bar(**more)]))[name]
    assert measured[1] > 1.2 * measured[0] + 1e-3


@pytest.mark.parametrize("brightness", [0, 255])
def test_empty_and_full_images_have_finite_measurements(brightness):
    images = torch.full((2, 1, 28, 28), brightness, dtype=torch.uint8)
    images[1, 0, 5, 5] = 255 - brightness
    for values in measurements(images).values():
        assert values.shape == (2,)
        assert values.isfinite().all()


# --- views


CONFIG = dict(latent_dim=4, num_classes=3)
WAYS = [Direction(torch.eye(4)[axis], 0.25, "") for axis in (2, 0)]


def test_a_view_draws_the_latents_of_its_seed_for_its_digit():
    z, weights = View(digit=1, seed=7, count=4).inputs(CONFIG)
    assert torch.equal(z, latents(4, 4, seed=7))
    assert weights.tolist() == [[0, 1, 0]] * 4


def test_a_view_is_truncated_moved_and_mixed():
    view = View(digit=0, toward=2, share=0.25, moves=(1.5, -2), seed=3, truncation=0.5, count=9)
    z, weights = view.inputs(CONFIG, WAYS)
    moved = latents(9, 4, seed=3, truncation=0.5) + torch.tensor([-2, 0, 1.5, 0])
    assert torch.allclose(z, moved)
    assert torch.allclose(weights, torch.tensor([0.75, 0, 0.25]).expand(9, 3))


def test_the_start_of_a_view_stands_in_for_the_first_latent_alone_and_is_moved_too():
    start = torch.tensor([1.0, 2, 3, 4])
    z, _ = View(digit=0, moves=(1.0,), count=3, start=start).inputs(CONFIG, WAYS)
    assert torch.equal(z[0], torch.tensor([1.0, 2, 4, 4]))
    assert torch.allclose(z[1:], latents(3, 4)[1:] + torch.tensor([0, 0, 1.0, 0]))
    assert start.tolist() == [1, 2, 3, 4]


def test_a_share_without_another_class_changes_nothing_and_a_wrong_class_is_an_error():
    assert View(digit=2, share=0.7).inputs(CONFIG)[1].tolist() == [[0, 0, 1]]
    with pytest.raises(UserError, match="label 3 is no class"):
        View(digit=3).inputs(CONFIG)


# --- maps


class Dots(nn.Module):
    """Draws `z` itself, each number as a pixel of 16 grey levels, and beside it the label."""

    def __init__(self):
        super().__init__()
        self.config = dict(latent_dim=3, num_classes=4, channels=1, image_size=4)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, z, labels):
        return torch.cat([z, labels[:, None]], dim=1)[:, None, None] * 16 / 127.5 * self.weight


def test_a_map_goes_from_left_to_right_and_from_top_to_bottom():
    across, down = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0.5, 0])
    images = latent_grid(Dots(), 2, across, down, z=torch.tensor([1.0, 0, -1]), side=3, reach=2.0)
    assert images.dtype == torch.uint8
    assert images.shape == (9, 1, 1, 4)
    z = (images[:, 0, 0].float() - 127.5) / 16  # (9, 4): z, then the label
    cells = z.round(decimals=1).view(3, 3, 4)
    assert cells[:, :, 0].tolist() == [[-1, 1, 3]] * 3  # columns
    assert cells[:, :, 1].tolist() == [[-1] * 3, [0] * 3, [1] * 3]  # rows
    assert cells[:, :, 2].eq(-1).all()
    assert cells[:, :, 3].eq(2).all()


def test_a_map_has_nine_columns_and_reaches_four_when_nothing_is_said():
    images = latent_grid(Dots(), 0, torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]), z=torch.zeros(3))
    z = ((images[:, 0, 0, :2].float() - 127.5) / 16).round()
    assert len(images) == 81
    assert z[0].tolist() == [-4, -4]
    assert z[8].tolist() == [4, -4]
    assert z[-1].tolist() == [4, 4]


# --- from an image back to its latent


@pytest.fixture(scope="module")
def loud():
    """A small untrained generator with plenty of contrast."""
    torch.manual_seed(0)
    generator = MODELS["bce"].generator(latent_dim=6, num_classes=4, base_channels=8).eval()
    with torch.no_grad():
        generator.conv_blocks[4].weight.mul_(6)
        generator.projection[0].weight[:, :6].mul_(2)
    return generator


def best_of(generator, image, label, count=500):
    """The mean difference of a pixel that the best of the first latents has."""
    images = generate(generator, [label] * count, z=latents(count, generator.config["latent_dim"]))
    return (images.float() - image.float()).abs().mean((1, 2, 3)).min().item()


def test_an_image_of_the_generator_is_found_again(loud):
    z = latents(1, 6, seed=77)
    (image,) = generate(loud, [2], z=z)
    found = find_latent(loud, image, 2)
    assert found.label == 2
    assert found.z.shape == (6,)
    assert not found.z.requires_grad
    assert torch.equal(found.image, generate(loud, [2], z=found.z[None])[0])
    assert found.error == pytest.approx((found.image.float() - image.float()).abs().mean().item(), abs=0.01)
    assert found.error < 0.2 * best_of(loud, image, 2)
    assert (found.z - z[0]).norm() < 0.3 * z.norm()  # of these few numbers not only the image comes back


def test_an_image_of_a_shipped_generator_is_found_again():
    generator = load_generator("relativistic")
    (image,) = generate(generator, [7], seed=3)
    found = find_latent(generator, image, 7)
    assert found.error < 3
    assert found.error < 0.2 * best_of(generator, image, 7)
    assert 0.7 < found.z.norm() / 10 < 1.4  # not far from where it was trained


@pytest.mark.parametrize("training", [True, False])
def test_the_search_leaves_the_generator_as_it_was(loud, training):
    loud.train(training)
    for parameter in loud.parameters():
        parameter.grad = torch.full_like(parameter, 3)
    before = {name: value.clone() for name, value in loud.state_dict().items()}
    with torch.no_grad():  # whatever the caller is in
        find_latent(loud, torch.zeros(1, 28, 28, dtype=torch.uint8), 1, steps=3)
    with pytest.raises(UserError):
        find_latent(loud, torch.zeros(1, 28, 28, dtype=torch.uint8), 4, steps=3)
    assert all(layer.training is training for layer in loud.modules())
    assert all(parameter.requires_grad for parameter in loud.parameters())
    assert all(parameter.grad.eq(3).all() for parameter in loud.parameters())
    assert all(torch.equal(value, before[name]) for name, value in loud.state_dict().items())
    loud.zero_grad()
    loud.eval()


def test_a_search_that_fails_puts_the_mode_back(loud, monkeypatch):
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: 1 / 0)
    loud.train()
    with pytest.raises(ZeroDivisionError):
        find_latent(loud, torch.zeros(1, 28, 28, dtype=torch.uint8), 1)
    assert loud.training
    loud.eval()


def test_the_search_runs_in_evaluation_mode(loud):
    (image,) = generate(loud, [0], seed=5)
    found = find_latent(loud.train(), image, 0, steps=20)
    assert torch.equal(find_latent(loud.eval(), image, 0, steps=20).z, found.z)


@pytest.mark.parametrize(("model", "size", "own"), [("bce", 64, 28), ("dcgan64", 28, 64)])
def test_an_image_of_another_size_is_resized(model, size, own):
    torch.manual_seed(0)
    generator = MODELS[model].generator(latent_dim=6, num_classes=4, base_channels=8)
    (image,) = resize(generate(generator, [1], seed=8), size)
    found = find_latent(generator, image, 1, steps=5)
    (resized,) = resize(image[None], own)
    assert found.image.shape == (1, own, own)
    assert torch.equal(found.z, find_latent(generator, resized, 1, steps=5).z)
    assert found.error == pytest.approx((found.image.float() - resized.float()).abs().mean().item(), abs=0.01)


def test_where_the_image_does_not_care_latents_are_pulled_to_the_length_they_were_trained_with():
    class Compass(Dots):
        def forward(self, z, labels):
            return super().forward(4 * nn.functional.normalize(z), labels)

    lengths = {1: [], 100: []}  # by steps
    for image in generate(Compass(), [1] * 6, seed=4):
        for steps, found in lengths.items():
            found.append(find_latent(Compass(), image[:, :1].expand(-1, 4, -1), 1, steps=steps, starts=1).z.norm())
    assert all(abs(length / 3**0.5 - 1) < 0.01 for length in lengths[100])
    assert max(abs(length / 3**0.5 - 1) for length in lengths[1]) > 0.2


def test_more_starts_and_more_steps_find_better(loud):
    (image,) = generate(loud, [3], seed=21)
    errors = [find_latent(loud, image, 3, steps=steps, starts=starts).error for steps, starts in ((1, 1), (40, 4))]
    assert errors[1] < 0.6 * errors[0]
    assert find_latent(loud, image, 3, steps=1, starts=900).error <= errors[0]  # no more than there are


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (torch.zeros(1, 28, 28), {}, r"uint8 \(1, H, W\), got torch.float32"),
        (torch.zeros(28, 28, dtype=torch.uint8), {}, "must be uint8"),
        (torch.zeros(3, 28, 28, dtype=torch.uint8), {}, r"got torch.uint8 \(3, 28, 28\)"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), {}, "must be uint8"),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), dict(label=4), "label 4 is no class"),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), dict(label=-1), "label -1 is no class"),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), dict(steps=0), "steps 0"),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), dict(starts=0), "starts 0"),
    ],
)
def test_what_cannot_be_looked_for_is_an_error(loud, image, options, message):
    with pytest.raises(UserError, match=message):
        find_latent(loud, image, **dict(label=0) | options)


# --- animations


def pictures(count=4):
    return [torch.full((3, 5, 7), 60 * number, dtype=torch.uint8) for number in range(count)]


def frames_of(path):
    """The brightness and the milliseconds of each frame."""
    with Image.open(path) as animation:
        frames = ImageSequence.Iterator(animation)
        return [(frame.convert("RGB").getpixel((0, 0))[0], frame.info["duration"]) for frame in frames]


def test_an_animation_goes_there_and_back_for_ever(home):
    path = save_gif(pictures(), home / "new" / "folder" / "walk.gif", seconds=3.0)
    assert path == home / "new" / "folder" / "walk.gif"
    assert frames_of(path) == [(0, 500), (60, 500), (120, 500), (180, 500), (120, 500), (60, 500)]
    with Image.open(path) as animation:
        assert animation.size == (14, 10)
        assert animation.info["loop"] == 0
    assert list(path.parent.iterdir()) == [path]


def test_an_animation_may_go_one_way_from_a_path_as_text_and_in_another_size(home):
    path = save_gif(pictures(), str(home / "walk.gif"), seconds=1.0, there_and_back=False, scale=3)
    assert frames_of(path) == [(0, 250), (60, 250), (120, 250), (180, 250)]
    with Image.open(path) as animation:
        assert animation.size == (21, 15)
    assert len(frames_of(save_gif(pictures(2), path))) == 2


def test_pixels_are_enlarged_and_not_blurred(home):
    picture = torch.zeros(3, 2, 2, dtype=torch.uint8)
    picture[0, 0, 1] = 255
    path = save_gif([picture, 255 - picture], home / "walk.gif", scale=4)
    with Image.open(path) as animation:
        pixels = np.asarray(animation.convert("RGB"))
    assert (pixels[:4, 4:] == [255, 0, 0]).all()
    assert (pixels[:, :4] == 0).all()


def test_no_frame_is_shorter_than_browsers_show(home):
    assert {milliseconds for _, milliseconds in frames_of(save_gif(pictures(), home / "a.gif", seconds=0.01))} == {20}


@pytest.mark.parametrize("name", ["walk.png", "walk", "walk.gif.png"])
def test_another_ending_is_an_error_and_nothing_is_written(home, name):
    with pytest.raises(UserError, match=r"must end in \.gif"):
        save_gif(pictures(), home / "sub" / name)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_are_an_error_and_nothing_is_written(home, count):
    with pytest.raises(UserError, match=f"needs two pictures or more, got {count}"):
        save_gif(pictures(count), home / "sub" / "walk.gif")
    assert list(home.iterdir()) == []


def test_an_animation_is_there_whole_or_not_at_all(home, monkeypatch):
    path = save_gif(pictures(), home / "walk.gif")
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="No space left"):
        save_gif(pictures(3), path)
    assert path.read_bytes() == before
    assert list(home.iterdir()) == [path]
