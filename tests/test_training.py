"""The algorithm: who moves when, what is averaged, what is random, and what happens when it goes wrong."""

import copy
import random
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from cgan_lib import RECIPES, UserError, load_data, train
from cgan_lib.data import batches
from cgan_lib.devices import pick_device, pick_precision
from cgan_lib.losses import LOSSES, Loss, bce_g
from cgan_lib.models import MODELS
from cgan_lib.models.dcgan import growth_at
from cgan_lib.runs.checkpoint import checkpoints
from cgan_lib.training import Diverged, Trainer

OURS = [name for name in RECIPES if not name.endswith("_published")]


@pytest.fixture
def trainer(request, tiny, digits):
    """A trainer of `bce`, or of the recipe that a test names."""
    return make(digits, getattr(request, "param", "bce"), **tiny)


def trainers(*names):
    return pytest.mark.parametrize("trainer", names, indirect=True)


def make(digits, name, **changes):
    """A trainer of a recipe with small networks; growing ones draw 32×32, to have two sizes before that."""
    recipe = RECIPES[name]
    grows = MODELS[recipe.model].grows
    small = dict(image_size=32 if grows else 28, feature_dim=8 if recipe.feature_dim else None)
    recipe = recipe.replace(**small | changes)
    return Trainer(recipe, load_data("digits", image_size=32) if grows else digits, "cpu")


def copy_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


def biases_before_norm(network):
    """Names of biases that a norm subtracts again, channel by channel: their gradient is rounding error, or zero."""
    names = set()
    for prefix, stack in network.named_modules():
        if isinstance(stack, nn.Sequential):
            for (name, layer), (_, after) in pairwise(stack.named_children()):
                if isinstance(after, nn.BatchNorm2d | nn.InstanceNorm2d) and getattr(layer, "bias", None) is not None:
                    names.add(f"{prefix}.{name}.bias")
    return names


def bias_of_the_logit(trainer):
    """Its name, when the loss compares logits, so that adding a constant to all is free; else nothing."""
    real, fake, shift = torch.tensor([0.3]), torch.tensor([-0.2]), 0.25
    if not torch.isclose(trainer.loss.d(real + shift, fake + shift), trainer.loss.d(real, fake)):
        return set()
    biases = [(name, p) for name, p in trainer.discriminator.named_parameters() if name.endswith("bias")]
    return {name for name, p in biases if p.numel() == 1}


# --- one step


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", RECIPES)
def test_the_first_steps_move_every_parameter_and_keep_it_finite(name, precision, tiny, digits):
    grow_every = 4 if RECIPES[name].grow_every else 0
    trainer = make(digits, name, grow_every=grow_every, **tiny | dict(precision=precision))
    networks = (trainer.generator, trainer.discriminator)
    before = [copy_of(network) for network in networks]
    trainer.fit(2 if precision != "fp16" else 10)  # the scaler skips steps until its scale fits
    if grow_every:
        trainer.fit(11)  # through all sizes
    excused = [biases_before_norm(network) for network in networks]
    excused[1] |= bias_of_the_logit(trainer)
    for network, old, unmovable in zip(networks, before, excused, strict=True):
        parameters = dict(network.named_parameters())
        assert all(p.dtype == torch.float32 and p.isfinite().all() for p in parameters.values())
        assert {name for name, p in parameters.items() if torch.equal(p, old[name])} <= unmovable


def test_only_biases_before_a_norm_are_excused_and_that_of_a_logit_that_is_compared(tiny, digits):
    excused = {}
    for name in ("bce", "dcgan64", "projection", "relativistic"):
        trainer = make(digits, name, **tiny)
        networks = (trainer.generator, trainer.discriminator)
        excused[name] = (*(biases_before_norm(network) for network in networks), bias_of_the_logit(trainer))
    assert excused == {
        # conv_blocks.0 normalises over positions, and projection.0 has a bias at each: that one does learn
        "bce": ({"conv_blocks.1.bias"}, {"features.0.bias", "features.3.bias"}, set()),
        "dcgan64": ({"stages.1.0.bias"}, {"stages.1.0.bias"}, set()),
        "projection": ({"upsampling.2.bias", "upsampling.5.bias"}, set(), {"head.linear.bias"}),
        "relativistic": (set(), set(), {"head.linear.bias"}),
    }


