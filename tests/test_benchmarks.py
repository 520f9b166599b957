"""The benchmarks run and measure what they say, on a scale that takes seconds."""

import itertools
import json
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import augment
import browser
import compare
import diagnose
import large_data
import mlp_peer
import numpy as np
import own_data
import pytest
import service
import studio
import throughput
import torch
from test_data import write_files
from torch import nn

from cgan_lib import RECIPES, evaluate, generate, get_recipe, load_data
from cgan_lib.course.lab import FAULTS
from cgan_lib.evaluation import load_classifier, real_scores
from cgan_lib.evaluation.classifier import fingerprint
from cgan_lib.models import MODELS
from cgan_lib.models.layers import Clamp
from cgan_lib.runs.diagnose import HEALTHY
from cgan_lib.sampling import latents

ROOT = Path(__file__).resolve().parents[1]
TABLES = {"README.md": compare.short_table, "docs/measurements.md": compare.all_tables}
OURS = sorted(compare.OURS)


@pytest.fixture
def mnist(home, monkeypatch):
    """Thirty images of noise in the files of MNIST."""
    write_files(home / "images")
    monkeypatch.setenv("CGAN_DATA", str(home / "images"))


@pytest.mark.parametrize("model", MODELS)
def test_the_plain_networks_are_the_same_networks_from_plain_layers(model):
    recipe = next(recipe for recipe in RECIPES.values() if recipe.model == model)
    recipe = recipe.replace(base_channels=8, base_channels_d=8)
    ours, ours_d = (network.eval() for network in recipe.build())
    plain, plain_d = (throughput.as_tutorials_do(network).eval() for network in recipe.build())
    z, labels = latents(4, recipe.latent_dim), torch.arange(4)
    torch.testing.assert_close(plain(z, labels), ours(z, labels))
    x = torch.zeros(4, 1, recipe.image_size, recipe.image_size)
    assert plain_d(x, labels).shape == ours_d(x, labels).shape
    leaves = [layer for net in (plain, plain_d) for layer in net.modules() if not list(layer.children())]
    own = {type(layer) for layer in leaves if not type(layer).__module__.startswith("torch.")}
    assert own <= {Clamp}  # its gradient is its own: PyTorch ships no such layer


@pytest.mark.parametrize("name", OURS)
@pytest.mark.usefixtures("mnist")
def test_both_ways_train_every_recipe(name):
    recipe = get_recipe(name, batch_size=8, base_channels=8, base_channels_d=8, penalty_every=2, precision="fp32")
    cpu = torch.device("cpu")
    for losses in itertools.islice(throughput.plain_steps(recipe, cpu), 5):  # three steps make an epoch of 30 images
        assert torch.tensor(losses).isfinite().all()
    steps = list(itertools.islice(throughput.our_steps(recipe.replace(log_every=2), cpu), 4))
    assert [step is None for step in steps] == [False, True, False, True]


def plain(networks: tuple[nn.Module, nn.Module], **changes) -> Iterator[tuple[float, float]]:
    """Steps of the plain way, every one of them on all thirty images."""
    recipe = get_recipe("bce", batch_size=30, precision="fp32").replace(**changes)
    return throughput.plain_steps(recipe, torch.device("cpu"), networks)


@pytest.fixture
def two_networks(mnist) -> tuple[nn.Module, nn.Module]:
    return get_recipe("bce", base_channels=8, base_channels_d=8).build()


def test_the_plain_way_moves_both_networks(two_networks):
    before = [[p.clone() for p in network.parameters()] for network in two_networks]
    next(plain(two_networks))
    for network, old in zip(two_networks, before, strict=True):
        assert all(not torch.equal(p, q) for p, q in zip(network.parameters(), old, strict=True))


def test_the_plain_way_teaches_an_auxiliary_classifier(mnist):
    recipe = get_recipe("speedrun", batch_size=8, base_channels=8, base_channels_d=8, precision="fp32")
    generator, discriminator = recipe.build()
    before = discriminator.head.classifier.weight.clone()
    next(throughput.plain_steps(recipe, torch.device("cpu"), (generator, discriminator)))
    assert not torch.equal(discriminator.head.classifier.weight, before)


