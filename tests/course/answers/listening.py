"""Notebook 02: whether a network listens to what it is given."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

NOT_ATTEMPTED = []


def within(images):
    return images.var(1, correction=0).mean(0)


def total(images):
    return images.flatten(0, 1).var(0, correction=0)


def share(images):
    return within(images).sum() / total(images).sum()


def share_by_means(images):
    """One minus the share of the class."""
    means = images.mean(1)
    return 1 - ((means - means.mean(0)) ** 2).mean(0).sum() / total(images).sum()


def share_by_loop(images):
    inside = [[(image - family.mean(0)).square().sum() for image in family] for family in images]
    mean = images.mean((0, 1))
    return sum(map(sum, inside)) / (images - mean).square().sum()


def share_by_numpy(images):
    images = images.numpy()
    return images.var(axis=1).mean(axis=0).sum() / images.reshape(-1, *images.shape[2:]).var(axis=0).sum()


def share_in_place(images):
    images -= images.mean((0, 1))
    return share(images)


def by_identity(generator):
    generator.start[2] = nn.Identity()
    return generator


def over_channels(generator):
    generator.start[2] = nn.GroupNorm(1, generator.start[2].num_channels)
    return generator


def without(generator):
    del generator.start[2]
    return generator


def rebuilt(generator):
    linear, unflatten, _, leaky = generator.start
    generator.start = nn.Sequential(linear, unflatten, leaky)
    return generator


def puts(layer, place=2, part="start"):
    """Something else in place of a layer."""

    def mended(generator):
        getattr(generator, part)[place] = layer(generator)
        return generator

    return mended


def no_labels(generator):
    by_identity(generator).label_map.weight.data.zero_()
    return generator


def without_labels(generator):
    by_identity(generator)
    forward = generator.forward
    generator.forward = lambda z, labels: forward(z, torch.zeros_like(labels))
    return generator


def noisy(generator):
    forward = generator.forward
    generator.forward = lambda z, labels: forward(z, labels) + 0.5 * torch.randn(len(z), 1, 16, 16)
    return generator


def louder(generator):
    with torch.no_grad():
        generator.start[0].weight.mul_(100)
    return generator


def all_norms(generator):
    for part in (generator.start, generator.stages):
        for place, layer in enumerate(part):
            if isinstance(layer, nn.GroupNorm):
                part[place] = nn.Identity()
    return generator


def shift_trained(generator):
    with torch.no_grad():
        generator.start[2].bias.normal_()
    return generator


def beside(generator):
    """z comes in behind the layers, and not through them."""
    forward = generator.forward
    generator.forward = lambda z, labels: forward(z, labels) + z.mean(1)[:, None, None, None]
    return generator


def one_group(generator):
    generator.start[2].num_groups = 1
    return generator


def plane(x, labels):
    return labels.view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:]) / 9


def without_norm(x, labels, first, norm, rest):
    return rest(F.leaky_relu(first(torch.cat([x, plane(x, labels)], dim=1)), 0.2)).squeeze(1)


def renamed(images, classes, convolution, unused, deeper):
    return without_norm(images, classes, convolution, None, deeper)


def ramp(x, labels, first, norm, rest):
    """A plane that varies over the image."""
    across = torch.linspace(-1, 1, x.shape[3]).expand_as(x)
    maps = norm(first(torch.cat([x, plane(x, labels) * across], dim=1)))
    return rest(F.leaky_relu(maps, 0.2)).flatten()


def norm_before(x, labels, first, norm, rest):
    x = F.instance_norm(x)
    return rest(F.leaky_relu(first(torch.cat([x, plane(x, labels)], dim=1)), 0.2))[:, 0]


def waves(x, labels, first, norm, rest):
    """A pattern for each class."""
    place = torch.arange(x[0].numel()).view(1, *x.shape[1:])
    pattern = torch.sin(place * (labels.view(-1, 1, 1, 1) + 1) / 3)
    return rest(F.leaky_relu(norm(first(torch.cat([x, pattern], dim=1))), 0.2)).squeeze()


def forgetful(x, labels, first, norm, rest, planes=plane, after=lambda logits, labels: logits):
    maps = norm(first(torch.cat([x, planes(x, labels)], dim=1)))
    return after(rest(F.leaky_relu(maps, 0.2)).squeeze(1), labels)


def forgets(**changes):
    return lambda *given: forgetful(*given, **changes)


def first_label(x, labels, *layers):
    return without_norm(x, labels[:1].expand(len(x)), *layers)


def few_labels(x, labels, *layers):
    return without_norm(x, labels // 2, *layers)


def noisy_plane(x, labels, first, norm, rest):
    return without_norm(x, labels * torch.rand(len(x)), first, norm, rest)


def by_batch(x, labels, first, norm, rest):
    maps = first(torch.cat([x, plane(x, labels)], dim=1))
    return rest(F.leaky_relu(F.batch_norm(maps, None, None, training=True), 0.2)).squeeze(1)


def norm_over_both(x, labels, first, norm, rest):
    joined = F.instance_norm(torch.cat([x, plane(x, labels)], dim=1))
    return rest(F.leaky_relu(first(joined), 0.2)).squeeze(1)


def label_alone(x, labels, *layers):
    return without_norm(torch.zeros_like(x), labels, *layers)


def detached(x, labels, *layers):
    return without_norm(x.detach(), labels, *layers)


def multiplied(x, labels, *layers):
    return forgetful(x, labels, *layers) * (1 + labels)


RIGHT = [
    ("share_of_z", share),
    ("share_of_z", share_by_means),
    ("share_of_z", share_by_loop),
    ("share_of_z", share_by_numpy),
    ("share_of_z", lambda images: share(images.double()).item()),
    ("deaf_to_z", by_identity),
    ("deaf_to_z", over_channels),
    ("deaf_to_z", without),
    ("deaf_to_z", rebuilt),
    ("deaf_to_z", one_group),
    ("deaf_to_z", puts(lambda generator: nn.LayerNorm((generator.start[0].out_features, 1, 1)))),
    ("erased_label", without_norm),
    ("erased_label", renamed),
    ("erased_label", ramp),
    ("erased_label", norm_before),
    ("erased_label", waves),
]
WRONG = [
    ("share_of_z", lambda images: 1 - share(images), "of the class"),
    ("share_of_z", lambda images: share(images) / (1 - share(images)), "between the classes"),
    ("share_of_z", lambda images: share(images) ** 0.5, "without a root"),
    ("share_of_z", lambda images: within(images).sqrt().sum() / total(images).sqrt().sum(), "not deviations"),
    ("share_of_z", lambda images: (within(images) / total(images)).mean(), "divide once"),
    ("share_of_z", lambda images: within(images).mean() / images.var(correction=0), "not over the pixels"),
    ("share_of_z", lambda images: images.var(1).mean(0).sum() / images.flatten(0, 1).var(0).sum(), "correction=0"),
    ("share_of_z", lambda images: images.var(0, correction=0).mean(0).sum() / total(images).sum(), "axis 1"),
    ("share_of_z", lambda images: within(images).sum(), "divide by that over all"),
    ("share_of_z", lambda images: within(images) / total(images), "one number"),
    ("share_of_z", lambda images: images.std(1).mean() / images.std(), "averaged over the classes"),
    ("share_of_z", lambda images: 0.5, "averaged over the classes"),
    ("share_of_z", share_in_place, "not in place"),
    ("deaf_to_z", lambda generator: 3, "Return the generator"),
    ("deaf_to_z", lambda generator: by_identity(copy.deepcopy(generator)), "you were given"),
    ("deaf_to_z", lambda generator: generator, "Nothing has changed for z"),
    ("deaf_to_z", louder, "start.0"),
    ("deaf_to_z", puts(lambda generator: nn.Identity(), 1, "stages"), "stages.1 was not at fault"),
    ("deaf_to_z", puts(lambda generator: nn.Identity(), 3), "start.3 was not at fault"),
    ("deaf_to_z", puts(lambda generator: nn.InstanceNorm2d(8)), "raised ValueError"),
    ("deaf_to_z", puts(lambda generator: nn.GroupNorm(*[generator.start[0].out_features] * 2)), "zeros"),
    ("deaf_to_z", puts(lambda generator: nn.Dropout(0.5)), "another image each time"),
    ("deaf_to_z", all_norms, "stages.1 was not at fault"),
    ("deaf_to_z", no_labels, "label_map"),
    ("deaf_to_z", without_labels, "labels are not heard"),
    ("deaf_to_z", noisy, "another image each time"),
    ("deaf_to_z", puts(lambda generator: nn.BatchNorm2d(generator.start[0].out_features)), "no cure"),
    ("deaf_to_z", beside, "not forward"),
    ("deaf_to_z", lambda generator: by_identity(generator).eval(), "in training mode"),
    ("deaf_to_z", lambda generator: by_identity(generator).requires_grad_(False), "requires_grad on"),
    ("deaf_to_z", shift_trained, "Nothing has changed for z"),
    ("erased_label", forgetful, "still changes nothing"),
    ("erased_label", forgets(planes=lambda x, labels: 1000 * plane(x, labels)), "still changes nothing"),
    ("erased_label", forgets(planes=lambda x, labels: 9 - plane(x, labels)), "still changes nothing"),
    ("erased_label", forgets(after=lambda logits, labels: logits + labels), "all logits alike"),
    ("erased_label", norm_over_both, "still changes nothing"),
    ("erased_label", first_label, "each on its own"),
    ("erased_label", few_labels, "each of the ten"),
    ("erased_label", lambda x, labels, *layers: without_norm(x, labels % 2, *layers), "each of the ten"),
    ("erased_label", lambda *given: without_norm(*given).tanh(), "no tanh"),
    ("erased_label", lambda *given: without_norm(*given).numpy(force=True), "no gradient"),
    ("erased_label", noisy_plane, "no noise"),
    ("erased_label", by_batch, "still changes nothing"),
    ("erased_label", label_alone, "same logit"),
    ("erased_label", detached, "no gradient"),
    ("erased_label", multiplied, "all logits alike"),
    ("erased_label", lambda x, labels, *layers: without_norm(x, labels, *layers)[0], "shape should be"),
    ("erased_label", lambda *given: without_norm(*given).sigmoid(), "no sigmoid"),
    ("erased_label", lambda x, labels, *layers: torch.zeros(len(x)), "same logit"),
    ("erased_label", lambda x, labels, *layers: np.arange(len(x)) + labels.numpy(), "all logits alike"),
]
