"""What every network, loss, recipe and data set must do to be in its registry, whoever adds it.

The rules are those of docs/extending.md; where one is broken, the message says what to do.
"""

from contextlib import suppress
from copy import deepcopy
from itertools import product
from types import SimpleNamespace

import pytest
import torch
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torchvision import datasets

from cgan_lib import RECIPES, Recipe, UserError, load_data, load_generator
from cgan_lib.data import DATASETS, ImageData
from cgan_lib.losses import LOSSES, input_gradient
from cgan_lib.models import MODELS
from cgan_lib.models.layers import Dropout
from cgan_lib.training import Trainer
from cgan_lib.weights import save_generator

N, LATENT = 8, 6
SHAPES = [dict(channels=c, num_classes=k, image_size=s) for c, k, s in product((1, 3), (10, 4), (28, 32))]
PENALTIES = [name for name, loss in LOSSES.items() if loss.penalty]
GROWTHS = [(model, growth) for model, family in MODELS.items() for growth in ((0, 0.5, 1) if family.grows else (None,))]


def dropouts(network):
    return [layer for layer in network.modules() if isinstance(layer, Dropout | _DropoutNd)]


def describe(shape):
    return "x".join(str(value) for value in shape.values())


def options(model):
    """Those that shape the networks; the auxiliary classifier takes no part in a forward pass."""
    return {name: 8 for name in MODELS[model].options if name != "auxiliary"}


def takes(model, loss):
    """Whether a recipe may give the networks `model` the loss."""
    try:
        return bool(Recipe("contract", model, loss=loss))
    except UserError:
        return False


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture(params=SHAPES, ids=describe)
def nets(request, model):
    """Both networks of a family for one shape of data, in evaluation mode, and inputs that fit them."""
    shape = request.param
    torch.manual_seed(0)
    family = MODELS[model]
    return SimpleNamespace(
        shape=shape,
        config=dict(latent_dim=LATENT, embed_dim=5, base_channels=8, **shape),
        generator=family.generator(latent_dim=LATENT, embed_dim=5, base_channels=8, **shape).eval(),
        discriminator=family.discriminator(base_channels=8, dropout=0.25, **options(model), **shape).eval(),
        grows=family.grows,
        z=torch.randn(N, LATENT),
        labels=torch.arange(N) % shape["num_classes"],
        x=torch.rand(N, shape["channels"], shape["image_size"], shape["image_size"]) * 2 - 1,
    )


# --- networks


@pytest.mark.parametrize("training", [True, False])
def test_generator_draws_images_of_the_right_shape_and_range(nets, training):
    images = nets.generator.train(training)(5 * nets.z, nets.labels)
    assert images.shape == nets.x.shape, "draw (N, channels, image_size, image_size) from z and labels"
    assert images.abs().max() <= 1, "end in Tanh or Clamp: pixels lie in [-1, 1]"
    assert images.std() > 0


@pytest.mark.parametrize("training", [True, False])
def test_discriminator_gives_one_logit_an_image(nets, training):
    logits = nets.discriminator.train(training)(nets.x, nets.labels)
    assert logits.shape == (N,), "give one logit an image: squeeze (N, 1)"
    assert len(set(logits.tolist())) == N, "the logit must depend on the image"


def test_every_label_changes_the_image(nets):
    z = nets.z[:1].expand(nets.shape["num_classes"], -1)
    images = nets.generator(z, torch.arange(nets.shape["num_classes"]))
    assert len(images.flatten(1).unique(dim=0)) == nets.shape["num_classes"], "the generator does not use its labels"


def test_every_label_changes_the_logit(nets):
    x = nets.x[:1].expand(nets.shape["num_classes"], -1, -1, -1)
    logits = nets.discriminator(x, torch.arange(nets.shape["num_classes"]))
    assert len(logits.unique()) == nets.shape["num_classes"], "the discriminator does not use its labels"


def test_every_element_of_z_changes_the_image(nets):
    z = torch.cat([torch.zeros(1, LATENT), torch.eye(LATENT)])
    images = nets.generator(z, torch.zeros(LATENT + 1, dtype=torch.long))
    assert len(images.flatten(1).unique(dim=0)) == LATENT + 1, "the generator does not use all of z"


def test_class_weights_are_mixtures_of_labels_unless_the_generator_says_that_it_mixes_none(nets):
    if not nets.generator.mixes:
        pytest.skip("mixes = False")
    weights = torch.nn.functional.one_hot(nets.labels, nets.shape["num_classes"]).float()
    try:
        images = nets.generator(nets.z, weights)
    except (RuntimeError, TypeError, IndexError) as error:
        pytest.fail(f"take ClassEmbedding in place of nn.Embedding, or set mixes = False in the class ({error})")
    torch.testing.assert_close(images, nets.generator(nets.z, nets.labels), atol=1e-5, rtol=0)


def test_an_image_does_not_depend_on_its_neighbours_in_evaluation_mode(nets):
    together = nets.generator(nets.z, nets.labels)
    alone = nets.generator(nets.z[3:4], nets.labels[3:4])
    torch.testing.assert_close(together[3:4], alone, atol=1e-5, rtol=0, msg="evaluate each image by itself")