def test_the_plain_way_forgets_the_gradients_of_the_step_before(two_networks):
    steps = plain(two_networks, lr=1e-30)  # nothing moves, so that equal draws have equal gradients
    gradients = []
    for _ in range(2):
        torch.manual_seed(0)
        next(steps)
        gradients.append([p.grad.clone() for p in two_networks[0].parameters()])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("loss", "passes"), [("bce", 3), ("hinge", 3), ("relativistic", 4)])
def test_the_plain_way_looks_at_the_reals_again_only_for_a_relative_loss(two_networks, loss, passes):
    counted = []
    two_networks[1].register_forward_hook(lambda *_: counted.append(1))
    no_penalty = dict(penalty_weight=0.0, penalty_every=2) if loss == "relativistic" else {}
    next(plain(two_networks, loss=loss, **no_penalty))
    assert len(counted) == passes


@pytest.mark.usefixtures("mnist")
def test_the_comparison_takes_turns_and_gives_medians(monkeypatch):
    turns, clock = [], {"plain": [9.0, 9.0, 0.004, 0.006, 0.008], "ours": [9.0, 9.0, 0.002, 0.002, 0.001]}
    monkeypatch.setattr(throughput, "plain_steps", lambda *_: "plain")
    monkeypatch.setattr(throughput, "our_steps", lambda *_: "ours")

    def time_turn(steps, device):
        turns.append(steps)
        return clock[steps].pop(0)

    monkeypatch.setattr(throughput, "time_turn", time_turn)
    result = throughput.compare(get_recipe("bce"), torch.device("cpu"), rounds=3)
    assert turns == ["plain", "ours"] * 5
    assert result == pytest.approx(dict(plain=6, ours=2, ratio=3))  # the first two turns are warm-up


# --- compare.py


ROW = dict(
    **dict(recipe="bce", seed=0, minutes=5.0, steps=6400, seconds=300.1, images_per_second=1365.4, parameters=942_000),
    **dict(fid=23.79, precision=0.828, recall=0.674, coverage=0.689, as_requested=98.41, gan_train=96.32),
    diversity=0.89,
)
AGAIN = {**ROW, "seed": 1, "seconds": None, "images_per_second": None, "fid": 25.79}


def results_of(*rows: dict) -> dict:
    real = {**ROW, "count": 10_000, "fid": 4.69}
    return dict(rows=list(rows), real=real, machine="2-core CPU", torch="2.15.0+cpu", python="3.12")


def test_readme_and_docs_quote_the_results_file():
    results = json.loads((ROOT / "benchmarks" / "results" / "compare.json").read_text())
    assert {row["recipe"] for row in results["rows"]} == {*compare.COMPARED, "mlp_peer"}
    assert {row["minutes"] for row in results["rows"]} == {2, 5}
    assert {row["classifier"] for row in results["rows"]} == {fingerprint(load_classifier("mnist"))}
    for path, part in TABLES.items():
        assert compare.BEGIN + part(results) + compare.END in (ROOT / path).read_text()
    assert {path.stem for path in (ROOT / "benchmarks" / "results" / "digits").iterdir()} == {
        *compare.COMPARED,
        "mlp_peer",
    }


@pytest.mark.parametrize("benchmark", [browser, service, studio, throughput], ids=lambda module: module.__name__)
def test_the_docs_quote_the_measurements(benchmark):
    results = json.loads((ROOT / "benchmarks" / "results" / f"{benchmark.__name__}.json").read_text())
    assert benchmark.table(results["rows"]) in (ROOT / "docs" / "measurements.md").read_text()
    assert results["machine"] == "2-core CPU"


def test_the_table_has_the_lowest_fid_first_and_real_images_last():
    late = {**ROW, "recipe": "late", "minutes": 2.0}
    results = results_of(AGAIN, ROW, {**ROW, "recipe": "spatial", "fid": 24.0}, late)
    header, rule, *rows = compare.table(results, 5.0).splitlines()
    assert header.count("|") == rule.count("|") == rows[0].count("|") == rows[-1].count("|")
    assert [row.split(" | ")[0] for row in rows] == ["| `spatial`", "| `bce`", "| *real images*"]  # by the mean
    assert rows[1] == (
        "| `bce` | 2 | 6,400 | 1,365 | 0.94 M | 24.8 ± 1.4 | 0.83 ± 0.00 | 0.67 ± 0.00 | 0.69 ± 0.00 | 98.4 ± 0.0 "
        "| 96.3 ± 0.0 | 0.89 ± 0.00 |"
    )
    assert rows[0].startswith("| `spatial` | 1 | 6,400 | 1,365 | 0.94 M | 24.0 | 0.83 |")
    assert rows[2].startswith("| *real images* |  |  |  |  | 4.7 |")


