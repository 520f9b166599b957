"""Does a generator copy? The nearest real image is found, at any size and in colour."""

import pytest
import torch

from cgan_lib import UserError, load_data
from cgan_lib.data import ImageData
from cgan_lib.evaluation import nearest, nearest_real


@pytest.mark.parametrize("chunk", [500, 40, 7])
def test_copies_are_found_at_no_distance(digits, monkeypatch, chunk):
    rows = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))[:40]
    monkeypatch.setattr(nearest, "CHUNK", chunk)
    positions, distances = nearest_real(digits.images[rows], digits)
    assert torch.equal(positions, rows)
    assert distances.tolist() == [0] * 40


def test_the_nearest_image_is_the_one_with_the_least_euclidean_distance(digits, unseen):
    positions, distances = nearest_real(unseen.images[:12], digits)
    assert positions.shape == distances.shape == (12,)
    everything = digits.images.double() / 255
    for image, position, distance in zip(unseen.images, positions, distances, strict=False):
        each = (everything - image.double() / 255).square().sum(dim=(1, 2, 3)).sqrt()
        assert position == each.argmin()
        assert distance.item() == pytest.approx(each.min().item(), rel=1e-5)
    assert distances.min() > 0.5


@pytest.mark.parametrize(("size", "size_of_real"), [(64, 28), (16, 28), (28, 64)])
def test_copies_are_found_at_another_size(size, size_of_real):
    images, real = load_data("digits", image_size=size).images[:30], load_data("digits", image_size=size_of_real)
    positions, distances = nearest_real(images, real)
    assert positions.tolist() == list(range(30))
    assert (distances < 0.6 * nearest_real(images, real.take(slice(30, None)))[1]).all()


def test_a_colour_image_is_not_compared_with_itself_in_grey():
    red = torch.zeros(1, 3, 28, 28, dtype=torch.uint8)
    red[:, 0] = 255
    data = ImageData("colours", torch.cat([255 - red, red]), torch.tensor([0, 1]), ("cyan", "red"))
    assert [value.item() for value in nearest_real(red, data)] == [1, 0]
    only_red = ImageData("red", red, torch.tensor([0]), ("red",))
    assert nearest_real(255 - red, only_red)[1].item() == pytest.approx(3**0.5 * 28)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 1, 28, 28),
        torch.zeros(2, 28, 28).byte(),
        torch.zeros(2, 3, 28, 28).byte(),
        torch.zeros(0, 1, 28, 28).byte(),
        torch.zeros(2, 1, 28, 30).byte(),
        "images",
        None,
    ],
)
def test_what_are_no_such_images_is_refused(digits, images):
    with pytest.raises(UserError, match=r"images must be .*uint8"):
        nearest_real(images, digits)


def test_arrays_and_real_images_that_are_not_square_will_do(digits):
    assert nearest_real(digits.images[:3].numpy(), digits)[0].tolist() == [0, 1, 2]
    wide = ImageData("wide", torch.arange(2 * 8 * 4).view(2, 1, 8, 4).byte(), torch.tensor([0, 1]), ("a", "b"))
    assert nearest_real(wide.resized(8).images, wide)[0].tolist() == [0, 1]
