"""What is measured in images, and the names of directions that come of it."""

import numpy as np
import pytest
import torch
from networks import Bar

from cgan_lib import generate, load_generator, pretrained
from cgan_lib.evaluation.classifier import load_classifier, read
from cgan_lib.sampling import latents
from cgan_lib.studio.latent import SLIDERS, directions, slider_directions
from cgan_lib.studio.naming import REACH, WORDS, effects, measurements, names

MEASURES = {
    word: (column, sense)
    for column, pair in enumerate(WORDS.values())
    for word, sense in zip(pair, (1, -1), strict=True)
}


# --- names


@pytest.mark.parametrize("signs", [(1, 1, 1, 1), (-1, -1, -1, -1), (1, -1, -1, 1)], ids=str)
def test_directions_are_named_by_what_is_seen_and_lead_to_more_of_it(signs):
    found = directions(Bar(signs), 5)
    assert [direction.name for direction in found] == ["bolder", "leaning right", "wider", "taller", "mixed 5"]
    for axis, (direction, sign) in enumerate(zip(found, signs, strict=False)):
        assert torch.allclose(direction.vector, sign * torch.eye(5)[axis], atol=1e-6)
    shares = torch.tensor([25.0, 16, 9, 4, 1]) / 55
    assert [direction.share for direction in found] == pytest.approx(shares.tolist())


def test_what_latents_hold_of_a_direction_has_no_say_in_its_name():
    """Seen from -2 to 2 this one goes up; from latents that are beyond 0.1 already, one end would be past the turn."""
    (first,) = directions(Bar(turn=2.1), 1)
    assert first.name == "bolder"
    assert torch.allclose(first.vector, torch.eye(5)[0], atol=1e-6)


@pytest.mark.parametrize("source", sorted(pretrained()))
def test_every_slider_of_a_shipped_generator_does_what_its_name_says_and_no_other_does_so_much(source):
    """Seen on latents that the names were not found on."""
    generator = load_generator(source)
    found = slider_directions(generator)
    assert len({direction.name for direction in found}) == SLIDERS
    changes = effects(generator, [direction.vector for direction in found], seed=99)  # (sliders, latents, measurements)
    for number, direction in enumerate(found):
        parts = [MEASURES[word] for word in direction.name.split(", ")]
        meant = torch.stack([sense * changes[:, :, column] for column, sense in parts]).mean(0)  # (sliders, latents)
        others = meant.mean(1).abs()
        own = others[number].item()
        others[number] = 0
        assert own > 0.6
        assert own > 1.15 * others.max(), direction.name
        assert (meant[number] > 0).float().mean() >= 0.8, direction.name
        by_class = meant[number].view(-1, 10).mean(0)
        assert (by_class > 0).sum() >= 9, direction.name
        assert all(sense * changes[number, :, column].mean() > 0.4 for column, sense in parts)


def test_names_of_the_first_directions_do_not_depend_on_how_many_are_asked_for():
    few, many = (directions(load_generator("relativistic"), count) for count in (2, 6))
    assert [direction.name for direction in few] == [direction.name for direction in many[:2]]
    assert len({direction.name for direction in many}) == 6


def test_a_direction_that_shares_its_strongest_change_is_named_by_two_that_it_shares_with_nobody():
    changes = torch.zeros(2, 100, len(WORDS))
    ink, width, height = (list(WORDS).index(measure) for measure in ("ink", "width", "height"))
    changes[0, :, ink], changes[0, :, width] = 2.0, 1.5
    changes[1, :, ink], changes[1, :, height] = -2.0, 1.6
    assert names(changes, 2) == [("wider", 1), ("taller", 1)]
    changes[1, :, width], changes[0, :, height] = 1.4, 1.5
    assert names(changes, 2) == [("bolder, taller", 1), ("bolder, shorter", -1)]


def test_what_is_true_of_few_latents_only_is_no_name():
    changes = torch.zeros(1, 100, len(WORDS))
    changes[0, :80, 0], changes[0, 80:, 0] = 2.0, -1.0
    assert names(changes, 1) == [("mixed 1", 1)]


# --- measurements