@pytest.fixture
def batch(trainer):
    """Inputs of `d_step` and `g_step`: a real batch and a fake one with its graph."""
    trainer.generator.train()
    trainer.discriminator.train()
    real, labels = next(batches(trainer.data, 8, seed=0))
    fake_labels = torch.arange(8)
    return real, labels, trainer.generator(torch.randn(8, 100), fake_labels), fake_labels


STYLES = trainers("bce", "projection", "relativistic", "dcgan64_progressive")


@STYLES
def test_d_step_moves_the_discriminator_and_leaves_the_generator_untouched(trainer, batch):
    real, labels, fake, fake_labels = batch
    generator, discriminator = copy_of(trainer.generator), copy_of(trainer.discriminator)
    trainer.d_step(real, labels, fake, fake_labels)  # not detached: the step itself must not reach the generator
    assert same(copy_of(trainer.generator), generator)
    assert all(p.grad is None for p in trainer.generator.parameters())
    assert not same(copy_of(trainer.discriminator), discriminator)


@STYLES
def test_g_step_moves_the_generator_and_leaves_weights_and_gradients_of_the_discriminator_untouched(trainer, batch):
    real, labels, fake, fake_labels = batch
    real_logits, _ = trainer.d_step(real, labels, fake.detach(), fake_labels)
    generator = copy_of(trainer.generator)
    reached = [p for p in trainer.discriminator.parameters() if p.grad is not None]  # all, unless it still grows
    weights = [p.detach().clone() for p in reached]
    gradients = [p.grad.clone() for p in reached]
    trainer.g_step(fake, fake_labels, real_logits)
    assert not same(copy_of(trainer.generator), generator)
    for p, weight, gradient in zip(reached, weights, gradients, strict=True):
        assert torch.equal(p, weight)
        assert torch.equal(p.grad, gradient)


@trainers("bce", "projection", "relativistic")
def test_metrics_are_what_the_losses_say(trainer, batch):
    real, labels, fake, fake_labels = batch
    logits = []
    trainer.discriminator.register_forward_hook(lambda network, inputs, output: logits.append(output.detach()))
    _, metrics = trainer.d_step(real, labels, fake.detach(), fake_labels, measure=True)
    of_real, of_fake = (logits[0][::2], logits[0][1::2]) if len(logits[0]) == 16 else logits[:2]  # one pass, or two
    expected = {"logit/real": of_real.mean(), "logit/fake": of_fake.mean()}
    if trainer.recipe.loss == "bce":
        expected = {"probability/D(x)": of_real.sigmoid().mean(), "probability/D(G(z))": of_fake.sigmoid().mean()}
    squares = sum(p.grad.square().sum() for p in trainer.discriminator.parameters())
    expected |= {"loss/D": trainer.loss.d(of_real, of_fake), "gradient_norm/D": squares.sqrt()}
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(metrics[name], value)


def test_a_step_on_its_own_has_the_mode_and_the_learning_rates_that_fit_gives_it(tiny, digits):
    settings = dict(lr=0.004, lr_d=0.002, lr_halved_at=2, ema=0.9, **tiny)
    fitted, stepped = (make(digits, "dropout", **settings) for _ in range(2))  # BatchNorm and Dropout have two modes
    fitted.fit(3)
    for _, (real, labels) in zip(range(3), batches(digits, 8, stepped.recipe.seed), strict=False):
        stepped.generator.eval()
        stepped.discriminator.eval()
        stepped.train_step(real, labels)
        assert stepped.generator.training
        assert stepped.discriminator.training
    assert stepped.learning_rates() == fitted.learning_rates() == {"learning_rate/G": 0.002, "learning_rate/D": 0.001}
    for network in ("generator", "discriminator", "averaged"):
        assert same(copy_of(getattr(stepped, network)), copy_of(getattr(fitted, network)))


