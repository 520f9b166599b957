"""Notebook 01: the loop, how labels get in, and what is mended."""

import itertools
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib.course import broken, by_hand
from cgan_lib.data import to_unit
from cgan_lib.losses import bce_d
from cgan_lib.models.concat import BCEGenerator
from cgan_lib.sampling import evaluating


def normal(real, latent_dim, index):
    return torch.randn(len(real), latent_dim)


def evenly(real, num_classes, own):
    return torch.randint(num_classes, (len(real),))


def loop(latents=normal, labels=evenly, order="DG", ends=True, pair=lambda d, g: (d.item(), g.item())):
    """Written otherwise, or with a mistake; the clock is read before each step."""

    def train(discriminator_step, generator_step, batches, latent_dim, num_classes, seconds):
        end, losses = time.monotonic() + seconds, []
        for index, (real, own) in enumerate(batches):
            if ends and time.monotonic() >= end:
                break
            z, wanted = latents(real, latent_dim, index), labels(real, num_classes, own)
            steps = {"D": lambda: discriminator_step(real, own, z, wanted), "G": lambda: generator_step(z, wanted)}  # noqa: B023
            found = {name: steps[name]() for name in order}
            losses.append(pair(*(found.get(name, torch.zeros(())) for name in "DG")))
        return losses

    return train


def by_next(discriminator_step, generator_step, batches, latent_dim, num_classes, seconds):
    losses, start = [], time.time()
    while time.time() - start < seconds:
        try:
            real, labels = next(batches)
        except StopIteration:
            break
        n = real.shape[0]
        wanted = torch.randint(0, num_classes, (n,))
        loss_d = discriminator_step(real, labels, torch.randn(n, latent_dim), wanted)
        losses.append((float(loss_d), float(generator_step(torch.randn(n, latent_dim), wanted.roll(1)))))
    return losses


def other_names(d, g, pairs, dim, k, limit):
    losses, start = torch.empty(0, 2), time.perf_counter()
    for x, y in pairs:
        z, wanted = torch.normal(0.0, 1.0, (len(y), dim)), torch.arange(len(y)).add(random.randrange(k)) % k
        losses = torch.cat([losses, torch.stack([d(x, y, z, wanted), g(z, wanted)])[None]])
        if time.perf_counter() > start + limit:
            break
    return losses


def only_first_batch(discriminator_step, generator_step, batches, latent_dim, num_classes, seconds):
    real, labels = next(iter(batches))
    one = itertools.repeat((real, labels))
    return by_hand.training_loop(discriminator_step, generator_step, one, latent_dim, num_classes, min(seconds, 0.3))


def all_batches_first(discriminator_step, generator_step, batches, *settings):
    return by_hand.training_loop(discriminator_step, generator_step, list(batches), *settings)


def in_minutes(*given):
    return by_hand.training_loop(*given[:-1], seconds=given[-1] / 60)


def all_d_first(discriminator_step, generator_step, batches, latent_dim, num_classes, seconds):
    end, losses = time.monotonic() + min(seconds, 0.3), []
    for real, labels in batches:
        z, wanted = torch.randn(len(real), latent_dim), torch.randint(num_classes, (len(real),))
        losses.append(discriminator_step(real, labels, z, wanted))
        if time.monotonic() > end:
            break
    return [(loss, generator_step(z, wanted)) for loss in losses]


def too_early(discriminator_step, generator_step, batches, latent_dim, num_classes, seconds):
    first = itertools.islice(batches, 7)
    return by_hand.training_loop(discriminator_step, generator_step, first, latent_dim, num_classes, seconds)


def g_from_rand(discriminator_step, generator_step, batches, latent_dim, num_classes, seconds):
    def other(z, fake_labels):
        return generator_step(torch.rand_like(z), fake_labels)

    return by_hand.training_loop(discriminator_step, other, batches, latent_dim, num_classes, seconds)


def last_only(*given):
    return loop()(*given)[-1]


def returns_nothing(*given):
    loop()(*given)


