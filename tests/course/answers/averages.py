"""Notebook 03: averaged weights, and settings of the toy."""

import copy
import functools

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def decay_at(step, decay):
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update(averaged, generator, step, decay):
    decay = decay_at(step, decay)
    for mine, theirs in zip(averaged.parameters(), generator.parameters(), strict=True):
        mine.mul_(decay).add_(theirs, alpha=1 - decay)
    for mine, theirs in zip(averaged.buffers(), generator.buffers(), strict=True):
        mine.copy_(theirs)


@torch.no_grad()
def update_by_state(averaged, generator, step, decay):
    learned, decay = dict(generator.named_parameters()), decay_at(step, decay)
    state, new = averaged.state_dict(), generator.state_dict()
    for name, value in state.items():
        value.copy_(torch.lerp(new[name], value, decay) if name in learned else new[name])


def update_by_data(averaged, generator, step, decay):
    decay = decay_at(step, decay)
    for mine, theirs in zip(averaged.parameters(), generator.parameters(), strict=True):
        mine.data = decay * mine.data + (1 - decay) * theirs.data
    averaged.load_state_dict({name: buffer.clone() for name, buffer in generator.named_buffers()}, strict=False)


def update_by_loading(averaged, generator, step, decay):
    decay = decay_at(step, decay)
    state = {name: value.clone() for name, value in generator.state_dict().items()}
    for name, value in averaged.named_parameters():
        state[name] = decay * value + (1 - decay) * state[name]
    averaged.load_state_dict(state)


def mixed(share=decay_at, copy_buffers=True):
    """An update that keeps `share(step, decay)` of the old average."""

    @torch.no_grad()
    def change(averaged, generator, step, decay):
        kept = share(step, decay)
        for mine, theirs in zip(averaged.parameters(), generator.parameters(), strict=True):
            mine.copy_(kept * mine + (1 - kept) * theirs)
        if copy_buffers:
            for mine, theirs in zip(averaged.buffers(), generator.buffers(), strict=True):
                mine.copy_(theirs)

    return change


def without_counters(averaged, generator, step, decay):
    mixed(copy_buffers=False)(averaged, generator, step, decay)
    for mine, theirs in zip(averaged.buffers(), generator.buffers(), strict=True):
        if theirs.is_floating_point():
            mine.copy_(theirs)


@torch.no_grad()
def average_of_buffers(averaged, generator, step, decay):
    mixed(copy_buffers=False)(averaged, generator, step, decay)
    for mine, theirs in zip(averaged.buffers(), generator.buffers(), strict=True):
        mine.copy_(decay * mine + (1 - decay) * theirs)


def with_graph(averaged, generator, step, decay):
    decay = decay_at(step, decay)
    for mine, theirs in zip(averaged.parameters(), generator.parameters(), strict=True):
        mine.mul_(decay).add_(theirs, alpha=1 - decay)
    for mine, theirs in zip(averaged.buffers(), generator.buffers(), strict=True):
        mine.copy_(theirs)


def shared_buffers(averaged, generator, step, decay):
    mixed(copy_buffers=False)(averaged, generator, step, decay)
    for mine, theirs in zip(averaged.modules(), generator.modules(), strict=True):
        mine._buffers.update(theirs._buffers)


def only_statistics(averaged, generator, step, decay):
    averaged.load_state_dict(dict(generator.named_buffers()), strict=False)


def moves_the_generator(averaged, generator, step, decay):
    update(averaged, generator, step, decay)
    generator.load_state_dict(averaged.state_dict())


def of_a_copy(averaged, generator, step, decay):
    averaged = copy.deepcopy(averaged)
    update(averaged, generator, step, decay)
    return averaged


@torch.no_grad()
def first_layer(averaged, generator, step, decay):
    update(averaged[0], generator[0], step, decay)


def also(change):
    """The right update, and something that nobody asked for."""

    def changed(averaged, generator, step, decay):
        update(averaged, generator, step, decay)
        change(averaged, generator)

    return changed


def of_pytorch(averaged, generator, step, decay):
    AveragedModel(averaged, avg_fn=lambda mine, theirs, _: decay * mine + (1 - decay) * theirs).update_parameters(
        generator
    )