def test_learning_rates_fall_in_a_line_to_zero_at_the_end_of_the_run(tiny, digits):
    trainer, rates = make(digits, "bce", lr=0.5, lr_d=0.25, lr_to_zero=True, **tiny | dict(steps=4)), []
    trainer.fit(4, lambda metrics: rates.append(tuple(trainer.learning_rates().values())) or True)
    assert rates == [(0.5, 0.25), (0.375, 0.1875), (0.25, 0.125), (0.125, 0.0625)]


def test_an_average_by_power_weighs_each_step_by_its_number(tiny, digits):
    trainer, weights = make(digits, "bce", ema=0, ema_power=2.0, **tiny), []
    first = trainer.generator.label_embedding.weight
    trainer.fit(6, lambda metrics: weights.append(first.detach().clone()) or True)
    # (t/(t+1))³ telescopes: step t counts (t+1)³ − t³, which is as its square in the long run
    shares = [((t + 1) ** 3 - t**3) / 6**3 for t in range(6)]
    expected = sum(share * weight for share, weight in zip(shares, weights, strict=True))
    torch.testing.assert_close(trainer.sampler.label_embedding.weight, expected)


@pytest.mark.parametrize(("lr_d", "halved_at"), [(0.125, 4), (None, 4), (0.125, 1), (0.125, 0)])
def test_learning_rates_fall_to_a_half_where_the_recipe_says_or_stay(lr_d, halved_at, tiny, digits):
    trainer, rates = make(digits, "bce", lr=0.25, lr_d=lr_d, lr_halved_at=halved_at, **tiny), []
    trainer.fit(9, lambda metrics: rates.append(tuple(trainer.learning_rates().values())) or True)
    falling = [1 / (1 + step / halved_at) if halved_at else 1 for step in range(9)]
    assert rates == [(0.25 * factor, (lr_d or 0.25) * factor) for factor in falling]
    assert rates[halved_at] == (rates[0][0] / (2 if halved_at else 1), rates[0][1] / (2 if halved_at else 1))


@pytest.mark.parametrize("name", ["bce", "projection", "dcgan64_progressive"])
@pytest.mark.parametrize("ema", [0.05, 0.9])
def test_average_is_the_one_computed_by_hand_and_buffers_are_copied(name, ema, tiny, digits):
    trainer = make(digits, name, ema=ema, grow_every=2 if name == "dcgan64_progressive" else 0, **tiny)
    expected = {name: p.detach().clone() for name, p in trainer.generator.named_parameters()}
    for t in range(4):
        trainer.fit(t + 1)
        decay = min(ema, (1 + t) / (10 + t))
        for name, p in trainer.generator.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * p.detach()
    for name, p in trainer.averaged.named_parameters():
        torch.testing.assert_close(p, expected[name])
    assert not same(copy_of(trainer.averaged), copy_of(trainer.generator))
    assert dict(trainer.averaged.named_buffers())
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


@pytest.mark.parametrize("name", OURS)
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
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("dropout", {}),
        ("bce", dict(lr_halved_at=4)),
        ("projection", dict(n_dis=2)),  # spectral norm has vectors of its own
        ("relativistic", dict(penalty_every=3)),
        ("dcgan64_progressive", dict(grow_every=4)),
    ],
)
def test_a_trainer_continued_from_its_state_is_bit_identical(name, changes, precision, tiny, digits):
    changes = tiny | changes | dict(precision=precision)
    straight, first, second = (make(digits, name, **changes) for _ in range(3))
    straight.fit(9)
    first.fit(5)  # not a multiple of any rhythm
    second.load_state_dict(first.state_dict())
    second.fit(9)
    for network in ("generator", "discriminator", "averaged"):
        assert same(copy_of(getattr(second, network)), copy_of(getattr(straight, network)))


# --- two rhythms


