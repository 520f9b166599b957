"""The algorithm: who moves when, what is averaged, what is random, and what happens when it goes wrong."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from cgan_lib import RECIPES, UserError, train
from cgan_lib.checkpoint import checkpoints
from cgan_lib.data import batches
from cgan_lib.training import Diverged, Trainer, pick_device, pick_precision


@pytest.fixture
def trainer(tiny, digits):
    """A trainer of `bce` and a first real batch."""
    return make(digits, "bce", **tiny)


def make(digits, name, **changes):
    return Trainer(RECIPES[name].replace(**changes), digits, "cpu")


def copy_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


def biases_before_batch_norm(network):
    """Names of biases that BatchNorm subtracts again, channel by channel: their gradient is rounding error, or zero."""
    names = set()
    for prefix, stack in network.named_modules():
        if isinstance(stack, nn.Sequential):
            for (name, layer), (_, after) in pairwise(stack.named_children()):
                if isinstance(after, nn.BatchNorm1d | nn.BatchNorm2d) and getattr(layer, "bias", None) is not None:
                    names.add(f"{prefix}.{name}.bias")
    return names


# --- one step


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", RECIPES)
def test_the_first_steps_move_every_parameter_and_keep_it_finite(name, precision, tiny, digits):
    trainer = make(digits, name, **tiny | dict(precision=precision))
    networks = (trainer.generator, trainer.discriminator)
    before = [copy_of(network) for network in networks]
    trainer.fit(2 if precision != "fp16" else 10)  # the scaler skips steps until its scale fits
    for network, old in zip(networks, before, strict=True):
        parameters = dict(network.named_parameters())
        assert all(p.dtype == torch.float32 and p.isfinite().all() for p in parameters.values())
        unmoved = {name for name, p in parameters.items() if torch.equal(p, old[name])}
        assert unmoved <= biases_before_batch_norm(network)


def test_only_biases_before_batch_norm_are_excused(trainer):
    # conv_blocks.0 normalises over positions, and projection.0 has a bias at each: that one does learn
    assert biases_before_batch_norm(trainer.generator) == {"conv_blocks.1.bias"}
    assert biases_before_batch_norm(trainer.discriminator) == {"features.0.bias", "features.3.bias"}


@pytest.fixture
def batch(trainer):
    """Inputs of `d_step` and `g_step`: a real batch and a fake one with its graph."""
    trainer.generator.train()
    trainer.discriminator.train()
    real, labels = next(batches(trainer.data, 8, seed=0))
    fake_labels = torch.arange(8)
    return real, labels, trainer.generator(torch.randn(8, 100), fake_labels), fake_labels


def test_d_step_moves_the_discriminator_and_leaves_the_generator_untouched(trainer, batch):
    real, labels, fake, fake_labels = batch
    generator, discriminator = copy_of(trainer.generator), copy_of(trainer.discriminator)
    trainer.d_step(real, labels, fake, fake_labels)  # not detached: the step itself must not reach the generator
    assert same(copy_of(trainer.generator), generator)
    assert all(p.grad is None for p in trainer.generator.parameters())
    assert not same(copy_of(trainer.discriminator), discriminator)


def test_g_step_moves_the_generator_and_leaves_weights_and_gradients_of_the_discriminator_untouched(trainer, batch):
    real, labels, fake, fake_labels = batch
    trainer.d_step(real, labels, fake.detach(), fake_labels)
    generator = copy_of(trainer.generator)
    weights = [p.detach().clone() for p in trainer.discriminator.parameters()]
    gradients = [p.grad.clone() for p in trainer.discriminator.parameters()]
    trainer.g_step(fake, fake_labels)
    assert not same(copy_of(trainer.generator), generator)
    for p, weight, gradient in zip(trainer.discriminator.parameters(), weights, gradients, strict=True):
        assert torch.equal(p, weight)
        assert torch.equal(p.grad, gradient)


def test_metrics_are_what_the_losses_say(trainer, batch):
    real, labels, fake, fake_labels = batch
    with torch.no_grad():
        logits = [trainer.discriminator(x, y) for x, y in ((real, labels), (fake, fake_labels))]
    metrics = trainer.d_step(real, labels, fake.detach(), fake_labels, measure=True)
    torch.testing.assert_close(metrics["loss/D"], trainer.loss.d(*logits))
    torch.testing.assert_close(metrics["probability/D(x)"], logits[0].sigmoid().mean())
    torch.testing.assert_close(metrics["probability/D(G(z))"], logits[1].sigmoid().mean())
    squares = sum(p.grad.square().sum() for p in trainer.discriminator.parameters())
    torch.testing.assert_close(metrics["gradient_norm/D"], squares.sqrt())


def test_learning_rates_are_those_of_the_recipe(tiny, digits):
    rates = make(digits, "bce", lr=0.25, lr_d=0.125, **tiny).learning_rates()
    assert rates == {"learning_rate/G": 0.25, "learning_rate/D": 0.125}
    rates = make(digits, "bce", lr=0.25, **tiny).learning_rates()
    assert rates == {"learning_rate/G": 0.25, "learning_rate/D": 0.25}


@pytest.mark.parametrize("ema", [0.05, 0.9])
def test_average_is_the_one_computed_by_hand_and_buffers_are_copied(ema, tiny, digits):
    trainer = make(digits, "bce", ema=ema, **tiny)
    expected = {name: p.detach().clone() for name, p in trainer.generator.named_parameters()}
    for t in range(4):
        trainer.fit(t + 1)
        decay = min(ema, (1 + t) / (10 + t))
        for name, p in trainer.generator.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * p.detach()
    for name, p in trainer.averaged.named_parameters():
        torch.testing.assert_close(p, expected[name])
    assert not same(copy_of(trainer.averaged), copy_of(trainer.generator))
    assert same(dict(trainer.averaged.named_buffers()), dict(trainer.generator.named_buffers()))
    assert trainer.sampler is trainer.averaged


def test_without_an_average_the_generator_draws_the_samples(tiny, digits):
    trainer = make(digits, "bce_published", **tiny)
    assert trainer.averaged is None
    assert trainer.sampler is trainer.generator
    assert "averaged" not in trainer.state_dict()


# --- fit


def test_metrics_come_every_log_every_steps_and_at_the_end(tiny, digits):
    trainer = make(digits, "bce", log_every=3, **tiny)
    measured = []
    trainer.fit(7, lambda metrics: measured.append(metrics is not None) or True)
    assert measured == [False, False, True, False, False, True, True]


def test_on_step_can_end_the_training(trainer):
    trainer.fit(100, lambda metrics: trainer.step < 3)
    assert trainer.step == 3


def test_training_leaves_the_random_numbers_of_the_caller_alone(tiny, digits):
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    make(digits, "dropout", **tiny).fit(2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]  # noqa: NPY002


@pytest.mark.parametrize("name", ["bce", "dropout", "spatial"])
def test_same_seed_gives_the_same_weights_and_another_seed_others(name, tiny, digits):
    weights = []
    for state_of_the_world, seed in ((1, 0), (2, 0), (1, 1)):
        torch.manual_seed(state_of_the_world)
        trainer = make(digits, name, seed=seed, **tiny)
        trainer.fit(3)
        weights.append(copy_of(trainer.generator) | {f"D.{k}": v for k, v in copy_of(trainer.discriminator).items()})
    assert same(weights[0], weights[1])
    assert not same(weights[0], weights[2])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_trainer_continued_from_its_state_is_bit_identical(precision, tiny, digits):
    tiny = tiny | dict(precision=precision)
    straight, first, second = (make(digits, "dropout", **tiny) for _ in range(3))
    straight.fit(6)
    first.fit(4)
    second.load_state_dict(first.state_dict())
    second.fit(6)
    for network in ("generator", "discriminator", "averaged"):
        assert same(copy_of(getattr(second, network)), copy_of(getattr(straight, network)))


# --- divergence


def tensors(state):
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from tensors(part)


def assert_only_finite_checkpoints(folder):
    for path in checkpoints(folder):
        state = torch.load(path, weights_only=True)
        assert all(tensor.isfinite().all() for tensor in tensors(state)), path.name


@pytest.mark.parametrize(
    ("name", "precision", "lr"),
    [("bce", "fp32", 1e20), ("dropout", "fp32", 1e5), ("dropout", "bf16", 1e8), ("spatial", "fp16", 100.0)],
)
def test_a_huge_learning_rate_diverges_with_advice_and_no_checkpoint_holds_what_is_not_finite(
    name, precision, lr, home, tiny
):
    settings = tiny | dict(precision=precision, lr=lr, steps=20, save_every=1, log_every=5)
    with pytest.raises(Diverged, match=r"became NaN or infinite at step \d+\. .*lr="):
        train(name, run="wild", **settings)
    assert_only_finite_checkpoints(home / "logs" / "digits" / name / "wild" / "checkpoints")


@pytest.mark.parametrize("network", ["generator", "discriminator", "averaged"])
@pytest.mark.parametrize("kind", ["parameters", "buffers"])
def test_the_newest_checkpoint_stays_good_when_a_number_becomes_infinite(network, kind, tiny, monkeypatch):
    """Infinity is put in by hand, because which number overflows first is the luck of the data."""
    settings = tiny | dict(save_every=2, log_every=100)
    run = train("bce", steps=2, **settings)
    real_step = Trainer.train_step

    def poisoned_step(trainer, *arguments):
        metrics = real_step(trainer, *arguments)
        if trainer.step == 4:
            with torch.no_grad():
                next(getattr(getattr(trainer, network), kind)()).view(-1)[0] = torch.inf
        return metrics

    monkeypatch.setattr(Trainer, "train_step", poisoned_step)
    with pytest.raises(Diverged):
        train("bce", steps=6, **settings)
    assert [path.name for path in checkpoints(run.folder / "checkpoints")] == ["step_00000002.pt"]


def test_advice_is_a_smaller_learning_rate_than_the_one_that_failed(tiny, digits):
    message = str(make(digits, "bce", lr=0.5, **tiny).diverged("loss/D"))
    assert message.startswith("loss/D became NaN or infinite at step 0.")
    assert "lr=0.125 (now 0.5)" in message


# --- device and precision


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_device_is_the_fastest_there_is(cuda, mps, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device() == torch.device(device)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device 'cuda:0' is not on this machine: use auto or cpu"):
        pick_device("cuda:0")


@pytest.mark.parametrize("name", ["cpu:x", "cuda:1", "cuda:x"])
def test_a_device_number_that_is_not_there_is_refused(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(UserError, match=f"'{name}'"):
        pick_device(name)


def test_unknown_device_suggests_the_nearest():
    with pytest.raises(UserError, match=r"unknown device 'cud': did you mean 'cuda'\? There are: auto, cpu, cuda, mps"):
        pick_device("cud")


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((8, 9), "bf16"), ((9, 0), "bf16")],
)
def test_auto_precision_on_cuda_depends_on_the_generation(capability, precision, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    assert pick_precision("auto", torch.device("cuda")) == precision


@pytest.mark.parametrize(
    ("avx512", "amx", "precision"),
    [(False, False, "fp32"), (True, False, "bf16"), (False, True, "bf16"), (True, True, "bf16")],
)
def test_auto_precision_on_the_cpu_depends_on_its_instructions(avx512, amx, precision, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert pick_precision("auto", torch.device("cpu")) == precision


def test_precision_is_fp32_on_mps_and_otherwise_what_was_asked_for():
    assert pick_precision("auto", torch.device("mps")) == "fp32"
    for name in ("fp32", "fp16", "bf16"):
        assert pick_precision(name, torch.device("cpu")) == name