def test_gan_train_has_no_column_where_nobody_measured_it():
    table = compare.table(results_of({**ROW, "gan_train": None}), 5.0)
    assert "GAN-train" not in table
    assert "GAN-test" in table


def test_the_short_table_has_our_settings_alone():
    text = compare.short_table(results_of(AGAIN, ROW, {**ROW, "recipe": "bce_published"}))
    assert [line for line in text.splitlines() if line.startswith(("| `", "| *"))] == [
        "| `bce` | 24.8 ± 1.4 | 0.69 ± 0.00 | 98.4 ± 0.0% |",
        "| *real images* | 4.7 | 0.69 | 98.4% |",
    ]


def test_the_tables_in_a_file_are_replaced_and_nothing_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{compare.BEGIN}old{compare.END}\nafter\n")
    compare.write_part(readme, compare.all_tables(results_of(ROW)))
    written = readme.read_text()
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written
    assert "After 5 minutes of training each, on a 2-core CPU, torch 2.15.0, 10,000 images:" in written
    compare.write_part(readme, compare.all_tables(results_of(ROW)))
    assert readme.read_text() == written


@pytest.fixture
def small(tmp_path, monkeypatch, tiny):
    """The comparison on the embedded digits, with tiny networks and few images, writing below tmp_path."""
    module = import_module("cgan_lib.evaluation.classifier")
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "LEAST_STEPS", 5)
    (tmp_path / "docs").mkdir()
    for path in TABLES:
        (tmp_path / path).write_text(compare.BEGIN + compare.END)
    for name in ("ROOT", "RESULTS", "GALLERY"):
        monkeypatch.setattr(compare, name, tmp_path)
    monkeypatch.setattr(compare, "COUNT", 100)
    monkeypatch.setattr(compare, "load_data", lambda name, **options: load_data("digits", **options))
    monkeypatch.setattr(compare, "evaluate", partial(evaluate, dataset="digits"))
    monkeypatch.setattr(compare, "real_scores", partial(real_scores, "digits"))
    monkeypatch.setattr(compare, "get_recipe", lambda name: get_recipe(name, **tiny))
    return tmp_path


def run_compare(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["compare.py", *arguments])
    compare.main()


def rows_in(folder: Path) -> list[dict]:
    return json.loads((folder / "compare.json").read_text())["rows"]


def test_every_recipe_is_measured_at_each_stop_and_replaces_its_own_rows_only(small, monkeypatch, capsys):
    run_compare(monkeypatch, "bce", "spatial", "--minutes", "0.02", "0.01", "--seeds", "1")
    rows = rows_in(small)
    assert [(row["recipe"], row["minutes"]) for row in rows] == [
        *(("bce", 0.01), ("bce", 0.02)),
        *(("spatial", 0.01), ("spatial", 0.02)),
    ]
    for early, late in (rows[:2], rows[2:]):
        assert 0 < early["steps"] < late["steps"]
        assert 0.6 <= early["seconds"] < late["seconds"] >= 1.2
        assert late["images_per_second"] == pytest.approx(8 * late["steps"] / late["seconds"], rel=0.1)
        assert early["gan_train"] is None
        assert 0 <= late["gan_train"] <= 100
        assert late["count"] == 100
    assert "`spatial`" in capsys.readouterr().out
    assert "After 0.02 minutes" in (small / "docs" / "measurements.md").read_text()
    assert (small / "compare.png").is_file()
    run_compare(monkeypatch, "bce", "--minutes", "0.03", "--seeds", "1")
    assert [row for row in rows_in(small) if row["recipe"] == "spatial"] == rows[2:]
    assert [row["minutes"] for row in rows_in(small) if row["recipe"] == "bce"] == [0.03]


def test_further_seeds_train_as_many_steps_as_the_first_one_took(small, monkeypatch):
    run_compare(monkeypatch, "bce", "--minutes", "0.005", "0.01", "--seeds", "1")
    first = rows_in(small)
    run_compare(monkeypatch, "bce", "--further", "--seeds", "3")
    rows = rows_in(small)
    assert rows[:2] == first
    assert [(row["seed"], row["steps"]) for row in rows[2:]] == [
        (seed, row["steps"]) for seed in (1, 2) for row in first
    ]
    assert {row["seconds"] for row in rows[2:]} == {None}
    assert len({row["fid"] for row in rows if row["minutes"] == 0.01}) == 3
    assert "±" in (small / "docs" / "measurements.md").read_text()
    trained = []
    monkeypatch.setattr(compare, "train", lambda *arguments: trained.append(arguments))
    run_compare(monkeypatch, "bce", "--further", "--seeds", "3")  # none is missing
    assert not trained