def test_with_n_dis_3_the_generator_and_its_average_move_every_third_step_and_the_discriminator_always(tiny, digits):
    trainer = make(digits, "bce", n_dis=3, log_every=1, **tiny)
    networks = dict(G=trainer.generator, D=trainer.discriminator, average=trainer.averaged)
    moved, measured = {name: [] for name in networks}, []
    for step in range(6):
        before = {name: [p.detach().clone() for p in network.parameters()] for name, network in networks.items()}
        trainer.fit(step + 1, lambda metrics: measured.append(set(metrics)) or True)
        for name, network in networks.items():
            pairs = zip(network.parameters(), before[name], strict=True)
            moved[name].append(not all(torch.equal(p, old) for p, old in pairs))
    assert moved == {"G": [False, False, True] * 2, "D": [True] * 6, "average": [False, False, True] * 2}
    of_d = {"loss/D", "probability/D(x)", "probability/D(G(z))", "gradient_norm/D"}
    assert measured == [of_d, of_d, of_d | {"loss/G", "gradient_norm/G"}] * 2
    for optimizer, steps in ((trainer.optimizer_g, 2), (trainer.optimizer_d, 6)):
        assert {int(state["step"]) for state in optimizer.state.values()} == {steps}


@pytest.fixture
def penalties(monkeypatch):
    """A loss `counted`, whose only gradient is that of its penalty: 1 for the first weights. Returns its calls."""
    calls = []

    def penalty(discriminator, real, fake, labels):
        calls.append((real, fake, labels, torch.is_autocast_enabled("cpu")))
        return next(discriminator.parameters()).sum()

    def nothing(real, fake):
        return 0 * (real + fake).sum()

    monkeypatch.setitem(LOSSES, "counted", Loss(nothing, bce_g, penalty=penalty, penalty_weight=0.5))
    return calls


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
        (dict(penalty_every=3), [0, 0, 1.5, 0, 0, 1.5]),
        (dict(penalty_every=2, penalty_weight=4.0), [0, 8, 0, 8, 0, 8]),
        (dict(penalty_weight=0.0), [0, 0, 0, 0, 0, 0]),
    ],
    ids=str,
)
def test_a_penalty_comes_every_kth_step_and_is_then_k_times_as_strong(
    changes, expected, precision, penalties, tiny, digits
):
    trainer = make(digits, "dropout", loss="counted", **tiny | changes | dict(precision=precision))
    weights, gradients = next(trainer.discriminator.parameters()), []
    trainer.fit(6, lambda metrics: gradients.append(weights.grad.unique().tolist()) or True)
    assert gradients == [[value] for value in expected]
    assert len(penalties) == sum(value > 0 for value in expected)  # none is computed only to count for nothing


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_penalty_is_given_the_batch_its_labels_and_fakes_without_a_graph_in_full_precision(
    precision, penalties, tiny, digits
):
    trainer = make(digits, "projection", loss="counted", **tiny | dict(precision=precision))
    trainer.fit(1)
    real, labels = next(batches(trainer.data, 8, seed=0))
    ((seen, fake, seen_labels, autocast),) = penalties
    assert torch.equal(seen, real)
    assert torch.equal(seen_labels, labels)
    assert (fake.shape, fake.dtype, fake.requires_grad, autocast) == (real.shape, torch.float32, False, False)


# --- what a loss is given


@pytest.mark.parametrize("loss", LOSSES)
def test_fakes_have_the_labels_of_the_batch_where_the_loss_pairs_them_and_random_ones_elsewhere(loss, tiny, digits):
    trainer = make(digits, "projection", loss=loss, **tiny | dict(batch_size=32))
    asked, judged = [], []
    trainer.generator.register_forward_hook(lambda network, inputs, images: asked.append(inputs[1]))
    trainer.discriminator.register_forward_hook(lambda network, inputs, logits: judged.append(inputs[1]))
    trainer.fit(1)
    _, labels = next(batches(trainer.data, 32, seed=0))
    (fake_labels,) = asked
    assert torch.equal(fake_labels, labels) == LOSSES[loss].paired
    assert torch.equal(judged[0], torch.stack([labels, fake_labels], 1).flatten())  # the discriminator's look at both
    assert torch.equal(judged[-1], fake_labels)  # the generator's


