"""Augmentation changes what the discriminator sees, keeps shapes and gradients, and is off unless asked for."""

import pytest
import torch

from cgan_lib import UserError, load_data
from cgan_lib.augment import AUGMENTATIONS, augment, check_augment
from cgan_lib.data import batches
from cgan_lib.recipes import get_recipe
from cgan_lib.training import Trainer


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (3, 3, 32, 48), (2, 3, 16, 16)])
def test_shape_type_and_gradient_are_kept(name, shape):
    x = torch.rand(shape).mul(2).sub(1).requires_grad_()
    changed = augment(x, name)
    assert changed.shape == x.shape
    assert changed.dtype == x.dtype
    assert not torch.equal(changed, x)
    changed.sum().backward()
    assert x.grad is not None
    assert x.grad.any()
    assert augment(x.bfloat16(), name).dtype == torch.bfloat16


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_each_image_is_changed_in_its_own_way(name):
    x = torch.rand(1, 3, 32, 32).repeat(8, 1, 1, 1)
    assert len(augment(x, name).flatten(1).unique(dim=0)) > 4


def test_a_translation_moves_by_at_most_an_eighth_and_adds_nothing_new():
    x = torch.zeros(200, 1, 32, 32)
    x[:, :, 16, 16] = 1
    places = augment(x, "translation").flatten(1).argmax(1)
    offsets = torch.stack([places // 32 - 16, places % 32 - 16])
    assert offsets.abs().max() == 4
    assert augment(x, "translation").flatten(1).sum(1).unique().tolist() == [1]


def test_a_cutout_takes_a_quarter_at_most():
    holes = (augment(torch.ones(100, 1, 32, 32), "cutout") == 0).float().mean((1, 2, 3))
    assert holes.max() == 0.25
    assert holes.min() >= 1 / 16


def test_colour_leaves_grey_grey():
    grey = torch.rand(5, 1, 8, 8).repeat(1, 3, 1, 1)
    changed = augment(grey, "colour")
    assert torch.allclose(changed, changed[:, :1].expand_as(changed), atol=1e-6)


def test_none_is_nothing():
    x = torch.rand(2, 1, 8, 8)
    assert augment(x, "") is x


@pytest.mark.parametrize("names", ["cutuot", "translation,cutout", "+", 3, ("cutout",)])
def test_unknown_ones_are_named(names):
    with pytest.raises(UserError, match="augment"):
        check_augment(names)
    with pytest.raises(UserError, match="augment"):
        get_recipe("bce", augment=names)


@pytest.mark.parametrize("loss", ["bce", "relativistic", "wasserstein"])
def test_a_step_with_augmentation_trains_both_networks(loss):
    recipe = get_recipe(
        "relativistic", loss=loss, penalty_weight=None, augment="translation+colour+cutout", batch_size=4, image_size=16
    )
    recipe = recipe.replace(base_channels=8, base_channels_d=8, penalty_every=1, dataset="digits")
    trainer = Trainer(recipe, load_data("digits", image_size=16), "cpu")
    before = [p.clone() for p in (*trainer.parameters_g, *trainer.parameters_d)]
    trainer.fit(2)
    after = [*trainer.parameters_g, *trainer.parameters_d]
    assert sum(not torch.equal(old, new) for old, new in zip(before, after, strict=True)) > len(after) / 2


def test_balanced_batches_have_every_class_equally_often():
    digits = load_data("digits")
    uneven = digits.take(torch.cat([torch.where(digits.labels == 0)[0], torch.where(digits.labels > 0)[0][:60]]))
    counts = torch.zeros(10)
    for (_, labels), _ in zip(batches(uneven, 20, seed=0, balanced=True), range(200), strict=False):
        counts += labels.bincount(minlength=10)
    assert counts.min() > 320  # 400 expected of each; 5 deviations are 95
    assert counts.max() < 480


def test_balanced_batches_go_on_where_they_were():
    digits = load_data("digits")
    all_of_them = [labels for (_, labels), _ in zip(batches(digits, 64, 3, balanced=True), range(40), strict=False)]
    later = next(batches(digits, 64, 3, start=30, balanced=True))[1]
    assert torch.equal(later, all_of_them[30])


def test_balanced_batches_draw_each_image_of_a_class():
    digits = load_data("digits").take(slice(100))
    drawn = [images for (images, _), _ in zip(batches(digits, 50, 0, balanced=True), range(60), strict=False)]
    assert len(torch.cat(drawn).flatten(1).unique(dim=0)) == len(digits.images.flatten(1).unique(dim=0))