def bar(slant=0.0, columns=3, rows=16, brightness=200, canvas=40):
    """A bar uint8 (1, 1, canvas, canvas), `columns` wide, whose rows are shifted by `slant` each."""
    y = torch.arange(canvas)[:, None]
    middle = (canvas - 1) / 2
    centre = middle + slant * (middle - y)
    x = torch.arange(canvas)
    right, left = torch.minimum(x + 0.5, centre + columns / 2), torch.maximum(x - 0.5, centre - columns / 2)
    covered = (right - left).clamp(0, 1)  # of each pixel
    return (covered * brightness * ((y - middle).abs() < rows / 2)).round().byte()[None, None]


@pytest.mark.parametrize("slope", [-0.8, 0.0, 0.25, 0.5])
def test_the_slant_of_a_bar_is_measured_in_columns_to_the_right_for_each_row_up(slope):
    assert measurements(bar(slope))["slant"].item() == pytest.approx(slope, abs=0.02)


def test_width_and_height_are_standard_deviations_in_pixels_and_ink_the_mean_brightness():
    measured = measurements(bar(columns=6, rows=12, brightness=255))
    assert measured["width"].item() == pytest.approx(((6**2 - 1) / 12) ** 0.5, rel=0.02)
    assert measured["height"].item() == pytest.approx(((12**2 - 1) / 12) ** 0.5, rel=0.02)
    assert measured["ink"].item() == pytest.approx(72 / 1600, rel=0.01)


def test_measurements_are_the_moments_of_the_brightness_also_in_colour():
    images = torch.randint(256, (4, 3, 20, 31), generator=torch.Generator().manual_seed(0)).byte()
    measured = measurements(images)
    assert set(WORDS) == set(measured)
    y, x = (axis.ravel() for axis in np.indices((20, 31)))
    for number, image in enumerate(images):
        ink = image.double().mean(0).flatten().numpy()
        (var_x, covariance), (_, var_y) = np.cov(x, -y, aweights=ink, ddof=0)
        expected = dict(ink=ink.mean() / 255, slant=covariance / var_y, width=var_x**0.5, height=var_y**0.5)
        expected |= dict(right=np.average(x, weights=ink), up=-np.average(y, weights=ink))
        assert {name: measured[name][number].item() for name in expected} == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("brightness", [0, 255])
def test_empty_and_full_images_have_finite_measurements(brightness):
    images = torch.full((2, 1, 28, 28), brightness, dtype=torch.uint8)
    images[1, 0, 5, 5] = 255 - brightness
    assert all(values.shape == (2,) and values.isfinite().all() for values in measurements(images).values())


def test_what_lies_higher_and_farther_right_is_measured_in_pixels():
    base = bar(canvas=40)
    moved = measurements(base.roll((-3, 2), (2, 3)))
    still = measurements(base)
    assert moved["up"].item() - still["up"].item() == pytest.approx(3, abs=0.1)
    assert moved["right"].item() - still["right"].item() == pytest.approx(2, abs=0.1)


def test_an_arch_bulges_to_its_side_and_a_t_is_wider_at_the_top():
    arch, t = (torch.zeros(1, 1, 28, 28, dtype=torch.uint8) for _ in range(2))
    for row in range(4, 24):
        column = 6 + round(abs(row - 13.5) ** 2 / 12)  # "("
        arch[0, 0, row, column : column + 3] = 255
    t[0, 0, 4:24, 12:15] = t[0, 0, 4:8, 5:22] = 255
    measured, turned = measurements(arch), measurements(arch.flip(3))
    assert measured["bulge"].item() == pytest.approx(-turned["bulge"].item(), abs=0.02)
    assert measured["bulge"].item() > 0.3
    measured, turned = measurements(t), measurements(t.flip(2))
    assert measured["top"].item() == pytest.approx(-turned["top"].item(), rel=0.02)
    assert measured["top"].item() > 2


# --- reach


@pytest.mark.parametrize("source", sorted(pretrained()))
def test_digits_stay_readable_at_both_ends_of_every_slider(source):
    generator, reader = load_generator(source), load_classifier("mnist")
    labels, z = torch.arange(10).repeat(8), latents(80, generator.config["latent_dim"], seed=5)
    for direction in slider_directions(generator):
        ends = [generate(generator, labels, z=z + side * REACH * direction.vector) for side in (-1, 1)]
        right = read(reader, torch.cat(ends))[1].argmax(1) == labels.repeat(2)
        assert right.float().mean() >= 0.88, direction.name
