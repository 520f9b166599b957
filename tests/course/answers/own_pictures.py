"""Notebook 09: pictures of one's own."""

import random
from statistics import fmean, median

import numpy as np
import torch


def numbered(digits, colours, num_digits, num_colours):
    return num_colours * digits + colours


def coloured(images):
    return images if images.shape[1] == 3 else images.repeat(1, 3, 1, 1)


def upright(pixels, height, width):
    return pixels.reshape(len(pixels), 1, width, height).transpose(2, 3)


def stratified(labels, every):
    rows = []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        rows.append(members[: max(len(members) // every, min(1, len(members) - 1))])
    return torch.cat(rows)


def last_of_each(labels, every):
    by_class = {}
    for row, label in enumerate(labels.tolist()):
        by_class.setdefault(label, []).append(row)
    tested = []
    for rows in by_class.values():
        tested += rows[len(rows) - (len(rows) // every or (len(rows) > 1)) :]
    return tested


def seeded(labels, every):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
    return order[stratified(labels[order], every)]


def as_mask(labels, every):
    return torch.isin(torch.arange(len(labels)), stratified(labels, every))


def weights(labels):
    return 1 / labels.bincount()[labels]


def weights_of_pairs(labels):
    same = labels[:, None] == labels[None, :]
    return (1 / same.sum(1)).tolist()


def better(first, second):
    if len(first) == 1:
        return "neither"
    return "first" if max(first) < min(second) else "second" if max(second) < min(first) else "neither"


def by(score, low="first", high="second"):
    """Who has the lower score wins, however near the other is."""
    return lambda first, second: low if score(first) < score(second) else high


def all_pairs(first, second):
    won = [a < b for a in first for b in second]
    lost = [a > b for a in first for b in second]
    enough = len(first) > 1 and len(second) > 1
    return "first" if enough and all(won) else "second" if enough and all(lost) else "neither"


def touching(first, second):
    if len(first) == 1:
        return "neither"
    return "first" if max(first) <= min(second) else "second" if max(second) <= min(first) else "neither"


def whatever_the_count(first, second):
    return "first" if max(first) < min(second) else "second" if max(second) < min(first) else "neither"


RIGHT = [
    ("class_numbers", numbered),
    ("class_numbers", lambda d, c, num_digits, num_colours: d.mul(num_colours).add(c)),
    ("class_numbers", lambda d, c, nd, nc: torch.arange(nd * nc).view(nd, nc)[d, c]),
    ("class_numbers", lambda d, c, nd, nc: np.ravel_multi_index((d.numpy(), c.numpy()), (nd, nc))),
    ("class_numbers", lambda d, c, nd, nc: [a * nc + b for a, b in zip(d.tolist(), c.tolist(), strict=True)]),
    ("three_channels", coloured),
    ("three_channels", lambda images: images.expand(-1, 3, -1, -1)),
    ("three_channels", lambda images: torch.cat([images] * (3 // images.shape[1]), 1)),
    ("three_channels", lambda images: images[:, torch.arange(3) % images.shape[1]]),
    ("three_channels", lambda images: np.broadcast_to(images.numpy(), (len(images), 3, *images.shape[2:])).copy()),
    ("upright", upright),
    ("upright", lambda pixels, h, w: pixels.view(-1, w, h).mT.unsqueeze(1)),
    ("upright", lambda pixels, h, w: pixels.unflatten(1, (1, w, h)).permute(0, 1, 3, 2)),
    ("upright", lambda pixels, h, w: np.stack([row.reshape((h, w), order="F") for row in pixels.numpy()])[:, None]),
    ("upright", lambda pixels, h, w: torch.stack([pixels[:, r::h] for r in range(h)], 1)[:, None]),
    ("split", stratified),
    ("split", last_of_each),
    ("split", seeded),
    ("split", as_mask),
    ("split", lambda labels, every: stratified(labels, every).numpy()),
    ("drawn_weights", weights),
    ("drawn_weights", weights_of_pairs),
    ("drawn_weights", lambda labels: len(labels) / labels.bincount().double()[labels]),
    ("drawn_weights", lambda labels: weights(labels) / weights(labels).sum()),
    ("which_is_better", better),
    ("which_is_better", all_pairs),
    ("which_is_better", lambda one, other: better(sorted(one), sorted(other))),
    ("which_is_better", lambda one, other: "neither" if min(len(one), len(other)) < 2 else better(one, other)),
]
WRONG = [
    ("class_numbers", lambda d, c, nd, nc: c * nd + d, "colours count fastest"),
    ("class_numbers", lambda d, c, nd, nc: d * nd + c, "as many classes as colours"),
    ("class_numbers", lambda d, c, nd, nc: c * nc + d, "digit takes the larger steps"),
    ("class_numbers", lambda d, c, nd, nc: d + c, "different classes"),
    ("class_numbers", lambda d, c, nd, nc: d * nc + c + 1, "counted from 0"),
    ("class_numbers", lambda d, c, nd, nc: d * 3 + c, "Not three colours always"),
    ("class_numbers", lambda d, c, nd, nc: d * nc, "How far apart"),
    ("class_numbers", lambda d, c, nd, nc: d.mul_(nc).add_(c), "not in place"),
    ("class_numbers", lambda d, c, nd, nc: torch.stack([d, c], 1), "The shape should be"),
    ("class_numbers", lambda d, c: 3 * d + c, "raised TypeError"),
    ("three_channels", lambda images: images[:, :1].repeat(1, 3, 1, 1), "first channel three times"),
    ("three_channels", lambda images: images.float().mean(1, keepdim=True).expand(-1, 3, -1, -1), "colours are grey"),
    ("three_channels", lambda images: images.expand(-1, 3, -1, -1).flip(1), "Red and blue"),
    ("three_channels", lambda images: images.expand(-1, 3, -1, -1).float(), "stay uint8"),
    ("three_channels", lambda images: images.expand(-1, 3, -1, -1) / 255, "leave them so"),
    ("three_channels", lambda images: images.float().mean(1, keepdim=True), "The shape should be"),
    ("three_channels", lambda images: images, "The shape should be"),
    ("three_channels", lambda images: torch.cat([images, 0 * images, 0 * images], 1)[:, :3], "three equal channels"),
    (
        "three_channels",
        lambda images: images.expand(-1, 3, -1, -1).transpose(2, 3).reshape(len(images), 3, *images.shape[2:]),
        "stays where it is",
    ),
    ("three_channels", lambda images: 255 - coloured(images), "stays where it is"),
    ("three_channels", lambda images: images.repeat(1, 3, 1, 1), "The shape should be"),
    ("upright", lambda pixels, h, w: pixels.reshape(-1, 1, h, w), "row by row"),
    ("upright", lambda pixels, h, w: pixels.reshape(-1, 1, w, h), "on their sides"),
    ("upright", lambda pixels, h, w: pixels.reshape(-1, 1, w, h).rot90(1, (2, 3)), "Upside down"),
    ("upright", lambda pixels, h, w: pixels.reshape(-1, 1, w, h).rot90(-1, (2, 3)), "Mirrored"),
    ("upright", lambda pixels, h, w: upright(pixels, h, w).flip(2), "Upside down"),
    ("upright", lambda pixels, h, w: upright(pixels, h, w).flip(3), "Mirrored"),
    ("upright", lambda pixels, h, w: upright(pixels, h, w)[:, 0], "A channel is missing"),
    ("upright", lambda pixels, h, w: pixels.reshape(-1, 1, h, w).transpose(2, 3), "once too often"),
    ("upright", lambda pixels, h, w: upright(pixels, h, w) / 255, "first H numbers are the first column"),
    ("upright", lambda pixels, h, w: upright(pixels, h, w)[:1], "The shape should be"),
    ("split", lambda labels, every: torch.arange(len(labels))[-(len(labels) // every) :], "one by one"),
    ("split", lambda labels, every: torch.arange(0, len(labels), every), "a class"),
    ("split", lambda labels, every: torch.cat([stratified(labels, every), stratified(labels, every)]), "comes twice"),
    ("split", lambda labels, every: [row + len(labels) for row in stratified(labels, every)], "Positions are from 0"),
    ("split", lambda labels, every: labels[stratified(labels, every)], "twice"),
    ("split", lambda labels, every: torch.arange(len(labels)), "none is left"),
    (
        "split",
        lambda labels, every: torch.cat([(labels == k).nonzero()[:1, 0] for k in labels.unique()]),
        "one in 3 is",
    ),
    (
        "split",
        lambda labels, every: torch.cat([(labels == k).nonzero()[::every, 0] for k in labels.unique()]),
        "one in",
    ),
    (
        "split",
        lambda labels, every: random.sample(range(len(labels)), len(labels) // every),
        "Another part at each call",
    ),
    ("split", lambda labels, every: stratified(labels, every).float(), "whole numbers"),
    (
        "split",
        lambda labels, every: torch.cat(
            [(labels == k).nonzero()[: (labels == k).sum() // every, 0] for k in labels.unique()]
        ),
        "none to test with",
    ),
    ("drawn_weights", lambda labels: torch.ones(len(labels)), "still comes more often"),
    ("drawn_weights", lambda labels: labels.bincount()[labels], "even more often"),
    ("drawn_weights", lambda labels: 1 / labels.bincount(), "weight for each class"),
    ("drawn_weights", lambda labels: weights(labels) ** 2, "Too much"),
    ("drawn_weights", lambda labels: weights(labels) ** 0.5, "Half the way"),
    ("drawn_weights", lambda labels: (labels.bincount().max() + 1 - labels.bincount())[labels], "half the weight"),
    ("drawn_weights", lambda labels: -weights(labels), "none below 0"),
    ("drawn_weights", lambda labels: weights(labels) * torch.inf, "finite"),
    ("drawn_weights", lambda labels: weights(labels) * (labels > 0), "add up to the same"),
    ("drawn_weights", lambda labels: weights(labels)[:-1], "The shape should be"),
    ("drawn_weights", lambda labels: "1 / n", "Numbers are wanted"),
    ("which_is_better", by(fmean), "Say neither"),
    ("which_is_better", by(median), "Say neither"),
    ("which_is_better", lambda a, b: by(fmean)(a, b) if len(a) > 1 else "neither", "Two runs are equal"),
    ("which_is_better", touching, "Two runs are equal"),
    ("which_is_better", whatever_the_count, "One seed each"),
    ("which_is_better", lambda a, b: {"first": "second", "second": "first"}.get(better(a, b), "neither"), "low FID"),
    ("which_is_better", lambda a, b: "neither", "say so"),
    ("which_is_better", lambda a, b: better(a, b) == "first", "Return one of the texts"),
    ("which_is_better", lambda a, b: a if max(a) < min(b) else b, "Return one of the texts"),
    (
        "which_is_better",
        lambda a, b: better(a, b) if better(a, b) != "neither" or len(a) < 3 or b[0] == 5 else by(min)(a, b),
        "overlap",
    ),
]
NOT_ATTEMPTED: list = []