def biases_without_effect(network):
    """Names of biases that InstanceNorm may take away again, in any mode: their gradient is rounding error."""
    if not any(isinstance(layer, _InstanceNorm) for layer in network.modules()):
        return set()
    return {name for name, _ in network.named_parameters() if name.endswith("bias")}


def test_gradients_reach_every_parameter_of_both_networks(nets):
    # In evaluation mode: in training mode BatchNorm takes away whatever a bias before it adds.
    for growth in (0, 0.5, 1.5) if nets.grows else (None,):  # each size has ways in and out of its own
        for network in (nets.generator, nets.discriminator):
            if nets.grows:
                network.grow(growth)
        nets.discriminator(nets.generator(nets.z, nets.labels), nets.labels).sum().backward()
    for network in (nets.generator, nets.discriminator):
        idle = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
        assert idle <= biases_without_effect(network), "use these parameters in forward, or leave them out"


def test_dropout_acts_in_training_mode_only(nets):
    """Dropout of any kind, ours or PyTorch's, as strong as the argument says; or none at all."""
    assert torch.equal(nets.discriminator(nets.x, nets.labels), nets.discriminator(nets.x, nets.labels))
    drops = dropouts(nets.discriminator)
    if not drops:
        pytest.skip("no layer drops anything")
    assert {layer.p for layer in drops} == {0.25}, "give each dropout layer the argument `dropout`"
    for layer in drops:
        layer.train()
    assert not torch.equal(nets.discriminator(nets.x, nets.labels), nets.discriminator(nets.x, nets.labels))


def test_constructor_arguments_are_kept_and_can_be_read_off_the_weights(nets):
    assert nets.generator.config == nets.config, "pass the six arguments on to super().__init__"
    read = type(nets.generator).infer_config(nets.generator.state_dict())
    assert read == nets.config, "infer_config reads the six arguments off the shapes of the tensors"


def test_a_plain_state_dict_and_a_weight_file_are_recognised(nets, model, tmp_path):
    torch.save(nets.generator.state_dict(), tmp_path / "weights.pth")
    save_generator(nets.generator, tmp_path / "weights.safetensors")
    loaded = load_generator(tmp_path / "weights.pth", model=model)  # tensors of the same names may be another family's
    assert type(loaded) is type(load_generator(tmp_path / "weights.safetensors")) is type(nets.generator)
    assert torch.equal(loaded(nets.z, nets.labels), nets.generator(nets.z, nets.labels))


@pytest.mark.parametrize("size", [30, 20, 4])
def test_a_size_is_drawn_and_read_or_refused(model, size):
    family, labels = MODELS[model], torch.arange(4)
    with suppress(UserError):
        generator = family.generator(latent_dim=LATENT, image_size=size, base_channels=8).eval()
        images = generator(torch.randn(4, LATENT), labels)
        assert images.shape == (4, 1, size, size), "refuse sizes that you cannot draw: quarter(image_size) does"
    with suppress(UserError):
        read = family.discriminator(image_size=size, base_channels=8).eval()(torch.randn(4, 1, size, size), labels)
        assert read.shape == (4,), "refuse sizes that you cannot read: quarter(image_size) does"


@pytest.mark.parametrize("width", [0, 3, 6])
def test_a_width_whose_parts_would_be_lost_is_refused(model, width):
    with pytest.raises(UserError, match=f"base_channels {width} must be a multiple of 4"):
        MODELS[model].generator(base_channels=width, image_size=32)


@pytest.mark.parametrize(("model", "growth"), GROWTHS)
def test_penalties_are_for_networks_whose_slope_at_an_image_does_not_depend_on_the_others(model, growth):
    """In training mode, in which penalties are taken (Gulrajani et al. 2017, section 4)."""
    torch.manual_seed(0)
    discriminator = MODELS[model].discriminator(base_channels=8, image_size=16, dropout=0, **options(model)).train()
    if growth is not None:
        discriminator.grow(growth)
    x, labels = torch.randn(N, 1, 16, 16), torch.arange(N)
    # Copies, since spectral norm moves with every look
    together = input_gradient(deepcopy(discriminator), x, labels)[3]
    alone = input_gradient(deepcopy(discriminator), x[3:4], labels[3:4])[0]
    independent = torch.allclose(together, alone, rtol=1e-3, atol=1e-3 * alone.abs().max().item())
    assert [takes(model, penalty) for penalty in PENALTIES] == [independent] * len(PENALTIES), (
        "what looks at the other images of a batch in training must be PyTorch's BatchNorm, by which it is recognised"
    )


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("model", "growth"), GROWTHS)
def test_penalties_have_the_gradients_that_finite_differences_say(model, growth, penalty):
    """Second derivatives of the whole discriminator, in one random direction of its weights."""
    torch.manual_seed(0)
    discriminator = MODELS[model].discriminator(base_channels=4, image_size=16, **options(model)).eval().double()
    if growth is not None:
        discriminator.grow(growth)
    real, fake = torch.randn(2, 4, 1, 16, 16, dtype=torch.double)
    parameters = list(discriminator.parameters())
    direction = [torch.randn_like(p) for p in parameters]
    start = [p.detach().clone() for p in parameters]

    def value(shift):
        for p, old, d in zip(parameters, start, direction, strict=True):
            p.data = old + shift * d
        torch.manual_seed(1)  # the same points between reals and fakes
        return LOSSES[penalty].penalty(discriminator, real, fake, torch.arange(4))

    value(0).backward()
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, direction, strict=True) if p.grad is not None)
    step = 1e-8  # so small that no LeakyReLU changes its side: there the penalty jumps
    assert slope.abs() > 1e-4
    torch.testing.assert_close(slope, (value(step) - value(-step)).detach() / (2 * step), rtol=1e-5, atol=1e-7)