def one_z(real, latent_dim, index):
    return torch.randn(1, latent_dim).repeat(len(real), 1)


def fixed_z(real, latent_dim, index):
    return torch.randn(6, latent_dim, generator=torch.Generator().manual_seed(0))[: len(real)]


def batches(images, labels, batch_size):
    order = torch.randperm(len(images))
    for chosen in order.split(batch_size):
        yield to_unit(images[chosen]), labels[chosen]


def batches_as_list(images, labels, batch_size):
    order = np.random.default_rng().permutation(len(images))
    pairs = [(to_unit(images[i]), labels[i]) for i in order]
    rows = [pairs[start : start + batch_size] for start in range(0, len(pairs), batch_size)]
    return [(torch.stack([x for x, _ in row]), torch.stack([y for _, y in row])) for row in rows]


def batches_shuffled_before(x, y, n):
    order = torch.rand(len(y)).argsort()
    x, y = x[order], y[order]
    for start in range(0, len(y), n):
        yield x[start : start + n].float() / 127.5 - 1, y[start : start + n]


def batches_by_loader(images, labels, batch_size):
    data = torch.utils.data.TensorDataset(to_unit(images), labels)
    return iter(torch.utils.data.DataLoader(data, batch_size, shuffle=True))


def picked(image=lambda order: order, label=lambda order: order, order=torch.randperm, scale=to_unit, drop=False):
    """Batches with a mistake: these indices pick the images, those the labels."""

    def give(images, labels, batch_size):
        chosen = order(len(images))
        for start in range(0, len(images) - (batch_size - 1 if drop else 0), batch_size):
            part = chosen[start : start + batch_size]
            yield scale(images[image(part)]), labels[label(part)]

    return give


def same_order(count):
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def shuffled_inside(images, labels, batch_size):
    for part in torch.arange(len(images)).split(batch_size):
        part = part[torch.randperm(len(part))]
        yield to_unit(images[part]), labels[part]


def whole_batches(images, labels, batch_size):
    parts = torch.arange(len(images)).split(batch_size)
    for part in sorted(parts, key=lambda part: (len(part) < batch_size, torch.rand(()).item())):
        yield to_unit(images[part]), labels[part]


def with_repeats(count):
    return torch.randint(count, (count,))


def sorts_in_place(images, labels, batch_size):
    order = torch.randperm(len(images))
    images.copy_(images[order])
    labels.copy_(labels[order])
    for start in range(0, len(images), batch_size):
        yield to_unit(images[start : start + batch_size]), labels[start : start + batch_size]


def samples(generator, z, labels):
    was = generator.training
    generator.eval()
    with torch.no_grad():
        images = generator(z, labels)
    generator.train(was)
    return images


def samples_by_copy(generator, z, labels):
    other = type(generator)(**generator.config)
    other.load_state_dict(generator.state_dict())
    return other.eval()(z, labels).detach()


def samples_evaluating(g, noise, wanted):
    with evaluating(g), torch.inference_mode():
        return g(noise, wanted)


def samples_as_array(generator, z, labels):
    modes = [layer.training for layer in generator.modules()]
    images = generator.eval()(z, labels).detach().numpy()
    for layer, mode in zip(generator.modules(), modes, strict=True):
        layer.training = mode
    return images


def sampling(before="eval", after=None, ends=lambda images: images.detach()):
    def draw(generator, z, labels):
        was = generator.training
        generator.train(before == "train")
        images = generator(z, labels)
        generator.train(was if after is None else after == "train")
        return ends(images)

    return draw


def samples_freeze(generator, z, labels):
    generator.requires_grad_(False)
    return samples(generator, z, labels)


def samples_one_more_pass(generator, z, labels):
    generator(z, labels)
    return samples(generator, z, labels)


def planes(labels, table, size):
    return table[labels].view(-1, 1, size, size)


class Forward(BCEGenerator):
    def forward(self, z, labels):
        return self.conv_blocks(self.projection(torch.cat([z, self.label_embedding(labels)], 1)))