@trainers("bce", "projection", "relativistic", "dcgan64")
def test_reals_and_fakes_go_through_the_discriminator_together_unless_its_layers_would_mix_them(trainer, batch):
    real, labels, fake, fake_labels = batch
    sizes = []
    trainer.discriminator.register_forward_hook(lambda network, inputs, logits: sizes.append(len(logits)))
    trainer.d_step(real, labels, fake.detach(), fake_labels)
    assert sizes[0] == (8 if trainer.recipe.name == "bce" else 16)


@pytest.mark.parametrize("name", ["projection", "relativistic", "speedrun"])
def test_the_auxiliary_classifier_learns_the_classes_of_reals_alone(name, tiny, digits):
    trainer = make(digits, name, auxiliary=2.0, **tiny)
    real, labels = next(batches(trainer.data, 8, seed=0))
    fake, fake_labels = torch.rand_like(real), (labels + 1) % 10
    trainer.discriminator.eval()  # or each pass would move the estimates of spectral norms
    _, guesses = trainer.discriminator.with_guesses(real, labels)
    cost = 2 * torch.nn.functional.cross_entropy(guesses, labels)
    (expected,) = torch.autograd.grad(cost, trainer.discriminator.head.classifier.weight)
    trainer.d_step(real, labels, fake, fake_labels)
    torch.testing.assert_close(trainer.discriminator.head.classifier.weight.grad, expected)


def test_a_relative_loss_compares_the_fakes_with_reals_of_their_labels(tiny, digits, monkeypatch):
    compared, drawn = [], []
    loss = LOSSES["relativistic"]
    monkeypatch.setitem(
        LOSSES, "relativistic", loss._replace(g=lambda *logits: compared.append(logits) or loss.g(*logits))
    )
    trainer = make(digits, "relativistic", **tiny)
    before = copy.deepcopy(trainer.discriminator)
    trainer.generator.register_forward_hook(lambda network, inputs, images: drawn.append((images, inputs[1])))
    trainer.fit(1)
    (fake_logits, real_logits), (fake, fake_labels) = compared[0], drawn[0]
    real, labels = next(batches(trainer.data, 8, seed=0))
    with torch.no_grad():  # the fakes are shown to the discriminator after its step, the reals were before
        torch.testing.assert_close(fake_logits, trainer.discriminator(fake, fake_labels))
        torch.testing.assert_close(real_logits, before(real, labels))
        assert not torch.allclose(real_logits, before(real, (labels + 1) % 10))
    assert torch.equal(fake_labels, labels)
    assert not real_logits.requires_grad


# --- growing


@pytest.mark.parametrize(
    ("stage", "growth"),
    [(0, 0), (0.5, 0), (0.99, 0), (1, 0), (1.25, 0.5), (1.5, 1), (1.75, 1), (2, 1), (2.25, 1.5), (2.5, 2), (3, 2)],
)
def test_every_size_but_the_first_is_faded_in_during_the_first_half_of_its_time(stage, growth):
    assert growth_at(stage) == growth


def test_all_networks_grow_in_step(tiny, digits):
    trainer = make(digits, "dcgan64_progressive", grow_every=4, **tiny)
    networks = (trainer.generator, trainer.discriminator, trainer.averaged)
    grown = []
    for step in range(14):
        trainer.fit(step + 1)
        grown.append({network.growth.item() for network in networks})
    expected = [0, 0, 0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2, 2, 2]
    assert grown == [{growth} for growth in expected]


def test_a_trainer_says_when_its_networks_work_at_full_size(tiny, digits):
    trainer = make(digits, "dcgan64_progressive", grow_every=4, **tiny)
    for step in range(14):
        assert trainer.grown == (step > 0 and trainer.sampler.growth.item() == 2), f"after {step} steps"
        trainer.fit(step + 1)


def test_networks_that_do_not_grow_are_whole_from_the_start(tiny, digits):
    assert make(digits, "bce", **tiny).grown
    trainer = make(digits, "dcgan64_progressive", grow_every=0, **tiny)
    for step in range(3):
        assert trainer.grown
        assert (trainer.generator.growth, trainer.discriminator.growth) == (2, 2)
        trainer.fit(step + 1)


# --- memory


