"""Notebook 10: targets of a flow, its loss, Euler's method, one pass, bends, the best velocity, guidance, a sampler."""

from itertools import pairwise

import torch
import torch.nn.functional as F


def target(noise, images, t):
    t = t[:, None, None, None]
    return (1 - t) * noise + t * images, images - noise


def target_by_lerp(noise, images, t):
    return torch.lerp(noise, images, t.view(-1, 1, 1, 1)), -(noise - images)


def target_one_by_one(z, x, t):
    return torch.stack([a + s * (b - a) for a, b, s in zip(z, x, t, strict=True)]), x.sub(z)


def with_x(formula):
    """Both, the right velocity behind."""
    return lambda z, x, t: (formula(z, x, t[:, None, None, None]), x - z)


def with_v(formula):
    """Both, behind the right place."""
    return lambda z, x, t: (target(z, x, t)[0], formula(z, x, t[:, None, None, None]))


def target_in_place(z, x, t):
    z.mul_(1 - t[:, None, None, None])
    return z + t[:, None, None, None] * x, x - z


def loss(velocity, images, labels):
    noise = torch.randn_like(images)
    t = torch.rand(len(images))
    x = torch.lerp(noise, images, t[:, None, None, None])
    return F.mse_loss(velocity(x, t, labels), images - noise)


def lossy(
    noise=torch.randn_like, t=lambda x: torch.rand(len(x)), goal=lambda z, x, t: x - z, fold=F.mse_loss, told=None
):
    """The loss, with a mistake."""

    def mistaken(velocity, images, labels):
        z, times = noise(images), t(images)
        across = times.view(len(images), -1, 1, 1) if times.ndim == 1 and len(times) > 1 else times
        x = (1 - across) * z + across * images
        given = labels if told is None else told(labels)
        return fold(velocity(x, times, given), goal(z, images, across))

    return mistaken


def loss_by_logit_normal(velocity, images, labels):
    noise, t = torch.randn(images.shape), (1.5 * torch.randn(len(images))).sigmoid()
    off = velocity(on_line(noise, images, t), t, labels) - (images - noise)
    return off.square().mean()


def on_line(noise, images, t):
    return noise + t[:, None, None, None] * (images - noise)


def loss_of_a_still_network(velocity, images, labels):
    with torch.no_grad():
        return loss(velocity, images, labels)


def euler(velocity, x, labels, passes):
    for k in range(passes):
        x = x + velocity(x, torch.full((len(x),), k / passes), labels) / passes
    return x


def euler_by_while(velocity, noise, labels, passes):
    t, x = torch.zeros(len(noise)), noise.clone()
    while t[0] < 1 - 1e-4:
        x += velocity(x, t, labels) * (1 / passes)
        t = t + 1 / passes
    return x


def euler_by_recursion(v, x, y, n, k=0):
    return x if k == n else euler_by_recursion(v, x + v(x, torch.ones(len(x)) * k / n, y) / n, y, n, k + 1)


def stepped(time=lambda k, n: k / n, length=lambda n: 1 / n, steps=lambda n: n):
    """Euler's method, with a mistake."""

    def mistaken(velocity, x, labels, passes):
        for k in range(steps(passes)):
            x = x + length(passes) * velocity(x, torch.full((len(x),), float(time(k, passes))), labels)
        return x

    return mistaken


def euler_from_the_start(velocity, x, labels, passes):
    return x + sum(velocity(x, torch.full((len(x),), k / passes), labels) for k in range(passes)) / passes


def euler_without_labels(velocity, x, labels, passes):
    return euler(lambda x, t, y: velocity(x, t, torch.zeros_like(y)), x, labels, passes)


def bend(path):
    passes = len(path) - 1
    return (passes * path.diff(dim=0) - (path[-1] - path[0])).square().sum(-1).mean()


def bend_by_loop(path):
    total, n = 0.0, len(path) - 1
    for before, after in pairwise(path):
        total += (n * (after - before) - path[-1] + path[0]).norm(dim=1).pow(2).mean().item()
    return total / n


