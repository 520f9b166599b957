"""Notebook 04, what may be made of a score."""

import numpy as np
import torch

from cgan_lib.course.exercises.trusting import CONFUSION
from cgan_lib.data import to_unit


def two_sets(network, real, fake):
    network.eval()
    return network(to_unit(real)), network(fake)


def two_sets_in_one_batch(network, real, fake):
    network.train(False)
    with torch.inference_mode():
        return network(torch.cat([real / 127.5 - 1, fake])).split([len(real), len(fake)])


def two_sets_one_by_one(network, real, fake):
    for layer in network.modules():
        layer.training = False
    real = 2 * (real.double() / 255).float() - 1
    return [torch.cat([network(image[None]) for image in images]).detach().numpy() for images in (real, fake)]


def late(network, real, fake):
    features = network(to_unit(real))
    network.eval()
    return features, network(fake)


def only_dropout(network, real, fake):
    network[4].eval()
    return network(to_unit(real)), network(fake)


def only_norm(network, real, fake):
    network[1].eval()
    return network(to_unit(real)), network(fake)


def evaluating(way):
    """As `way` does it, with the classifier in evaluation mode."""
    return lambda network, real, fake: way(network.eval(), real, fake)


def moving(network, real, fake):
    with torch.no_grad():
        network[5].weight.zero_()
    return two_sets(network, real, fake)


def fair_ranking(distance, real, fakes):
    count = min(map(len, fakes.values()))
    return sorted(fakes, key=lambda name: distance(real, fakes[name][:count]))


def by_mean_over_parts(distance, real, fakes):
    count = min(len(x) for x in fakes.values())

    def mean(x):
        return np.mean([distance(real[:count], part) for part in x.split(count)[:5] if len(part) == count])

    return tuple(name for _, name in sorted((mean(x), name) for name, x in fakes.items()))


def by_rank(distance, real, fakes):
    count = min(x.shape[0] for x in fakes.values())
    found = {name: distance(x[torch.randperm(len(x))[:count]], real) for name, x in fakes.items()}
    return iter(sorted(found, key=found.get))


def shortened(distance, real, fakes):
    count = min(map(len, fakes.values()))
    for name in fakes:
        fakes[name] = fakes[name][:count]
    return sorted(fakes, key=lambda name: distance(real, fakes[name]))


def held_out(distance, fakes, training, test):
    best = min(fakes, key=lambda name: distance(training, fakes[name]))
    return best, distance(test, fakes[best])


def held_out_by_sorting(distance, fakes, training, test):
    ranked = sorted((distance(x, training), name) for name, x in fakes.items())
    name = ranked[0][1]
    return [name, torch.tensor(distance(fakes[name], test))]


def held_out_by_loop(distance, fakes, training, test):
    best, least = None, float("inf")
    for name, features in fakes.items():
        if (found := distance(training, features)) < least:
            best, least = name, found
    return best, np.float32(distance(test, fakes[best]))


def chosen(by, score):
    """Chosen by one distance, reported with another: both from (training, test)."""

    def answer(distance, fakes, training, test):
        both = {name: (distance(training, x), distance(test, x)) for name, x in fakes.items()}
        best = min(both, key=lambda name: by(*both[name]))
        return best, score(*both[best])

    return answer


def first(a, b):
    return a


def second(a, b):
    return b


def interval(hits, draws=1000, low=0.025, statistic=lambda x: x.mean(1), size=None):
    n = len(hits)
    drawn = statistic(hits[torch.randint(n, (draws, size or n))])
    return torch.quantile(drawn, low).item(), torch.quantile(drawn, 1 - low).item()


def interval_by_numpy(hits):
    rng = np.random.default_rng()
    shares = [rng.choice(hits.numpy(), len(hits)).mean() for _ in range(800)]
    return np.percentile(shares, [2.5, 97.5])


def interval_by_loop(hits):
    shares = sorted(hits[torch.randint(0, len(hits), hits.shape)].mean().item() for _ in range(1000))
    return [shares[25], shares[-26]]


def interval_by_deviation(hits):
    drawn = hits[torch.randint(len(hits), (500, len(hits)))].mean(1)
    return drawn.mean() - 1.96 * drawn.std(), drawn.mean() + 1.96 * drawn.std()


def nearest(images, others):
    return torch.cdist(images.flatten(1).float(), others.flatten(1).float()).min(1).values


def copied(fakes, training, test, quantile=0.05):
    return (nearest(fakes, training) < nearest(test, training).quantile(quantile)).float().mean()