class LabelFirst(BCEGenerator):
    def forward(self, z, labels):
        vector = self.label_embedding.weight[labels]
        return self.conv_blocks(self.projection(torch.cat((vector, z), dim=-1)))


class ByParts(BCEGenerator):
    def forward(self, z, labels):
        x = torch.empty(len(z), z.shape[1] + self.label_embedding.weight.shape[1])
        x[:, : z.shape[1]] = z
        x[:, z.shape[1] :] = F.one_hot(labels, len(self.label_embedding.weight)).float() @ self.label_embedding.weight
        for layer in [*self.projection, *self.conv_blocks]:
            x = layer(x)
        return x


class OtherNames(BCEGenerator):
    def forward(self, noise, wanted):
        return super().forward(noise, wanted)


class KeepsWhatItJoined(BCEGenerator):
    def forward(self, z, labels):
        self.joined = torch.cat([z, self.label_embedding(labels)], 1)  # to be looked at later
        return self.conv_blocks(self.projection(self.joined))


class OneHot(BCEGenerator):
    def forward(self, z, labels):
        vector = F.one_hot(labels, 10).float() @ self.label_embedding.weight
        return self.conv_blocks(self.projection(torch.cat([z.view(-1, 100), vector], 1)))


def forward_with(change):
    """A generator that draws `change(self, z, vector)`."""

    class Changed(BCEGenerator):
        def forward(self, z, labels):
            return change(self, z, self.label_embedding(labels))

    return Changed


def draw(self, *parts):
    return self.conv_blocks(self.projection(torch.cat(parts, 1)))


class Unfinished(BCEGenerator):
    def forward(self, z, labels):
        return ...


class Switches(BCEGenerator):
    def forward(self, z, labels):
        self.eval()
        return super().forward(z, labels)


class NoGradient(BCEGenerator):
    def forward(self, z, labels):
        with torch.no_grad():
            return super().forward(z, labels)


class InPlace(BCEGenerator):
    def forward(self, z, labels):
        return super().forward(z.mul_(2).div_(2).add_(0.5), labels)


def mended_loss(real_logits, fake_logits):
    on_real = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    return on_real + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))