def best(images, x, t):
    weights = torch.softmax(-torch.cdist(x, t * images).square() / (2 * (1 - t) ** 2), dim=1)
    return (weights @ images - x) / (1 - t)


def best_by_logs(images, x, t):
    off = x[:, None] - t * images
    logs = -off.square().sum(-1) / 2 / (1 - t) ** 2
    weights = (logs - logs.logsumexp(1, keepdim=True)).exp()
    return (weights[..., None] * (images - x[:, None]) / (1 - t)).sum(1)


def best_by_normal(images, x, t):
    likely = torch.distributions.Normal(t * images, 1 - t).log_prob(x[:, None]).sum(-1).softmax(1)
    return torch.einsum("nm,md->nd", likely, images) / (1 - t) - x / (1 - t)


def bested(
    weigh=None, centre=lambda images, t: t * images, scale=lambda t: 2 * (1 - t) ** 2, dim=1, end=lambda t: 1 - t
):
    """The best velocity, with a mistake."""

    def mistaken(images, x, t):
        logs = -torch.cdist(x, centre(images, t)).square() / scale(t)
        weights = torch.softmax(logs, dim) if weigh is None else weigh(logs)
        return (weights @ images - weights.sum(1, keepdim=True) * x) / end(t)

    return mistaken


def best_by_exp(images, x, t):
    weights = (-torch.cdist(x, t * images).square() / (2 * (1 - t) ** 2)).exp()
    return (weights @ images / weights.sum(1, keepdim=True) - x) / (1 - t)


def guided(told, free, w):
    return free + w * (told - free)


def midpoint(times):
    def sample(velocity, x, labels):
        for now, then in pairwise(times):
            half = (then - now) / 2
            there = x + half * velocity(x, torch.full((len(x),), now), labels)
            x = x + 2 * half * velocity(there, torch.full((len(x),), now + half), labels)
        return x

    return sample


def remembered(times):
    """Adams and Bashforth: the velocity in the middle of a step, guessed from this one and the last."""

    def sample(velocity, x, labels):
        last = None
        for k, (now, then) in enumerate(pairwise(times)):
            v = velocity(x, torch.full((len(x),), now), labels)
            slope = 0 if last is None else (v - last) / (now - times[k - 1])
            x = x + (then - now) * (v + (then - now) / 2 * slope)
            last = v
        return x

    return sample


def six_of(method):
    return lambda velocity, x, labels: method(velocity, x, labels, 6)


def once(velocity, x, labels):
    return x + velocity(x, torch.zeros(len(x)), labels)


