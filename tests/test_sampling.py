"""The same request gives the same images, and a request that cannot be met says so."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, truncnorm
from torch import nn

from cgan_lib import UserError, generate
from cgan_lib.data import ImageData
from cgan_lib.models import MODELS
from cgan_lib.sampling import blend, check_labels, grid_inputs, latents, real_grid, tile


@pytest.fixture(params=MODELS)
def generator(request):
    torch.manual_seed(0)
    return MODELS[request.param].generator(latent_dim=6, num_classes=4, channels=3, base_channels=8)


def test_one_image_for_each_label_the_same_for_the_same_seed(generator):
    images = generate(generator, [3, 3, 0], seed=5)
    size = generator.config["image_size"]
    assert images.shape == (3, 3, size, size)
    assert images.dtype == torch.uint8
    assert not images.requires_grad
    assert torch.equal(generate(generator, [3, 3, 0], seed=5), images)
    assert not torch.equal(generate(generator, [3, 3, 0], seed=6), images)
    z = latents(3, 6, seed=5)
    for given in (z, z.double(), z.numpy(), z.tolist(), z.clone().requires_grad_()):
        assert torch.equal(generate(generator, [3, 3, 0], z=given), images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_and_latents_of_another_precision_make_nearly_the_same_images(generator, dtype):
    generator.eval()
    z, weights = latents(3, 6, seed=1), torch.eye(4)[:3]
    expected = generate(generator, [0, 1, 2], z=z).int()
    assert (generate(generator, [0, 1, 2], z=z.to(dtype)).int() - expected).abs().max() <= 4
    converted = generator.to(dtype)
    for labels in ([0, 1, 2], weights):
        images = generate(converted, labels, z=z)
        assert images.dtype == torch.uint8
        assert (images.int() - expected).abs().float().mean() < 2
    assert {parameter.dtype for parameter in converted.parameters()} == {dtype}


@pytest.mark.parametrize("training", [True, False])
def test_the_generator_and_the_random_state_are_left_as_they_were(generator, training):
    generator.train(training)
    frozen = next(layer for layer in generator.modules() if not list(layer.children()))
    frozen.train(not training)  # one layer is in another mode than the rest
    modes = [layer.training for layer in generator.modules()]
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    state = torch.random.get_rng_state()
    generate(generator, [0, 1, 2])
    with pytest.raises(RuntimeError, match="out of order"):
        generate(OutOfOrder(generator), [0, 1, 2])
    assert [layer.training for layer in generator.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


class OutOfOrder(nn.Module):
    """Asks for random numbers, then raises."""

    def __init__(self, generator):
        super().__init__()
        self.generator, self.config = generator, generator.config

    def forward(self, z, labels):
        torch.rand(5)
        raise RuntimeError("out of order")


def test_a_network_without_config_is_refused_by_name():
    network = nn.Linear(6, 4)
    for config in (None, {}, {"latent_dim": 6}):
        network.config = config
        with pytest.raises(UserError, match=r"^Linear has no `config` that says its latent_dim"):
            generate(network, [1])


def test_a_name_in_place_of_a_generator_is_told_what_loads_it():
    with pytest.raises(UserError, match=r"^'bce' names a generator: hand on load_generator\('bce'\)\.$"):
        generate("bce", [1])


def test_images_do_not_depend_on_the_batch_size(generator):
    labels = torch.arange(10) % 4
    few, many = (generate(generator, labels, batch_size=size).int() for size in (3, 250))
    assert len(few) == 10
    assert (few - many).abs().max() <= 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 4], "label 4 is no class: use 0 to 3"),
        ([-1], "label -1 is no class"),
        ([], "labels must be a list of classes"),
        (2, "labels must be a list of classes"),
        ([[1, 2]], "labels must be a list of classes"),
        ([[1], [2, 3]], "labels must be"),
        ("12", "labels must be"),
        (None, "labels must be"),
        ([1.0], "labels must be whole numbers"),
        ([True, False], "labels must be whole numbers"),
        (torch.ones(2, dtype=torch.complex64), "labels must be whole numbers"),
        ([2**70], "labels must be"),
    ],
    ids=str,
)
def test_labels_that_are_no_classes_are_an_error(labels, message):
    with pytest.raises(UserError, match=message):
        check_labels(labels, 4)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
def test_labels_may_be_of_any_integer_type(kind):
    for labels in ([2, 0], (2, 0), np.array([2, 0], kind), torch.tensor([2, 0], dtype=getattr(torch, kind))):
        checked = check_labels(labels, 3)
        assert checked.dtype == torch.int64
        assert checked.tolist() == [2, 0]
    with pytest.raises(UserError, match="label 3 is no class"):
        check_labels(np.array([2, 3], kind), 3)


@pytest.mark.parametrize(
    "lay",
    [
        lambda array: array[::-1],
        lambda array: array[::-1].astype(array.dtype.newbyteorder(">")),
        lambda array: list(torch.from_numpy(array[::-1].copy())),
    ],
    ids=["reversed", "big-endian", "rows"],
)
def test_arrays_may_lie_in_memory_in_any_way(generator, lay):
    labels, z = np.array([3, 1, 0]), np.random.default_rng(0).normal(size=(3, 6))
    expected = generate(generator, labels.tolist(), z=z).flip(0)
    assert torch.equal(generate(generator, lay(labels), z=lay(z)), expected)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None])
def test_a_batch_size_that_is_none_is_an_error(generator, batch_size):
    with pytest.raises(UserError, match=r"batch_size .* must be a whole number from 1 on"):
        generate(generator, [1], batch_size=batch_size)


@pytest.mark.parametrize(
    "values", [torch.zeros(3, 6, device="meta"), "abc", [["a"] * 6] * 3], ids=["meta", "text", "texts"]
)
def test_latents_without_numbers_are_an_error(generator, values):
    with pytest.raises(UserError, match="z must be 3 rows of 6 numbers"):
        generate(generator, [0, 1, 2], z=values)


@pytest.mark.parametrize("shape", [(2, 6), (3, 5), (6, 3), (3, 6, 1), (3,)], ids=str)
def test_latents_of_another_shape_are_an_error_that_says_which_is_needed(shape):
    generator = MODELS["bce"].generator(latent_dim=6, num_classes=4, base_channels=8)
    for z in (torch.zeros(shape), np.zeros(shape), torch.zeros(shape).tolist()):
        with pytest.raises(UserError, match=r"z has shape .* but 3 labels need \(3, 6\)"):
            generate(generator, [1, 2, 3], z=z)
    for z in ([[1.0], [2.0, 3.0]], "noise", [["a"] * 6] * 3):
        with pytest.raises(UserError, match="z must be 3 rows of 6 numbers"):
            generate(generator, [1, 2, 3], z=z)
    with pytest.raises(UserError, match="label 4 is no class: use 0 to 3"):
        generate(generator, [0, 4])


@pytest.mark.parametrize("seed", [-1, 2**63, 2**70, 1.0, "1", True, None])
def test_a_seed_that_is_none_is_an_error(seed):
    with pytest.raises(UserError, match=r"seed .* must be a whole number from 0 to 2\*\*63 - 1"):
        latents(2, 4, seed)


@pytest.mark.parametrize("seed", [2**63 - 1, np.int32(5)])
def test_seeds_may_be_large_and_of_any_integer_type(seed):
    assert torch.equal(latents(2, 4, seed), latents(2, 4, int(seed)))


@pytest.mark.parametrize(
    ("seed", "words"), [(0, [0, 0]), (7, [7, 0]), (2**31 - 1, [2**31 - 1, 0]), (2**40 + 5, [5, 2**8])]
)
def test_latents_are_the_frozen_stream_that_the_page_draws_too(seed, words):
    stream = np.random.RandomState(words).standard_normal(12).astype(np.float32).reshape(4, 3)
    assert np.array_equal(latents(4, 3, seed).numpy(), stream)
    assert torch.equal(latents(2, 3, seed), latents(4, 3, seed)[:2])  # the first ones of many are those of a few


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_images_that_are_not_finite_are_an_error_and_not_black(value):
    network = nn.Identity()  # shows its latents
    network.forward, network.config = lambda z, _: z.view(-1, 1, 2, 2), dict(latent_dim=4, num_classes=3)
    z = torch.zeros(300, 4)
    assert generate(network, [2] * 300, z=z).unique() == 128
    z[299, 3] = value
    with pytest.raises(UserError, match="gives numbers that are NaN or infinite, not images: check its weights and z"):
        generate(network, [2] * 300, z=z)


def test_latents_are_standard_normal():
    z = latents(500, 100, seed=1)
    assert z.shape == (500, 100)
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    assert z.abs().max() > 3.5


# --- truncated latents


@pytest.mark.parametrize("truncation", [0.1, 0.5, 1, 2.5])
def test_truncated_latents_are_distributed_as_a_normal_cut_off_there(truncation):
    z = latents(500, 100, seed=3, truncation=truncation)
    assert z.dtype == torch.float32
    assert z.abs().max() <= truncation
    assert z.abs().max() > 0.97 * truncation
    assert kstest(z.flatten().numpy(), truncnorm(-truncation, truncation).cdf).statistic < 0.01  # of 50,000


def test_truncated_latents_keep_the_order_of_those_of_the_seed_and_their_signs():
    whole, cut = latents(300, 20, seed=5), latents(300, 20, seed=5, truncation=0.7)
    order = whole.flatten().argsort()
    steps = cut.flatten()[order].diff()
    assert (steps >= 0).all()
    assert (steps > 0).float().mean() > 0.99
    assert torch.equal(whole.sign(), cut.sign())
    assert (cut.abs() <= whole.abs() + 1e-6).all()


@pytest.mark.parametrize("truncation", [0.2, 0.5, 1.0, 3.0])
def test_truncated_latents_move_continuously(truncation):
    before, after = (latents(100, 50, truncation=truncation + more) for more in (0, 0.001))
    assert 0 < (after - before).abs().max() < 0.0015


@pytest.mark.parametrize("truncation", [8, 100.0, float("inf")])
def test_a_large_truncation_changes_nothing(truncation):
    assert torch.allclose(latents(500, 100, seed=1, truncation=truncation), latents(500, 100, seed=1), atol=1e-5)


@pytest.mark.parametrize("truncation", [0, 0.0, -0.5, float("nan"), -float("inf"), "1"])
def test_a_truncation_that_is_not_positive_is_an_error(truncation):
    with pytest.raises(UserError, match="must be more than 0"):
        latents(2, 3, truncation=truncation)


# --- between classes


def test_class_weights_of_a_single_class_draw_that_class(generator):
    labels = torch.arange(12) % 4
    weights = torch.eye(4)[labels]
    assert (generate(generator, weights).int() - generate(generator, labels).int()).abs().max() <= 1
    assert torch.equal(generate(generator, weights.double()), generate(generator, weights))
    assert (generate(generator, weights, batch_size=5).int() - generate(generator, weights).int()).abs().max() <= 1


def test_mixtures_of_classes_lie_between_them(generator):
    z = latents(1, 6, seed=2).expand(5, -1)
    weights = blend(1, 3, torch.linspace(0, 1, 5), num_classes=4)
    generator.eval()
    with torch.inference_mode():  # as numbers: the steps of untrained generators are smaller than a grey level
        images = generator(z, weights)
    from_one, from_other = ((images - images[end]).square().mean((1, 2, 3)) for end in (0, 4))
    assert (from_one.diff() > 0).all()  # ever farther from the one
    assert (from_other.diff() < 0).all()  # and ever nearer to the other
    assert generate(generator, weights, z=z).shape == images.shape


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(2, 3), "class weights have 3 columns, but there are 4 classes"),
        (torch.ones(2, 5), "class weights have 5 columns"),
        ([[0.5, 0.5]], "class weights have 2 columns"),
        (torch.tensor([[0.5, 0.5, 0, float("nan")]]), "class weights must be finite"),
        (torch.tensor([[0, 0, 0, float("inf")]]), "class weights must be finite"),
        (torch.eye(4).long(), r"look one-hot: give classes, labels.argmax\(1\), or class weights, labels.float\(\)"),
        (torch.eye(4).bool(), "look one-hot"),
        (np.eye(4, dtype=np.uint8)[[2, 2, 1]], "look one-hot"),
        (torch.zeros(0, 4), "labels must be a list of classes"),
        (torch.ones(2, 4, 1), "labels must be a list of classes"),
        (torch.ones(4), "labels must be whole numbers"),
    ],
    ids=str,
)
def test_class_weights_that_are_none_are_an_error(weights, message):
    with pytest.raises(UserError, match=message):
        check_labels(weights, 4)


def test_class_weights_are_checked_and_given_back_as_float32():
    checked = check_labels([[0.25, 0.75], [1.0, 0.0]], 2)
    assert checked.dtype == torch.float32
    assert checked.tolist() == [[0.25, 0.75], [1, 0]]


# --- grids


def test_a_grid_has_a_class_in_each_row_and_a_latent_in_each_column():
    z, labels = grid_inputs(4, 6, seed=3)
    assert z.shape == (40, 6)
    assert labels.view(4, 10).tolist() == [[row] * 10 for row in range(4)]
    assert torch.equal(z.view(4, 10, 6), latents(10, 6, seed=3).expand(4, 10, 6))
    assert len(z.unique(dim=0)) == 10


def test_a_grid_of_a_class_without_real_images_is_an_error_that_names_it():
    data = ImageData("pets", torch.zeros(4, 1, 8, 8).byte(), torch.tensor([0, 2, 2, 0]), ("cat", "dog", "cow"))
    with pytest.raises(UserError, match=r"class 1 \(dog\) of pets has 0 images"):
        real_grid(data)


@pytest.mark.parametrize("count", [100, 8])  # 25 images of each class, and 2: fewer than a row is long
def test_rows_of_real_images_are_of_the_right_class(count):
    labels = torch.arange(count) % 4
    images = (labels * 50).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 3, 3).contiguous()
    images[:, 0, 0, 0] = torch.arange(count)  # tells the images of a class apart
    data = ImageData("numbered", images, labels, tuple("abcd"))
    grid = real_grid(data, seed=1)
    assert grid.shape == (40, 1, 3, 3)
    rows = grid.view(4, 10, 3, 3)
    assert rows[:, :, 1, 1].tolist() == [[row * 50] * 10 for row in range(4)]
    for row in rows[:, :, 0, 0]:
        assert len(row.unique()) == min(10, count // 4)
    assert torch.equal(real_grid(data, seed=1), grid)
    assert not torch.equal(real_grid(data, seed=2), grid)


@pytest.mark.parametrize(("count", "columns"), [(0, 10), (3, 0)])
def test_a_picture_of_nothing_is_an_error(count, columns):
    with pytest.raises(UserError, match="a picture needs images and columns"):
        tile(torch.zeros(count, 1, 8, 8, dtype=torch.uint8), columns)


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_coloured_pictures_with_grey_between_the_images(channels):
    images = torch.arange(12, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, channels, 4, 4).contiguous()
    picture = tile(images, columns=5)
    assert picture.shape == (3, 3 * 6 + 2, 5 * 6 + 2)
    assert (picture[:, 0] == 96).all()
    assert (picture[:, 2 + 6 : 6 + 6, 2 + 12 : 6 + 12] == 7).all()  # second row, third column