@pytest.mark.parametrize("name", OURS)
def test_the_memory_format_changes_nothing_but_the_speed(name, tiny, digits, monkeypatch):
    gradients = []
    for layout in (torch.contiguous_format, torch.channels_last):
        monkeypatch.setattr("cgan_lib.training.best_memory_format", lambda network, layout=layout: layout)
        # a first step of Adam is as long for the smallest gradient as for the largest: the sign of a rounding error
        trainer = make(digits, name, lr=1e-9, lr_d=1e-9, penalty_every=1, **tiny)
        trainer.fit(1)
        gradients.append([p.grad for p in trainer.parameters_g + trainer.parameters_d if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", OURS)
def test_networks_with_instance_norm_lie_channel_by_channel_and_the_others_pixel_by_pixel(name, tiny, digits):
    trainer = make(digits, name, **tiny)
    for network in (trainer.generator, trainer.discriminator):
        by_channel = any(isinstance(layer, nn.InstanceNorm2d) for layer in network.modules())
        layout = torch.contiguous_format if by_channel else torch.channels_last
        kernels = [p for p in network.parameters() if p.ndim == 4]
        assert kernels
        assert all(p.is_contiguous(memory_format=layout) for p in kernels)
    assert by_channel == name.startswith("dcgan64")


# --- divergence


def tensors(state):
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from tensors(part)


@pytest.mark.parametrize(
    ("name", "precision", "lr"),
    [("bce", "fp32", 1e20), ("dropout", "fp32", 1e5), ("dropout", "bf16", 1e8), ("spatial", "fp16", 100.0)],
)
def test_a_huge_learning_rate_diverges_with_advice_and_no_checkpoint_holds_what_is_not_finite(
    name, precision, lr, home, tiny
):
    settings = tiny | dict(precision=precision, lr=lr, steps=20, save_every=1, log_every=5)
    with pytest.raises(Diverged, match=r"became NaN or infinite at step \d+\. .*lr=") as raised:
        train(name, run="wild", **settings)
    there = checkpoints(home / "logs" / "digits" / name / "wild" / "checkpoints")
    for path in there:
        assert all(tensor.isfinite().all() for tensor in tensors(torch.load(path, weights_only=True))), path.name
    kept = re.search(r"The last good checkpoint, of step (\d+), is kept\.$", str(raised.value))
    assert (int(kept[1]) if kept else None) == (int(there[-1].stem.split("_")[1]) if there else None)


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
    with pytest.raises(Diverged, match=r"The last good checkpoint, of step 2, is kept\.$"):
        train("bce", steps=6, **settings)
    assert [path.name for path in checkpoints(run.folder / "checkpoints")] == ["step_00000002.pt"]


def test_no_checkpoint_is_said_to_be_kept_where_there_is_none(tiny):
    with pytest.raises(Diverged, match=r"Try a new run with lr=2.5e\+19 \(now 1e\+20\)\.$"):
        train("bce", lr=1e20, steps=20, log_every=5, **tiny)


# --- device and precision


if torch.cuda.is_available():  # elsewhere there is nothing to send ahead to

    def test_data_that_are_too_large_for_the_gpu_train_the_same_weights(digits, tiny, monkeypatch):
        weights = []
        for whole in (True, False):
            monkeypatch.setattr("cgan_lib.training.fits", lambda *_, whole=whole: whole)
            trainer = Trainer(RECIPES["relativistic"].replace(**tiny), digits, "cuda")
            assert trainer.data.labels.is_cuda is whole
            trainer.fit(12)
            weights.append(torch.cat([weight.flatten() for weight in trainer.generator.parameters()]))
        torch.testing.assert_close(*weights)


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_device_is_the_fastest_there_is(cuda, mps, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device() == torch.device(device)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("cuda:0", 0, "device 'cuda:0' is not on this machine: use auto or cpu"),
        ("cuda:1", 1, "device 'cuda:1' is not on this machine"),
        ("cpu:x", 1, "unknown device 'cpu:x'"),
        ("cuda:x", 1, "unknown device 'cuda:x'"),
        ("cud", 1, r"unknown device 'cud': did you mean 'cuda'\? There are: auto, cpu, cuda, mps"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name, count, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(UserError, match=message):
        pick_device(name)


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