def copied_by_numpy(fakes, training, test):
    def least(images):
        x, y = (z.flatten(1).numpy().astype(float) / 255 for z in (images, training))
        return np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1)).min(1)

    return np.mean(least(fakes) <= np.quantile(least(test), 0.05))


def copied_by_squares(fakes, training, test):
    far, usual = (((x[:, None].double() - training[None]) ** 2).sum((2, 3, 4)).amin(1) for x in (fakes, test))
    return (far.sqrt() < usual.sqrt().quantile(0.05)).sum().item() / len(fakes)


def copied_one_by_one(fakes, training, test):
    bound = np.percentile([nearest(x[None], training).item() for x in test], 5)
    return sum(nearest(x[None], training).item() < bound for x in fakes) / len(fakes)


def copied_by_counting(fakes, training, test):
    farther = nearest(test, training)[None] > nearest(fakes, training)[:, None]  # (fakes, test)
    return (farther.float().mean(1) >= 0.95).float().mean()


RIGHT = [
    *(("two_sets", way) for way in (two_sets, two_sets_in_one_batch, two_sets_one_by_one)),
    ("two_sets", lambda network, real, fake: [network.eval()(x) for x in (real.float() / 255 * 2 - 1, fake)]),
    *(("fair_ranking", way) for way in (fair_ranking, by_mean_over_parts, by_rank)),
    (
        "fair_ranking",
        lambda distance, real, fakes: fair_ranking(lambda x, y: distance(y.flip(0), x.double()), real, fakes),
    ),
    *(("held_out", way) for way in (held_out, held_out_by_sorting, held_out_by_loop, chosen(first, second))),
    ("confusion", (92.0, 3, 2)),
    ("confusion", [torch.tensor(92), 3, 2.0]),
    ("confusion", np.array([92.0, 3, 2])),
    ("confusion", (100 * CONFUSION.diag().sum() / CONFUSION.sum(), torch.tensor(3), torch.tensor(2))),
    *(("interval", way) for way in (interval, interval_by_numpy, interval_by_loop, interval_by_deviation)),
    ("interval", lambda hits: torch.tensor(interval(hits.double(), 3000))),
    ("copied", lambda f, x, t: (nearest(f, x) < nearest(t, x).sort().values[len(t) // 20]).float().mean()),
    *(("copied", way) for way in (copied, copied_by_numpy, copied_by_squares, copied_one_by_one, copied_by_counting)),
]
WRONG = [
    ("two_sets", lambda network, real, fake: (network(real / 255), network(fake)), "in training mode"),
    ("two_sets", lambda network, real, fake: (network(to_unit(real)), network(fake)), "in training mode"),
    ("two_sets", only_norm, "in training mode"),
    ("two_sets", only_dropout, "whatever batch"),
    ("two_sets", late, "in training mode"),
    ("two_sets", evaluating(lambda network, real, fake: (network(real / 255), network(fake))), "pixels from 0 to 1"),
    ("two_sets", evaluating(lambda net, real, fake: (net(real / 255), net((fake + 1) / 2))), "pixels from 0 to 1"),
    ("two_sets", evaluating(lambda net, real, fake: (net(to_unit(real)), net((fake + 1) / 2))), "leave them"),
    ("two_sets", evaluating(lambda net, real, fake: (net(to_unit(real)), net(to_unit(fake)))), "not in place"),
    ("two_sets", evaluating(lambda net, real, fake: (net(real.float()), net(fake))), "from 0 to 255"),
    ("two_sets", evaluating(lambda net, real, fake: (net(real / 127.5), net(fake))), "from 0 to 255"),
    ("two_sets", evaluating(lambda net, real, fake: (net(fake), net(to_unit(real)))), "come first"),
    ("two_sets", evaluating(lambda net, real, fake: (net(to_unit(real)),) * 2), "leave them"),
    ("two_sets", evaluating(lambda net, real, fake: net(to_unit(real))), "two sets of features"),
    ("two_sets", evaluating(lambda net, real, fake: (torch.zeros(len(real), 4), torch.zeros(len(fake), 4))), "batch"),
    ("two_sets", evaluating(lambda net, real, fake: (net(to_unit(real)).mean(0), net(fake).mean(0))), "batch"),
    ("two_sets", evaluating(lambda net, real, fake: two_sets(net, real, fake.mul_(0.5))), "not in place"),
    ("two_sets", moving, "not in place"),
    ("two_sets", 3, "should be a function"),
    ("fair_ranking", lambda distance, real, fakes: sorted(fakes, key=lambda k: distance(real, fakes[k])), "equal"),
    ("fair_ranking", lambda distance, real, fakes: fair_ranking(distance, real, fakes)[::-1], "Best first"),
    ("fair_ranking", lambda d, real, fakes: sorted(fakes, key=lambda k: d(real, fakes[k][:54])), "equal counts"),
    ("fair_ranking", lambda d, real, fakes: sorted(fakes, key=lambda k: d(real[:48], fakes[k])), "equal counts"),
    ("fair_ranking", lambda d, r, fakes: sorted(fakes, key=lambda k: d(r[: len(fakes[k])], fakes[k])), "equal counts"),
    ("fair_ranking", lambda distance, real, fakes: fair_ranking(distance, real, fakes)[0], "as a list"),
    ("fair_ranking", lambda d, r, fakes: {k: d(r, x[:48]) for k, x in fakes.items()}, "as a list"),
    ("fair_ranking", lambda d, r, fakes: [d(r, x[:48]) for x in fakes.values()], "names of all"),
    ("fair_ranking", lambda d, r, fakes: fair_ranking(d, r, fakes)[:1], "names of all"),
    ("fair_ranking", lambda d, r, fakes: sorted(fakes, key=lambda k: fakes[k].std()), "distance that is given"),
    ("fair_ranking", lambda d, r, fakes: sorted(fakes), "distance that is given"),
    ("fair_ranking", lambda d, r, fakes: list(fakes), "distance that is given"),
    ("fair_ranking", lambda d, r, fakes: sorted(fakes, key=lambda k: len(fakes[k])), "distance that is given"),
    ("fair_ranking", lambda d, r, fakes: sorted(fakes, key=lambda k: d(r, fakes[k][:2])), "use what there is"),
    ("fair_ranking", lambda d, r, fakes: sorted(fakes, key=lambda k: d(r, fakes[k][:24])), "use what there is"),
    ("fair_ranking", lambda d, r, f: sorted(f, key=lambda k: d(r, f[k][torch.arange(900) % len(f[k])])), "different"),
    ("fair_ranking", lambda d, r, fakes: ["a", "c", "b"], "distance that is given"),
    ("fair_ranking", lambda d, r, f: sorted(f, key=lambda k: d(r, f[k].repeat(9, 1)[:9000])), "equal counts"),
    ("fair_ranking", shortened, "not in place"),
    ("held_out", lambda d, fakes, x, y: ([held_out(d, fakes, x, y)[0]], 0.5), "name of a checkpoint"),
    ("held_out", chosen(second, second), "chosen by the test images"),
    ("held_out", chosen(second, first), "chosen by the test images"),
    ("held_out", chosen(lambda a, b: -a, second), "*smallest*"),
    ("held_out", chosen(first, first), "it was chosen by"),
    ("held_out", chosen(lambda a, b: a + b, second), "training images alone"),
    ("held_out", chosen(lambda a, b: max(a, b), second), "training images alone"),
    ("held_out", chosen(first, lambda a, b: (a + b) / 2), "to the test images"),
    ("held_out", chosen(first, lambda a, b: min(a, b)), "it was chosen by"),
    ("held_out", chosen(first, lambda a, b: max(a, b)), "it was chosen by"),
    ("held_out", chosen(first, lambda a, b: 0.5), "to the test images"),
    ("held_out", lambda d, fakes, training, test: held_out(d, fakes, training, test)[0], "Return two things"),
    ("held_out", lambda d, fakes, training, test: held_out(d, fakes, training, test)[1], "Return two things"),
    ("held_out", lambda d, fakes, x, y: held_out(d, fakes, x, y)[::-1], "name of a checkpoint"),
    ("held_out", lambda d, fakes, x, y: (list(fakes)[-1], d(y, list(fakes.values())[-1])), "training images alone"),
    ("held_out", lambda d, fakes, x, y: held_out(d, fakes, torch.cat([x, y]), y), "training images alone"),
    ("held_out", lambda d, fakes, x, y: held_out(d, fakes, x.mul_(2), y), "not in place"),
    ("confusion", (float("nan"), 3, 2), "on the diagonal"),
    ("confusion", (0.92, 3, 2), "in percent"),
    ("confusion", (91.7, 3, 2), "mean over the classes"),
    ("confusion", (828, 3, 2), "on the diagonal"),
    ("confusion", (8.0, 3, 2), "on the diagonal"),
    ("confusion", (92.0, 2, 3), "strangers"),
    ("confusion", (92.0, 4, 1), "in which row"),
    ("confusion", (92.0, 3, 0), "In its place"),
    ("confusion", (92.0, 3, 3), "In its place"),
    ("confusion", (92.0, 3), "(3,)"),
    ("confusion", 92.0, "three numbers"),
    ("confusion", "92, 3, 2", "three numbers"),
    ("interval", lambda hits: interval(hits, low=0.05), "90%"),
    ("interval", lambda hits: interval(hits, low=0.16), "68%"),
    ("interval", lambda hits: interval(hits, low=0.005), "99%"),
    ("interval", lambda hits: interval(hits, low=0.1), "Not as wide"),
    ("interval", lambda hits: interval(hits)[::-1], "Low first"),
    ("interval", lambda hits: interval(hits, size=100), "as large as the data"),
    ("interval", lambda hits: interval(hits[torch.randperm(len(hits))[:200]]), "as large as the data"),
    ("interval", lambda hits: interval(hits, statistic=lambda x: x[:, 0]), "interval of the *share*"),
    ("interval", lambda hits: tuple(torch.quantile(hits, torch.tensor([0.025, 0.975]))), "interval of the *share*"),
    ("interval", lambda hits: tuple(100 * end for end in interval(hits)), "interval of the *share*"),
    ("interval", lambda hits: (hits[torch.randperm(len(hits))].mean(),) * 2, "*with* putting back"),
    ("interval", lambda hits: (hits.mean() - hits.std(), hits.mean() + hits.std()), "interval of the *share*"),
    ("interval", lambda hits: (float("nan"), float("nan")), "Not as wide"),
    ("interval", lambda hits: (0.88, 0.92), "as large as the data"),
    ("interval", lambda hits: tuple(1 - end for end in interval(hits)[::-1]), "follow it"),
    ("interval", lambda hits: (hits.mean() - 0.03, hits.mean() + 0.03), "as large as the data"),
    ("interval", lambda hits: (hits.mean() - 0.5 / len(hits) ** 0.5, hits.mean() + 0.5 / len(hits) ** 0.5), "90%"),
    ("interval", lambda hits: interval(hits)[1] - interval(hits)[0], "(2,)"),
    ("interval", lambda hits: hits[torch.randint(len(hits), (9, len(hits)))].mean(1), "(2,)"),
    ("interval", lambda hits: interval(hits.mul_(0.5)), "not in place"),
    ("copied", lambda f, x, t: 100 * copied(f, x, t), "percent"),
    ("copied", lambda f, x, t: len(f) * copied(f, x, t), "share of all fakes"),
    ("copied", lambda f, x, t: 1 - copied(f, x, t), "*not* copied"),
    ("copied", lambda f, x, t: copied(f, x, t, 0.95), "not 0.95"),
    ("copied", lambda f, x, t: copied(f, x, t, 0.5), "median"),
    ("copied", lambda f, x, t: copied(f, x, t, 0.0), "not than all"),
    ("copied", lambda f, x, t: copied(f, t, x), "*training* images"),
    ("copied", lambda f, x, t: copied(t, x, f), ".flatten(1)"),
    ("copied", lambda f, x, t: copied(f, x, f), "new for certain"),
    ("copied", lambda f, x, t: (nearest(f, x) == 0).float().mean(), ".flatten(1)"),
    ("copied", lambda f, x, t: (nearest(f, x) < nearest(t, x).mean()).float().mean(), ".flatten(1)"),
    ("copied", lambda f, x, t: (nearest(f, x) < nearest(x, x).quantile(0.05)).float().mean(), ".flatten(1)"),
    ("copied", lambda f, x, t: (nearest(f, x) < nearest(f, t)).float().mean(), ".flatten(1)"),
    ("copied", lambda f, x, t: nearest(f, x) < nearest(t, x).quantile(0.05), "one number"),
    ("copied", lambda f, x, t: torch.cdist(f, x).min(1).values.mean(), "raised"),
    ("copied", lambda f, x, t: (nearest(f, x) < nearest(x, t).quantile(0.05)).float().mean(), ".flatten(1)"),
    ("copied", lambda f, x, t: 0.25, ".flatten(1)"),
    ("copied", lambda f, x, t: copied(f.mul_(2), x, t), "not in place"),
]
NOT_ATTEMPTED = [("confusion", (..., 3, 2)), ("confusion", (92.0, ..., ...))]
