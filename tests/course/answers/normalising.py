"""Notebook 02: InstanceNorm and BatchNorm, by hand."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

NOT_ATTEMPTED = []
OVER = (0, 2, 3)


def centred(x):
    return x - x.mean((2, 3), keepdim=True)


def norm(x, eps=1e-5):
    return centred(x) / torch.sqrt(x.var((2, 3), keepdim=True, correction=0) + eps)


def norm_in_place(x):
    x -= x.mean((2, 3), keepdim=True)
    return norm(x)


def norm_by_loop(x):
    return torch.stack([torch.stack([(m - m.mean()) / (m.std(correction=0) + 1e-5) for m in image]) for image in x])


def norm_by_flattening(x):
    flat = x.flatten(2)
    moments = torch.var_mean(flat, dim=-1, unbiased=False, keepdim=True)
    return ((flat - moments[1]) * (moments[0] + 1e-5).rsqrt()).view_as(x)


def eps_ignored(x, eps=1e-5):
    return norm(x)


def eps_outside(x, eps=1e-5):
    return centred(x) / (x.std((2, 3), keepdim=True, correction=0) + eps)


def norm_of_constants(x):
    """Mean and deviation taken for constants by the gradient."""
    mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True, correction=0)
    return (x - mean.detach()) / (deviation.detach() + 1e-5)


def divided(x, mean, variance, eps):
    return (x - mean[:, None, None]) / (variance[:, None, None] + eps).sqrt()


def batch_norm(
    x,
    running_mean,
    running_var,
    training,
    momentum=0.1,
    eps=1e-5,
    correction=0,
    used=lambda training, batch, memory: batch if training else memory,
    kept=lambda training, batch, memory, momentum: (
        [(1 - momentum) * then + momentum * now for then, now in zip(memory, batch, strict=True)]
        if training
        else memory
    ),
    divided=divided,
):
    batch = [x.mean(OVER), x.var(OVER, correction=correction)]
    memory = [running_mean, running_var]
    return divided(x, *used(training, batch, memory), eps), *kept(training, batch, memory, momentum)


def with_other(**changes):
    return lambda *given: batch_norm(*given, **changes)


def by_torch(x, mean, variance, training, momentum, eps):
    mean, variance = mean.clone(), variance.clone()
    return F.batch_norm(x, mean, variance, training=training, momentum=momentum, eps=eps), mean, variance


def by_module(eps, momentum, training, running_var, running_mean, x):
    layer = nn.BatchNorm2d(x.shape[1], eps=eps, momentum=momentum, affine=False).train(training)
    layer.running_mean, layer.running_var = running_mean.clone(), running_var.clone()
    return [layer(x), layer.running_mean, layer.running_var]


def by_numpy(x, running_mean, running_var, training, momentum, eps):
    x, mean, variance = (value.detach().double().numpy() for value in (x, running_mean, running_var))
    used = (x.mean(OVER), x.var(OVER)) if training else (mean, variance)
    out = (x - used[0][:, None, None]) / np.sqrt(used[1][:, None, None] + eps)
    share = momentum if training else 0
    return out, mean + share * (x.mean(OVER) - mean), variance + share * (x.var(OVER) - variance)


def in_double(x, running_mean, running_var, training, momentum, eps):
    return batch_norm(x.double(), running_mean.double(), running_var.double(), training, momentum, eps)


def by_new_memory(x, running_mean, running_var, training, momentum, eps):
    """Moves the memory first, and divides by it."""
    _, mean, variance = batch_norm(x, running_mean, running_var, training, momentum, eps)
    return divided(x, mean, variance, eps), mean, variance


def without_gradient(*given):
    with torch.no_grad():
        return batch_norm(*given)


def detached_in_evaluation(*given):
    out, *memory = batch_norm(*given)
    return (out if given[3] else out.detach()), *memory


def of_constants(x, mean, variance, eps):
    return divided(x, mean.detach(), variance.detach(), eps)


def in_place(x, running_mean, running_var, training, momentum, eps):
    return F.batch_norm(x, running_mean, running_var, None, None, training, momentum, eps), running_mean, running_var


def fixed(training, batch, memory, momentum):
    return [then.lerp(now, 0.1) for then, now in zip(memory, batch, strict=True)] if training else memory


def always(training, batch, memory, momentum):
    return [then.lerp(now, momentum) for then, now in zip(memory, batch, strict=True)]


def swapped(training, batch, memory, momentum):
    return [now.lerp(then, momentum) for then, now in zip(memory, batch, strict=True)] if training else memory


RIGHT = [
    ("instance_norm", F.instance_norm),
    ("instance_norm", norm),
    ("instance_norm", lambda x: norm(x.double())),
    ("instance_norm", lambda x: F.group_norm(x, x.shape[1])),
    ("instance_norm", lambda x: nn.InstanceNorm2d(x.shape[1])(x).half()),
    ("instance_norm", norm_by_loop),
    ("instance_norm", partial(F.instance_norm, eps=1e-5)),
    ("instance_norm", lambda x, eps=1e-5: F.layer_norm(x, x.shape[2:], eps=eps)),
    ("instance_norm", norm_by_flattening),
    ("batch_norm", batch_norm),
    ("batch_norm", with_other()),
    ("batch_norm", by_torch),
    ("batch_norm", by_module),
    ("batch_norm", in_double),
]
WRONG = [
    ("instance_norm", lambda x: F.batch_norm(x, None, None, training=True), "BatchNorm"),
    ("instance_norm", lambda x: F.layer_norm(x, x.shape[1:]), "LayerNorm"),
    ("instance_norm", lambda x: F.group_norm(x, 1), "LayerNorm"),
    ("instance_norm", lambda x: centred(x) / x.std((2, 3), keepdim=True), "correction=0"),
    ("instance_norm", lambda x: centred(x) / x.var((2, 3), keepdim=True, correction=0), "square root"),
    ("instance_norm", centred, "divide by the deviation"),
    ("instance_norm", lambda x: x / x.std((2, 3), keepdim=True, correction=0), "take the mean away"),
    ("instance_norm", lambda x: centred(x) * x.std((2, 3), keepdim=True, correction=0), "do not multiply"),
    ("instance_norm", lambda x: F.layer_norm(x, x.shape[3:]), "Height and width together"),
    ("instance_norm", lambda x: norm(x, eps=0), "one colour"),
    ("instance_norm", lambda x: torch.nan_to_num(norm(x, eps=0), nan=1e9), "one colour"),
    ("instance_norm", lambda x: norm(x, eps=1), "height and width"),
    ("instance_norm", lambda x: F.normalize(centred(x), dim=(2, 3)), "height and width"),
    ("instance_norm", lambda x: norm(x).clamp(-1, 1), "height and width"),
    ("instance_norm", lambda x: x, "height and width"),
    ("instance_norm", lambda x: norm(x[:, :, :4, :4]), "shape should be"),
    ("instance_norm", lambda x: norm(x).detach(), "no gradient"),
    ("instance_norm", lambda x: norm(x).numpy(force=True), "no gradient"),
    ("instance_norm", norm_of_constants, "depend on x"),
    ("instance_norm", norm_in_place, "not in place"),
    ("instance_norm", eps_ignored, "another eps changes nothing"),
    ("instance_norm", eps_outside, "under the root"),
    ("instance_norm", lambda x, eps=1e-5: norm(x, eps**2), "but for eps"),
    ("batch_norm", with_other(used=lambda training, batch, memory: batch), "depends on its neighbours"),
    ("batch_norm", with_other(used=lambda training, batch, memory: memory), "those of the batch"),
    ("batch_norm", with_other(kept=always), "changes in evaluation"),
    ("batch_norm", with_other(kept=swapped), "too closely"),
    ("batch_norm", with_other(kept=fixed), "momentum of the batch"),
    ("batch_norm", with_other(kept=lambda training, batch, memory, momentum: memory), "has to learn"),
    ("batch_norm", with_other(kept=lambda training, batch, memory, momentum: batch), "momentum of the batch"),
    ("batch_norm", with_other(correction=1), "correction=0"),
    ("batch_norm", with_other(divided=lambda x, mean, variance, eps: divided(x, mean, variance, 1e-5)), "eps is given"),
    ("batch_norm", with_other(divided=lambda x, mean, variance, eps: divided(x, mean, variance, 0)), "eps is given"),
    ("batch_norm", with_other(divided=lambda x, mean, variance, eps: divided(x, mean, variance**2, eps)), "channel"),
    ("batch_norm", with_other(divided=lambda x, mean, variance, eps: norm(x, eps)), "InstanceNorm"),
    ("batch_norm", by_new_memory, "of the batch in training"),
    ("batch_norm", by_numpy, "no gradient"),
    ("batch_norm", without_gradient, "no gradient"),
    ("batch_norm", detached_in_evaluation, "no gradient"),
    ("batch_norm", with_other(divided=of_constants), "depend on x"),
    ("batch_norm", in_place, "not in place"),
    ("batch_norm", lambda *given: batch_norm(*given)[0], "three things"),
    ("batch_norm", lambda *given: batch_norm(*given)[::-1], "shape should be"),
]