def test_generators_are_kept_and_can_be_measured_again(small, monkeypatch):
    run_compare(monkeypatch, "bce", "--minutes", "0.01", "--seeds", "1")
    before = rows_in(small)
    run_compare(monkeypatch, "bce", "--measure")
    assert rows_in(small) == before
    monkeypatch.setattr(compare, "COUNT", 200)
    run_compare(monkeypatch, "bce", "--measure")
    (row,) = rows_in(small)
    assert row["count"] == 200
    assert row["fid"] != before[0]["fid"]
    assert {key: row[key] for key in ("seed", "steps", "seconds")} == {
        key: before[0][key] for key in ("seed", "steps", "seconds")
    }


def test_a_later_stop_trains_further_not_anew(small):
    seen = []
    stops = [compare.after_steps(3), compare.after_seconds(0.2)]
    recipe = compare.get_recipe("bce")
    compare.train_ours(recipe, stops, lambda generator, steps, seconds: seen.append((generator, steps, seconds)))
    (early, three, _), (late, more, seconds) = seen
    assert early is late
    assert three == 3 < more
    assert seconds >= 0.2


def test_full_trains_the_epochs_of_the_recipe(small, monkeypatch, tiny):
    few = partial(get_recipe, **(tiny | dict(batch_size=750, epochs=3)))
    monkeypatch.setattr(compare, "get_recipe", few)
    run_compare(monkeypatch, "bce", "mlp_peer", "--full")
    (row,) = json.loads((small / "compare_full.json").read_text())["rows"]
    assert (row["recipe"], row["minutes"], row["steps"]) == ("bce", None, 6)
    assert row["gan_train"] is not None
    assert all((small / path).read_text() == compare.BEGIN + compare.END for path in TABLES)


