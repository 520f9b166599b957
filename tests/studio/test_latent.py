"""The latent space: directions, maps, and the way back from an image."""

import pytest
import torch
from networks import Bar, Dots, small
from torch import nn

from cgan_lib import UserError, generate, load_generator
from cgan_lib.data import resize
from cgan_lib.models import MODELS
from cgan_lib.sampling import latents
from cgan_lib.studio.latent import Direction, directions, find_latent, latent_grid

BLACK = torch.zeros(1, 28, 28, dtype=torch.uint8)


# --- directions


FIRST_LAYER = {  # found by hand, family by family
    "bce": lambda g: g.projection[0],
    "dropout": lambda g: g.dense[0],
    "spatial": lambda g: g.dense[0],
    "dcgan": lambda g: g.stages[0][0],
    "growing": lambda g: g.stages[0][0],
    "projection": lambda g: g.dense,
    "residual": lambda g: g.dense,
}


@pytest.fixture(params=FIRST_LAYER)
def family(request):
    """A generator that hears some numbers of `z` better than others, and how its first layer answers to `z`."""
    torch.manual_seed(1)
    generator = MODELS[request.param].generator(
        latent_dim=7, num_classes=3, image_size=16, embed_dim=5, base_channels=8
    )
    layer = FIRST_LAYER[request.param](generator)
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
    found = directions(family[0], 7)
    vectors = torch.stack([direction.vector for direction in found])
    assert torch.allclose(vectors @ vectors.T, torch.eye(7), atol=1e-5)
    shares = [direction.share for direction in found]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert [direction.share for direction in directions(family[0])] == shares[:4]


def test_the_first_direction_changes_the_output_of_the_first_layer_most_and_by_its_share(family):
    generator, answer = family

    def explained(vector, z):
        return (answer((z @ vector)[:, None] * vector).var(0).sum() / answer(z).var(0).sum()).item()

    found = directions(generator, 3)
    z = latents(20_000, 7, seed=5)
    for direction in found:
        assert explained(direction.vector, z) == pytest.approx(direction.share, rel=0.03)
    most = explained(found[0].vector, z[:1000])
    assert all(explained(vector, z[:1000]) < most for vector in nn.functional.normalize(latents(40, 7, seed=6)))
    assert found[0].share > 1.2 * found[1].share  # else this would say little


@pytest.mark.parametrize("count", [0, -1, 6])
def test_as_many_directions_as_latents_have_numbers_and_no_more(count):
    with pytest.raises(UserError, match=f"count {count} must be 1 to latent_dim, 5"):
        directions(Bar(), count)


def test_the_label_of_a_direction_has_its_number_name_and_share():
    assert Direction(torch.ones(1), 0.1234, "wider").label(2) == "2 · wider · 12.3%"


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


# --- maps


def test_a_map_goes_from_left_to_right_and_from_top_to_bottom():
    across, down = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0.5, 0])
    images = latent_grid(Dots(), 2, across, down, z=torch.tensor([1.0, 0, -1]), side=3, reach=2.0)
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
    assert z[[0, 8, -1]].tolist() == [[-4, -4], [4, -4], [4, 4]]


# --- from an image back to its latent


@pytest.fixture
def loud():
    """A small generator whose pictures hang on `z`."""
    generator = small(num_classes=4)
    with torch.no_grad():
        generator.projection[0].weight[:, :6].mul_(2)
    return generator


def difference(one, other):
    """Mean difference of a pixel, of 255."""
    return (one.float() - other.float()).abs().mean((-3, -2, -1))


def best_of(generator, image, label, count=500):
    """The difference that the best of the first latents has."""
    images = generate(generator, [label] * count, z=latents(count, generator.config["latent_dim"]))
    return difference(images, image).min().item()


def test_an_image_of_the_generator_is_found_again(loud):
    z = latents(1, 6, seed=77)
    (image,) = generate(loud, [2], z=z)
    found = find_latent(loud, image, 2)
    assert found.label == 2
    assert not found.z.requires_grad
    assert torch.equal(found.image, generate(loud, [2], z=found.z[None])[0])
    assert found.error == pytest.approx(difference(found.image, image).item(), abs=0.01)
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
        find_latent(loud, BLACK, 1, steps=3)
    with pytest.raises(UserError):
        find_latent(loud, BLACK, 4, steps=3)
    assert all(layer.training is training for layer in loud.modules())
    assert all(parameter.requires_grad and parameter.grad.eq(3).all() for parameter in loud.parameters())
    assert all(torch.equal(value, before[name]) for name, value in loud.state_dict().items())


def test_a_search_that_fails_puts_the_mode_back(loud, monkeypatch):
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        find_latent(loud.train(), BLACK, 1)
    assert loud.training


def test_the_search_runs_in_evaluation_mode(loud):
    (image,) = generate(loud, [0], seed=5)
    found = find_latent(loud.train(), image, 0, steps=20)
    assert torch.equal(find_latent(loud.eval(), image, 0, steps=20).z, found.z)


@pytest.mark.parametrize(("model", "size", "own"), [("bce", 64, 28), ("dcgan", 28, 64)])
def test_an_image_of_another_size_is_resized(model, size, own):
    torch.manual_seed(0)
    generator = MODELS[model].generator(latent_dim=6, num_classes=4, base_channels=8)
    (image,) = resize(generate(generator, [1], seed=8), size)
    found = find_latent(generator, image, 1, steps=5)
    (resized,) = resize(image[None], own)
    assert found.image.shape == (1, own, own)
    assert torch.equal(found.z, find_latent(generator, resized, 1, steps=5).z)
    assert found.error == pytest.approx(difference(found.image, resized).item(), abs=0.01)


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
        (BLACK.float(), {}, r"uint8 \(1, H, W\), got torch.float32"),
        (BLACK[0], {}, "must be uint8"),
        (BLACK.expand(3, -1, -1), {}, r"got torch.uint8 \(3, 28, 28\)"),
        (BLACK[None], {}, "must be uint8"),
        (BLACK[:, :0], {}, "must be uint8"),
        (BLACK.numpy(), {}, "must be uint8"),
        (None, {}, r"must be uint8 .* got None"),
        *((BLACK, dict(label=label), f"label {label} is no class") for label in (4, -1)),
        *((BLACK, {name: 0}, f"{name} 0") for name in ("steps", "starts")),
    ],
)
def test_what_cannot_be_looked_for_is_an_error(loud, image, options, message):
    with pytest.raises(UserError, match=message):
        find_latent(loud, image, **dict(label=0) | options)


def test_an_image_is_found_by_a_generator_of_half_precision_too():
    found = find_latent(MODELS["bce"].generator(base_channels=8).bfloat16().eval(), BLACK, 2, steps=3)
    assert found.z.dtype == torch.float32
    assert 0 < found.error < 255