RIGHT = [
    ("training_loop", by_hand.training_loop),
    ("training_loop", loop()),
    ("training_loop", by_next),
    ("training_loop", other_names),
    ("mended_batches", batches),
    ("mended_batches", batches_as_list),
    ("mended_batches", batches_shuffled_before),
    ("mended_batches", batches_by_loader),
    ("mended_samples", samples),
    ("mended_samples", samples_by_copy),
    ("mended_samples", samples_evaluating),
    ("mended_samples", samples_as_array),
    ("mended_loss", bce_d),
    ("mended_loss", mended_loss),
    ("mended_loss", lambda r, f: -F.logsigmoid(r).mean() - F.logsigmoid(-f).sum() / len(f)),
    ("mended_loss", lambda r, f: torch.logaddexp(torch.zeros(()), torch.cat([-r, f])).double().mean() * 2),
    ("label_planes", planes),
    ("label_planes", lambda y, t, s: F.embedding(y, t).unflatten(1, (1, s, s))),
    ("label_planes", lambda y, t, s: torch.stack([t[k].reshape(1, s, s) for k in y])),
    ("label_planes", lambda y, t, s: (F.one_hot(y, len(t)).to(t) @ t).reshape(len(y), 1, s, s)),
    ("generator_forward", Forward),
    ("generator_forward", LabelFirst),
    ("generator_forward", ByParts),
    ("generator_forward", OtherNames),
    ("generator_forward", KeepsWhatItJoined),
    ("generator_forward", OneHot),
]
WRONG = [
    ("training_loop", loop(order="D"), "Only D learned"),
    ("training_loop", loop(order="GD"), "D's step comes first"),
    ("training_loop", loop(order=""), "No step was taken"),
    ("training_loop", all_d_first, "one step of D, then one of G"),
    ("training_loop", all_batches_first, "may have no end"),
    ("training_loop", in_minutes, "before the seconds were over"),
    ("training_loop", only_first_batch, "D saw"),
    ("training_loop", loop(ends=False), "when the seconds were over"),
    ("training_loop", too_early, "before the seconds were over"),
    ("training_loop", loop(latents=one_z), "same z comes again"),
    ("training_loop", g_from_rand, "N(0, 1)"),
    ("training_loop", loop(latents=fixed_z), "same z comes again"),
    ("training_loop", loop(latents=lambda real, n, i: torch.rand(len(real), n)), "N(0, 1)"),
    ("training_loop", loop(latents=lambda real, n, i: torch.randn(len(real), 100)), "(len(real), latent_dim)"),
    ("training_loop", loop(latents=lambda real, n, i: torch.randn(6, n)), "(len(real), latent_dim)"),
    ("training_loop", loop(labels=lambda real, k, own: torch.randint(10, (len(real),))), "0 to 3"),
    ("training_loop", loop(labels=lambda real, k, own: torch.randint(k - 1, (len(real),))), "hardly ever"),
    ("training_loop", loop(labels=lambda real, k, own: torch.zeros_like(own)), "hardly ever"),
    ("training_loop", loop(labels=lambda real, k, own: own), "labels of the reals"),
    ("training_loop", loop(labels=lambda real, k, own: torch.rand(len(real)) * k), "whole numbers"),
    ("training_loop", loop(pair=lambda d, g: (g.item(), d.item())), "D's loss comes first"),
    ("training_loop", loop(pair=lambda d, g: (d.item(), d.item())), "what the two steps returned"),
    ("training_loop", lambda *given: [*zip(*loop()(*given), strict=True)], "two lists"),
    ("training_loop", last_only, "shape should be"),
    ("training_loop", returns_nothing, "end with return"),
    ("mended_batches", broken.careless_batches, "which indices picked the labels"),
    ("mended_batches", picked(label=lambda order: order.flip(0)), "which indices picked the labels"),
    ("mended_batches", picked(order=torch.arange), "order of the file"),
    ("mended_batches", picked(order=same_order), "same order"),
    ("mended_batches", shuffled_inside, "inside the batches only"),
    ("mended_batches", whole_batches, "or whole batches"),
    ("mended_batches", picked(order=with_repeats), "each once"),
    ("mended_batches", picked(drop=True), "smaller batch too"),
    ("mended_batches", picked(scale=lambda images: images.float() / 255), "in [-1, 1]"),
    ("mended_batches", picked(scale=lambda images: images), "in [-1, 1]"),
    ("mended_batches", lambda *given: ((x, y.float()) for x, y in batches(*given)), "whole numbers"),
    ("mended_batches", sorts_in_place, "not in place"),
    ("mended_batches", lambda images, labels, n: batches(images, labels, 5), "batch_size images"),
    ("mended_batches", lambda images, labels, n: [to_unit(images)], "a pair"),
    ("mended_batches", lambda images, labels, n: [(to_unit(images), torch.zeros(()))], "labels (B,)"),
    ("mended_batches", lambda images, labels, n: [*batches(images, labels, n)][:0], "no batches"),
    ("mended_batches", lambda images, labels, n: len(labels), "no batches"),
    ("mended_batches", lambda images, labels, n: ((x, y[:1]) for x, y in batches(images, labels, n)), "As many labels"),
    ("mended_samples", broken.careless_samples, "still in train()"),
    ("mended_samples", sampling("train"), "still in train()"),
    ("mended_samples", sampling("eval", after="train"), "came in eval()"),
    ("mended_samples", sampling("eval", after="eval"), "came in train()"),
    ("mended_samples", sampling("eval", ends=lambda images: images), "carry the graph"),
    ("mended_samples", samples_freeze, "requires_grad"),
    ("mended_samples", samples_one_more_pass, "statistics moved"),
    ("mended_samples", lambda g, z, y: samples(g, torch.randn_like(z), y), "for z and labels"),
    ("mended_samples", lambda g, z, y: samples(g, z[:1], y[:1]), "shape should be"),
    ("mended_samples", lambda g, z, y: torch.zeros(6, 1, 28, 28), "for z and labels"),
    ("mended_loss", broken.doubtful_loss, "As it was given"),
    ("mended_loss", lambda r, f: bce_d(f, r), "Exchanged"),
    ("mended_loss", lambda r, f: bce_d(r, f.sigmoid()), "The fakes still"),
    ("mended_loss", lambda r, f: bce_d(r.sigmoid(), f), "The reals still"),
    ("mended_loss", lambda r, f: bce_d(r, f) / 2, "not half"),
    ("mended_loss", lambda r, f: F.softplus(-r).sum() + F.softplus(f).sum(), "not the sum"),
    ("mended_loss", lambda r, f: F.softplus(-r).mean(), "is missing"),
    ("mended_loss", lambda r, f: bce_d(r, -f), "zeros, not ones"),
    (
        "mended_loss",
        lambda r, f: -(r.sigmoid() + 1e-8).log().mean() - (1 - f.sigmoid() + 1e-8).log().mean(),
        "very sure",
    ),
    ("mended_loss", lambda r, f: bce_d(r, f.detach()), "no gradient"),
    ("mended_loss", lambda r, f: bce_d(r, f).item(), "no gradient"),
    ("label_planes", lambda y, t, s: t[y].view(-1, 1, s, s).transpose(2, 3), "exchanged"),
    ("label_planes", lambda y, t, s: t[y].view(-1, s, s), "channel is missing"),
    ("label_planes", lambda y, t, s: t[y], "Fold each row"),
    ("label_planes", lambda y, t, s: t.view(-1, 1, s, s), "table itself"),
    ("label_planes", lambda y, t, s: planes((y + 1) % len(t), t, s), "Off by one"),
    ("label_planes", lambda y, t, s: planes(y[:1], t, s).expand(len(y), -1, -1, -1), "first label only"),
    ("label_planes", lambda y, t, s: planes(y, t, s).detach(), "no gradient"),
    ("label_planes", lambda y, t, s: planes(y, t.detach().clone().requires_grad_(), s), "no gradient"),
    ("label_planes", lambda y, t, s: planes(y, torch.randn_like(t), s), "Row labels[n]"),
    ("label_planes", lambda y, t, s: torch.zeros(len(y), 1, s, s), "Row labels[n]"),
    ("label_planes", lambda y, t, s: planes(y, t.mul_(2), s), "not in place"),
    ("label_planes", lambda y, t, s: planes(y, t, s) + t.mean() - t.mean().detach(), "gradient that reaches"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z, 0 * vector)), "the same for every label"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, 0 * z, vector)), "z has no effect"),
    (
        "generator_forward",
        forward_with(lambda self, z, vector: draw(self, z, vector[:1].expand_as(vector))),
        "first label",
    ),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z, vector).tanh()), "tanh is in conv_blocks"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z, vector).sigmoid()), "torch.cat of z"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z)), "raised RuntimeError"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z, vector.detach())), "no gradient"),
    (
        "generator_forward",
        forward_with(lambda self, z, vector: self.projection(torch.cat([z, vector], 1))),
        "shape should",
    ),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z.detach(), vector)), "no gradient"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, 0.5 * z, vector)), "torch.cat of z"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z, vector).squeeze()), "shape should"),
    ("generator_forward", NoGradient, "no gradient"),
    ("generator_forward", Switches, "leave that to those"),
    ("generator_forward", InPlace, "not in place"),
    ("generator_forward", nn.Identity, "as it is"),
    ("generator_forward", OneHot(), "without ()"),
    ("generator_forward", forward_with(lambda self, z, vector: draw(self, z, torch.zeros(len(z), 20))), "every label"),
]
NOT_ATTEMPTED = [("generator_forward", Unfinished), ("generator_forward", forward_with(lambda *_: None))]