@pytest.mark.usefixtures("mnist")
def test_the_tutorial_design_trains_plainly_and_draws():
    seen = []
    recipe = compare.MLP.replace(batch_size=8)
    stops = [compare.after_steps(2), compare.after_steps(5)]
    compare.train_plainly(recipe, stops, lambda generator, steps, seconds: seen.append((generator, steps, seconds)))
    assert [steps for _, steps, _ in seen] == [2, 5]
    assert seen[0][2] < seen[1][2]
    assert generate(seen[1][0], [3, 4]).shape == (2, 1, 32, 32)
    networks = mlp_peer.Generator(), mlp_peer.Discriminator()
    before = [p.clone() for network in networks for p in network.parameters()]
    next(throughput.plain_steps(recipe, torch.device("cpu"), networks))
    after = [p for network in networks for p in network.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


# --- diagnose.py


def test_every_fault_is_diagnosed_on_five_seeds_and_healthy_are_runs_of_every_recipe():
    rows = list(diagnose.planned(diagnose.SEEDS, diagnose.HEALTHY_SEEDS))
    causes = [cause for cause, *_ in rows]
    assert causes.count(HEALTHY) == 20
    assert {causes.count(cause) for cause in FAULTS} == {5}
    assert set(RECIPES) - {name for name in RECIPES if name.endswith("_published")} == set(diagnose.RECIPE_STEPS)
    assert len({row[:3] for row in rows}) == len(rows)


def test_the_diagnoses_go_on_where_they_were_interrupted(tmp_path, monkeypatch):
    made = []

    def run(cause):
        made.append(cause)
        return SimpleNamespace(history=lambda: {})

    runs = [("high_rate", "lab", 1, lambda: run("high_rate")), ("healthy", "lab", 1, lambda: run("healthy"))]
    monkeypatch.setattr(diagnose, "planned", lambda *_: iter(runs))
    for _ in range(2):
        rows = diagnose.measure(tmp_path / "rows.json")
        assert made == ["high_rate", "healthy"]
        assert [row["found"] for row in rows] == ["cannot tell"] * 2


def test_the_table_of_diagnoses_counts_what_runs_were_called():
    rows = [
        dict(cause=cause, found=found, seed=seed, trained="lab", reason="")
        for seed, (cause, found) in enumerate(
            [("healthy", "healthy"), ("healthy", "minimax"), ("minimax", "minimax"), ("minimax", "healthy")]
        )
    ]
    table = diagnose.table([*rows, dict(rows[2], seed=9)])
    assert "| minimax | minimax 2, healthy 1 |" in table
    assert "2 of 3 faults named rightly; 1 of 2 healthy runs accused." in table


def test_the_stored_diagnoses_meet_their_bar():
    right, faulty, accused, healthy = diagnose.shares(json.loads(diagnose.RESULTS.read_text("utf-8")))
    assert (faulty, healthy) == (5 * len(FAULTS), 20)
    assert right >= 0.9 * faulty
    assert accused == 0


# --- data of all kinds


@pytest.mark.parametrize("kind", large_data.KINDS)
def test_pictures_of_every_kind_are_loaded_as_they_were_made(home, kind, monkeypatch):
    monkeypatch.setattr(large_data, "CHUNK", 20)
    monkeypatch.setattr(large_data, "BATCH", 8)
    path = large_data.make(kind, home / kind, 40, 16)
    measured = large_data.measure_here("load", str(path), 16)
    assert measured["seconds"] > 0
    assert measured["bytes"] >= 0
    data = load_data(str(path), image_size=16)
    assert sorted(data.labels.tolist()) == sorted(list(range(10)) * 3)
    made = np.concatenate([large_data.pictures(start, 16) for start in (0, 20)]).mean((1, 2)).round()
    near = torch.cdist(data.images.float().mean((2, 3)), torch.from_numpy(made).float()).min(1).values
    assert near.max() < 3  # JPEG changes colours a little


def test_photographs_are_of_three_classes_in_many_formats(home, monkeypatch):
    monkeypatch.setattr(own_data, "A_CLASS", 12)
    folder = own_data.make_photos(home / "photos")
    assert {path.suffix[1:] for path in folder.rglob("*.*")} == set(own_data.SUFFIXES)
    data = load_data(str(folder), image_size=16)
    assert data.labels.bincount().tolist() == [10] * 3
    assert data.channels == 3


@pytest.mark.filterwarnings("ignore:FID of", "ignore:digits has only")
def test_a_set_has_its_scores_beside_those_of_real_images(home, monkeypatch):
    monkeypatch.setattr(own_data, "RESULTS", home / "own_data.json")
    row = own_data.measure("digits", 28, 0.0, 100)
    assert (row["steps"], row["images"], row["classes"], row["held_out"]) == (1, 1500, 10, None)
    assert 0 <= row["fakes"]["coverage"] < row["real"]["coverage"] <= 1
    assert any("FID of" in warning for warning in row["warnings"])
    missing = own_data.measure("cifar10", 32, 0.0, 100)
    for each in (row, missing, row):
        own_data.keep(each, {"machine": "a test"})
    kept = json.loads((home / "own_data.json").read_text("utf-8"))["rows"]
    assert [each["dataset"] for each in kept] == ["digits", "cifar10"]
    table = own_data.table([row, missing])
    assert "| digits, 28×28 | 10 | 1,500 | 1 |" in table
    assert "| cifar10 | not at hand |" in table


@pytest.mark.filterwarnings("ignore:FID of", "ignore:digits has only")
def test_few_pictures_are_compared_with_and_without_augmentation(home, monkeypatch, digits):
    monkeypatch.setattr(augment, "COUNT", 100)
    monkeypatch.setattr(augment, "SETS", ("digits",))
    monkeypatch.setattr(augment, "RESULTS", home / "augment.json")
    few, test = digits.take(slice(0, 80)), digits.take(slice(100, 200))
    rows = [augment.measure(few, test, each, 1, 0) for each in augment.AUGMENTS]
    for row in (*rows, rows[0]):
        augment.keep(row)
    assert len(json.loads((home / "augment.json").read_text("utf-8"))["rows"]) == 3
    assert all(row["copying"] > 0.5 and row["fid"] > row["real_fid"] for row in rows)
    lines = augment.table(rows).splitlines()
    assert [line.split(" | ")[1] for line in lines[2:5]] == ["none", *augment.AUGMENTS[1:]]
    assert augment.distance(few.images, few) == 0  # a copy is nowhere but where it is