RIGHT = [
    ("flow_target", target),
    ("flow_target", target_by_lerp),
    ("flow_target", target_one_by_one),
    ("flow_target", lambda z, x, t: [x - (1 - t)[:, None, None, None] * (x - z), x - z]),
    ("mended_flow_loss", loss),
    ("mended_flow_loss", loss_by_logit_normal),
    ("mended_flow_loss", lossy(t=lambda x: (torch.randperm(len(x)) + torch.rand(len(x))) / len(x))),
    ("mended_flow_loss", lambda v, x, y: loss(v, x, y).double()[None]),
    ("euler", euler),
    ("euler", euler_by_while),
    ("euler", euler_by_recursion),
    ("euler", stepped()),
    ("one_pass", lambda images, noise: images.mean(0).expand_as(noise)),
    ("one_pass", lambda images, noise: noise + (images.mean(0) - noise)),
    ("one_pass", lambda images, noise: torch.stack([images.mean(dim=0)] * len(noise))),
    ("one_pass", lambda images, noise: noise + (images[:, None] - noise).mean(0)),
    ("bend", bend),
    ("bend", bend_by_loop),
    ("bend", lambda p: 2 * F.mse_loss((len(p) - 1) * (p[1:] - p[:-1]), (p[-1:] - p[:1]).expand_as(p[1:]))),
    ("bend", lambda p: (p.diff(dim=0) * (len(p) - 1) - p[-1] + p[0]).norm(dim=-1).square().mean()),
    ("best_velocity", best),
    ("best_velocity", best_by_logs),
    ("best_velocity", best_by_normal),
    ("best_velocity", bested()),
    ("guidance", guided),
    ("guidance", lambda told, free, w: w * told + (1 - w) * free),
    ("guidance", lambda told, free, w: torch.lerp(free, told, w)),
    ("guidance", lambda told, free, w: told + (w - 1) * (told - free)),
    ("sampler", midpoint([0.0, 0.51, 0.77, 1.0])),
    ("sampler", midpoint([0.0, 0.5, 0.8, 1.0])),
    ("sampler", remembered([0.0, 0.3, 0.5, 0.66, 0.8, 0.9, 1.0])),
    ("sampler", lambda v, x, y: midpoint([0.0, 0.5, 0.75, 1.0])(v, x, y).double()),
]
WRONG = [
    ("flow_target", with_x(lambda z, x, t: t * z + (1 - t) * x), "other way round"),
    ("flow_target", lambda z, x, t: ((1 - t) * z + t * x, x - z), "time of its own"),
    ("flow_target", with_x(lambda z, x, t: (1 - t).sqrt() * z + t.sqrt() * x), "way is straight"),
    ("flow_target", with_x(lambda z, x, t: x + (1 - t) * z), "makes room"),
    ("flow_target", with_x(lambda z, x, t: (1 - t) * z + x), "makes room"),
    ("flow_target", with_x(lambda z, x, t: z + t * x), "x_t: (1 − t)"),
    ("flow_target", with_v(lambda z, x, t: z - x), "leads to the image"),
    ("flow_target", with_v(lambda z, x, t: x - ((1 - t) * z + t * x)), "way still to go"),
    ("flow_target", with_v(lambda z, x, t: t * (x - z)), "how far it has come"),
    ("flow_target", with_v(lambda z, x, t: z), "diffusion models predict"),
    ("flow_target", with_v(lambda z, x, t: x), "where it ends"),
    ("flow_target", with_v(lambda z, x, t: (x - z).mean()), "shape should be"),
    ("flow_target", lambda z, x, t: target(z, x, t)[0], "Return both"),
    ("flow_target", target_in_place, "not in place"),
    ("mended_flow_loss", lossy(t=torch.rand_like), "A time for each image"),
    ("mended_flow_loss", lossy(t=lambda x: torch.rand(1)), "A time for each image"),
    ("mended_flow_loss", lossy(t=lambda x: torch.rand(1).expand(len(x))), "the same time"),
    ("mended_flow_loss", lossy(t=lambda x: torch.arange(len(x)) / len(x)), "the same in each batch"),
    ("mended_flow_loss", lossy(t=lambda x: torch.randn(len(x))), "between 0 and 1"),
    ("mended_flow_loss", lossy(t=lambda x: torch.rand(len(x)) / 2), "all of them"),
    ("mended_flow_loss", lossy(noise=lambda x: torch.randn_like(x[:1]).expand_as(x)), "from the same noise"),
    ("mended_flow_loss", lossy(noise=lambda x: torch.randn(len(x), 1, 1, 1).expand_as(x)), "Every pixel"),
    ("mended_flow_loss", lossy(noise=torch.rand_like), "N(0, 1)"),
    ("mended_flow_loss", lossy(noise=torch.zeros_like), "the same noise"),
    ("mended_flow_loss", lossy(noise=lambda x: 3 * torch.randn_like(x)), "no point between"),
    ("mended_flow_loss", lossy(noise=lambda x: 1.5 * torch.randn_like(x)), "N(0, 1)"),
    ("mended_flow_loss", lossy(goal=lambda z, x, t: z - x), "should cost nothing"),
    ("mended_flow_loss", lossy(goal=lambda z, x, t: x), "should cost nothing"),
    ("mended_flow_loss", lossy(goal=lambda z, x, t: t * (x - z)), "compared with"),
    ("mended_flow_loss", lossy(goal=lambda z, x, t: x - torch.randn_like(x)), "should cost nothing"),
    ("mended_flow_loss", lossy(fold=lambda a, b: F.mse_loss(a, b, reduction="sum") / len(a)), "not their sum"),
    ("mended_flow_loss", lossy(fold=F.l1_loss), "mean of (image − noise)²"),
    ("mended_flow_loss", lossy(fold=lambda a, b: (a - b).square()), "one number"),
    ("mended_flow_loss", lossy(told=torch.zeros_like), "as they are"),
    ("mended_flow_loss", lossy(told=lambda y: y.flip(0)), "as they are"),
    ("mended_flow_loss", loss_of_a_still_network, "Nothing can be learned"),
    ("mended_flow_loss", lambda v, x, y: loss(v, x, y).item(), "Nothing can be learned"),
    ("mended_flow_loss", lambda v, x, y: x.mean(), "Ask the velocity"),
    ("euler", stepped(length=lambda n: 1), "as long as 1 / passes"),
    ("euler", stepped(time=lambda k, n: (k + 1) / n), "none at t = 1"),
    ("euler", stepped(time=lambda k, n: (k + 0.5) / n), "not yet there"),
    ("euler", stepped(time=lambda k, n: 1 - k / n), "1 to 0"),
    ("euler", stepped(time=lambda k, n: k), "share of the way"),
    ("euler", stepped(length=lambda n: -1 / n), "Add the velocity"),
    ("euler", stepped(steps=lambda n: n - 1), "step is missing"),
    ("euler", stepped(steps=lambda n: n + 1), "too many"),
    ("euler", stepped(time=lambda k, n: 0), "moves on"),
    ("euler", euler_from_the_start, "Ask anew"),
    ("euler", lambda v, x, y, n: euler(v, x, y, n) - x, "not only the way"),
    ("euler", euler_without_labels, "x moves by"),
    ("euler", lambda v, x, y, n: euler(lambda x, t, y: v(x, t[0], y), x, y, n), "a time for each image"),
    ("euler", lambda v, x, y, n: euler(v, x, y[:, None], n), "as they are"),
    ("euler", lambda v, x, y, n: euler(v, x, y, n).clamp(-1, 1), "x moves by"),
    ("one_pass", lambda images, noise: images.mean().expand_as(noise), "One mean for each pixel"),
    ("one_pass", lambda images, noise: noise + images.mean(0), "nothing is known"),
    ("one_pass", lambda images, noise: images.mean(0) - noise, "add it to the noise"),
    ("one_pass", lambda images, noise: images[torch.arange(len(noise)) % len(images)], "which image"),
    ("one_pass", lambda images, noise: images.median(0).values.expand_as(noise), "median"),
    ("one_pass", lambda images, noise: images.mean(0), "shape of the noise"),
    ("one_pass", lambda images, noise: (noise + images.mean(0)) / 2, "whole step"),
    ("one_pass", lambda images, noise: noise, "is the mean of"),
    (
        "one_pass",
        lambda images, noise: images[torch.cdist(noise.flatten(1), images.flatten(1)).argmin(1)],
        "as likely as any other",
    ),
    ("bend", lambda p: (p.diff(dim=0) - (p[-1] - p[0])).square().sum(-1).mean(), "over its time"),
    ("bend", lambda p: (len(p) * p.diff(dim=0) - (p[-1] - p[0])).square().sum(-1).mean(), "one step less"),
    ("bend", lambda p: ((len(p) - 1) * p.diff(dim=0) - (p[-1] - p[0])).square().mean(), "both coordinates"),
    ("bend", lambda p: ((len(p) - 1) * p.diff(dim=0) - (p[-1] - p[0])).norm(dim=-1).mean(), "square is missing"),
    ("bend", lambda p: ((len(p) - 1) * p.diff(dim=0) - (p[-1] - p[0])).square().sum(), "not a sum"),
    ("bend", lambda p: ((len(p) - 1) * p.diff(dim=0) - (p[-1] - p[0])).square().sum(-1).mean(0), "over the points"),
    ("bend", lambda p: ((len(p) - 1) * p.diff(dim=0) - (p[-1] - p[0])).square().sum(-1).mean(1), "over the steps"),
    ("bend", lambda p: bend(p.mean(1, keepdim=True)), "of its own"),
    ("bend", lambda p: ((len(p) - 1) * p.diff(dim=0)).square().sum(-1).mean(), "whole way"),
    ("bend", lambda p: ((len(p) - 1) * p.diff(dim=0) + p[-1] - p[0]).square().sum(-1).mean(), "other way round"),
    ("bend", lambda p: p.diff(dim=0).norm(dim=-1).sum() / (p[-1] - p[0]).norm(dim=-1).sum(), "and its mean"),
    ("best_velocity", lambda images, x, t: (images.mean(0) - x) / (1 - t), "weights differ"),
    ("best_velocity", bested(weigh=lambda logs: F.one_hot(logs.argmax(1), logs.shape[1]).float()), "likeliest"),
    ("best_velocity", bested(centre=lambda images, t: images), "around t · image"),
    ("best_velocity", bested(scale=lambda t: 2), "has shrunk"),
    ("best_velocity", bested(scale=lambda t: 2 * (1 - t)), "its square"),
    ("best_velocity", bested(scale=lambda t: (1 - t) ** 2), "½"),
    ("best_velocity", bested(end=lambda t: 1), "divide by it"),
    ("best_velocity", bested(dim=0), "along the other dimension"),
    ("best_velocity", lambda images, x, t: (1 - t) * best(images, x, t) + x, "where x will end"),
    ("best_velocity", lambda images, x, t: -best(images, x, t), "not away"),
    ("best_velocity", bested(scale=lambda t: -2 * (1 - t) ** 2), "The nearer"),
    ("best_velocity", best_by_exp, "large exponents"),
    ("best_velocity", lambda images, x, t: best(images, x, t).mean(0), "shape should be"),
    ("guidance", lambda told, free, w: told + w * (told - free), "For w = 1"),
    ("guidance", lambda told, free, w: free + w * (free - told), "with − without"),
    ("guidance", lambda told, free, w: w * (told - free), "missing"),
    ("guidance", lambda told, free, w: told + w * (free - told), "mixed up"),
    ("guidance", lambda told, free, w: free + w * told, "w times the difference"),
    ("guidance", lambda told, free, w: torch.lerp(free, told, min(w, 1.0)), "Nothing is cut off"),
    ("guidance", lambda told, free, w: w * told, "not both"),
    ("guidance", lambda told, free, w: w * told + (w - 1) * free, "w and 1 − w"),
    ("guidance", lambda told, free, w: told, "with − without"),
    ("guidance", lambda told, free, w: guided(told, free, w).mean(), "shape should be"),
    ("guidance", lambda told, free, w: told.sub_(free).mul_(w).add_(free), "not in place"),
    ("sampler", six_of(euler), "takes the velocity at the beginning"),
    ("sampler", midpoint([0.0, 1 / 3, 2 / 3, 1.0]), "have to be equal"),
    ("sampler", lambda v, x, y: euler(v, x, y, 7), "more than 6 times"),
    ("sampler", once, "on the average"),
    ("sampler", lambda v, x, y: x, "Ask the velocity"),
    ("sampler", lambda v, x, y: euler(lambda x, t, y: v(x, t + 0.3, y), x, y, 6), "between 0 and 1"),
    ("sampler", lambda v, x, y: v(x[:5], torch.zeros(5), y[:5]), "all points at once"),
    ("sampler", lambda v, x, y: euler(lambda x, t, y: v(x, 0.0, y), x, y, 6), "a time for each point"),
    ("sampler", lambda v, x, y: euler(v, x, y, 6) / 0.0, "infinity"),
    ("sampler", lambda v, x, y: euler(v, x, y, 6)[:5], "shape should be"),
]
NOT_ATTEMPTED = [
    ("flow_target", lambda noise, images, t: (..., ...)),
    ("flow_target", lambda noise, images, t: (None, images - noise)),
]