RIGHT = [
    ("average", update),
    ("average", update_by_state),
    ("average", update_by_data),
    ("average", update_by_loading),
    ("average", mixed()),
    ("average", without_counters),
    ("average", functools.partial(update)),
    ("rates", {"lr": 2e-3, "lr_d": 4e-3, "n_dis": 2, "ema": 0.98}),
    ("rates", {"lr": 2e-3, "lr_d": 4e-3, "n_dis": 2, "ema": 0.95}),
    ("rates", {"ema": 0.99, "lr": 2e-3, "lr_d": torch.tensor(5e-3), "n_dis": 2.0}),
    ("rates", {"lr": 2e-3, "lr_d": 4.5e-3, "n_dis": 2, "ema": 0.97}),
]
WRONG = [
    ("average", mixed(lambda step, decay: 1 - decay_at(step, decay), copy_buffers=False), "exchanged"),
    ("average", mixed(lambda step, decay: 1 - decay_at(step, decay)), "exchanged"),
    ("average", mixed(copy_buffers=False), "still from the start"),
    ("average", mixed(lambda step, decay: decay), "ramp is missing"),
    ("average", mixed(lambda step, decay: max(decay, (1 + step) / (10 + step))), "ramp is missing"),
    ("average", mixed(lambda step, decay: 0), "not an average"),
    ("average", mixed(lambda step, decay: 0.5), "decay · old average"),
    ("average", mixed(lambda step, decay: min(0.99, (1 + step) / (10 + step))), "decay · old average"),
    ("average", lambda averaged, generator, step, decay: averaged.load_state_dict(generator.state_dict()), "current"),
    ("average", average_of_buffers, "copied, not averaged"),
    ("average", with_graph, "no_grad"),
    ("average", shared_buffers, "share tensors"),
    ("average", only_statistics, "have not moved"),
    ("average", moves_the_generator, "leave it as it is"),
    ("average", of_a_copy, "have not moved"),
    ("average", also(lambda averaged, _: averaged.train()), "leave both as they are"),
    ("average", also(lambda _, generator: generator.eval()), "leave both as they are"),
    ("average", also(lambda _, generator: generator.zero_grad()), "goes on learning"),
    ("average", also(lambda _, generator: generator.requires_grad_(False)), "goes on learning"),
    ("average", first_layer, "decay · old average"),
    ("average", of_pytorch, "have not moved"),
    ("average", nn.Linear(2, 2), "raised TypeError"),
    ("rates", {"lr": 2e-3, "lr_d": 2e-3, "n_dis": 1, "ema": 0.0}, "throw G about"),
    ("rates", {"lr": 1.0, "lr_d": 1.0, "n_dis": 1, "ema": 0.98}, "smaller rates"),
    ("rates", {"lr": 2e-4, "lr_d": 4e-4, "n_dis": 2, "ema": 0.98}, "larger rates?"),
    ("rates", {"lr": 2e-3, "lr_d": 4e-3, "n_dis": 8, "ema": 0.98}, "leave more for G"),
    ("rates", {"lr": -2e-3, "lr_d": 2e-3, "n_dis": 1, "ema": 0.98}, "more than 0"),
    ("rates", {"lr": 2e-3, "lr_d": 2e-3, "n_dis": 1, "ema": 1.0}, "below 1"),
    ("rates", {"lr": 2e-3, "lr_d": 2e-3, "n_dis": 1.5, "ema": 0.9}, "whole number"),
    ("rates", {"lr": 2e-3, "lr_d": 2e-3, "n_dis": 500, "ema": 0.9}, "whole number"),
    ("rates", {"lr": 2e-3, "lr_d": 2e-3, "ema": 0.9}, "keys lr, lr_d"),
    ("rates", {"lr": 2e-3, "lr_d": float("inf"), "n_dis": 1, "ema": 0.9}, "finite"),
    ("rates", (2e-3, 2e-3, 1, 0.9), "keys lr, lr_d"),
]
NOT_ATTEMPTED = [("rates", {"lr": 2e-3, "lr_d": ..., "n_dis": ..., "ema": ...})]