# --- losses


@pytest.fixture(params=LOSSES.values(), ids=LOSSES)
def loss(request):
    return request.param


def price(loss, side, real, fake):
    return loss.d(real, fake) if side == "D" else loss.g(fake, *[real] * loss.relative)


@pytest.mark.parametrize("side", "DG")
def test_losses_are_finite_scalars_wherever_the_logits_are(loss, side):
    for scale in (0, 1, 1e4, -1e4):
        value = price(loss, side, scale * torch.tensor([1.0, 2.0]), scale * torch.tensor([-1.0, 3.0]))
        assert value.shape == (), "average over the batch"
        assert value.isfinite(), "logits are unbounded: use F.softplus and its like in place of log and exp"


def test_losses_pull_the_logits_of_a_network_that_is_wrong_the_right_way(loss):
    low, high = torch.tensor([-100.0, -1.0, 0.0]), torch.tensor([100.0, 1.0, 0.5])
    real, fake = low.clone().requires_grad_(), high.clone().requires_grad_()  # the discriminator is wrong
    price(loss, "D", real, fake).backward()
    assert (real.grad < 0).all(), "the discriminator wants real logits higher …"
    assert (fake.grad > 0).all(), "… and fake ones lower"
    real, fake = high.clone().requires_grad_(), low.clone().requires_grad_()  # the generator is found out
    price(loss, "G", real, fake).backward()
    assert (fake.grad <= 0).all(), "the generator wants fake logits higher"
    assert fake.grad[1:].all(), "the generator learns nothing where it is found out"


# --- recipes


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_recipes_build_what_they_describe(recipe):
    assert RECIPES[recipe.name] is recipe, "two recipes have the same name"
    generator, discriminator = recipe.replace(base_channels=8, base_channels_d=8).build(num_classes=4, channels=3)
    assert generator.config == dict(
        latent_dim=recipe.latent_dim,
        num_classes=4,
        channels=3,
        image_size=recipe.image_size,
        embed_dim=recipe.embed_dim,
        base_channels=8,
    )
    assert {layer.p for layer in dropouts(discriminator)} <= {recipe.dropout}
    labels = torch.tensor([0, 3])
    assert discriminator.eval()(generator.eval()(torch.randn(2, recipe.latent_dim), labels), labels).shape == (2,)


@pytest.fixture(scope="session")
def small_digits():
    return load_data("digits", image_size=16)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(("model", "loss"), [pair for pair in product(MODELS, LOSSES) if takes(*pair)])
def test_every_model_trains_with_every_loss_that_it_takes_in_every_precision(model, loss, precision, small_digits):
    recipe = Recipe(
        "contract",
        model,
        loss=loss,
        precision=precision,
        image_size=16,
        latent_dim=LATENT,
        embed_dim=5,
        base_channels=8,
        base_channels_d=4,
        dropout=0.25,
        batch_size=8,
        ema=0.5,
        grow_every=4 if MODELS[model].grows else 0,
        auxiliary=0.5 if "auxiliary" in MODELS[model].options else 0,
        **options(model),
    )
    trainer = Trainer(recipe, small_digits)
    weights = [p for p in trainer.parameters_g + trainer.parameters_d if p.ndim > 1]
    before = [p.detach().clone() for p in weights]

    def any_has_not_moved(metrics):
        return any(torch.equal(p, old) for p, old in zip(weights, before, strict=True))

    trainer.fit(20, any_has_not_moved)  # growing takes its time, and so does finding the scale of fp16
    trainer.check_finite()
    assert all(p.dtype == torch.float32 for p in weights)
    assert not any_has_not_moved(None), "some weights never moved: use them in forward"


# --- data sets


@pytest.mark.parametrize("name", DATASETS)
def test_data_sets_come_from_torchvision_or_a_function_and_every_class_has_a_name(name):
    source, class_names = DATASETS[name]
    assert len(class_names) == len(set(class_names)), "two classes have the same name"
    if callable(source):
        for train in (True, False):
            images, labels = source(train)
            assert ImageData(name, images, labels, class_names).num_classes == len(labels.unique()), (
                "a class is missing"
            )
    else:
        assert len(getattr(datasets, source).classes) == len(class_names), "name every class, in order"
