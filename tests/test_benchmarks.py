"""The benchmarks run and measure what they say, on a scale that takes seconds."""

import itertools
import json
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import compare
import mlp_peer
import pytest
import service
import studio
import throughput
import torch
from test_data import write_files

from cgan_lib import RECIPES, evaluate, generate, get_recipe, load
from cgan_lib.evaluation import load_classifier, real_scores
from cgan_lib.evaluation.classifier import fingerprint
from cgan_lib.models import MODELS
from cgan_lib.models.layers import Clamp
from cgan_lib.sampling import latents

ROOT = Path(__file__).resolve().parents[1]
OURS = [name for name in RECIPES if not name.endswith("_published")]


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
    **dict(recipe="bce", minutes=5.0, steps=6400, seconds=300.1, images_per_second=1365.4, parameters=942_000),
    **dict(fid=23.79, precision=0.828, recall=0.674, coverage=0.689, as_requested=98.41, gan_train=96.32),
    diversity=0.89,
)


def results_of(*rows: dict) -> dict:
    real = {**ROW, "count": 10_000, "fid": 4.69}
    return dict(rows=list(rows), real=real, machine="2-core CPU", torch="2.15.0+cpu", python="3.12")


def test_the_readme_quotes_the_results_file():
    results = json.loads((ROOT / "benchmarks" / "results" / "compare.json").read_text())
    assert {row["recipe"] for row in results["rows"]} == {*RECIPES, "mlp_peer"}
    assert {row["minutes"] for row in results["rows"]} == {2, 5}
    assert {row["classifier"] for row in results["rows"]} == {fingerprint(load_classifier("mnist"))}
    assert compare.BEGIN + compare.readme_part(results) + compare.END in (ROOT / "README.md").read_text()
    assert {path.stem for path in (ROOT / "benchmarks" / "results" / "digits").iterdir()} == {*RECIPES, "mlp_peer"}


@pytest.mark.parametrize("benchmark", [service, studio], ids=lambda module: module.__name__)
def test_the_readme_quotes_the_measurements(benchmark):
    results = json.loads((ROOT / "benchmarks" / "results" / f"{benchmark.__name__}.json").read_text())
    assert benchmark.table(results["rows"]) in (ROOT / "README.md").read_text()
    assert results["machine"] == "2-core CPU"


def test_the_table_has_the_lowest_fid_first_and_real_images_last():
    results = results_of(ROW, {**ROW, "recipe": "spatial", "fid": 9.0}, {**ROW, "recipe": "late", "minutes": 2.0})
    header, rule, *rows = compare.table(results, 5.0).splitlines()
    assert header.count("|") == rule.count("|") == rows[0].count("|") == rows[-1].count("|")
    assert [row.split(" | ")[0] for row in rows] == ["| `spatial`", "| `bce`", "| *real images*"]
    assert rows[1] == "| `bce` | 6,400 | 1,365 | 0.94 M | 23.8 | 0.83 | 0.67 | 0.69 | 98.4% | 96.3% | 0.89 |"
    assert rows[2].startswith("| *real images* |  |  |  | 4.7 |")


def test_gan_train_has_no_column_where_nobody_measured_it():
    table = compare.table(results_of({**ROW, "gan_train": None}), 5.0)
    assert "GAN-train" not in table
    assert "GAN-test" in table


def test_the_tables_in_a_readme_are_replaced_and_nothing_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{compare.BEGIN}old{compare.END}\nafter\n")
    compare.write_readme(results_of(ROW), readme)
    written = readme.read_text()
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written
    assert "After 5 minutes of training each, on a 2-core CPU, torch 2.15.0, 10,000 images:" in written
    compare.write_readme(results_of(ROW), readme)
    assert readme.read_text() == written


@pytest.fixture
def small(tmp_path, monkeypatch, tiny):
    """The comparison on the embedded digits, with tiny networks and few images, writing below tmp_path."""
    module = import_module("cgan_lib.evaluation.classifier")
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "LEAST_STEPS", 5)
    (tmp_path / "README.md").write_text(compare.BEGIN + compare.END)
    for name in ("ROOT", "RESULTS", "GALLERY"):
        monkeypatch.setattr(compare, name, tmp_path)
    monkeypatch.setattr(compare, "COUNT", 100)
    monkeypatch.setattr(compare, "load", lambda name, **options: load("digits", **options))
    monkeypatch.setattr(compare, "evaluate", partial(evaluate, dataset="digits"))
    monkeypatch.setattr(compare, "real_scores", partial(real_scores, "digits"))
    monkeypatch.setattr(compare, "get_recipe", lambda name: get_recipe(name, **tiny))
    return tmp_path


def run_compare(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["compare.py", *arguments])
    compare.main()


def test_every_recipe_is_measured_at_each_stop_and_replaces_its_own_rows_only(small, monkeypatch, capsys):
    run_compare(monkeypatch, "bce", "spatial", "--minutes", "0.02", "0.01")
    rows = json.loads((small / "compare.json").read_text())["rows"]
    assert [(row["recipe"], row["minutes"]) for row in rows] == [
        *(("bce", 0.01), ("bce", 0.02)),
        *(("spatial", 0.01), ("spatial", 0.02)),
    ]
    for early, late in (rows[:2], rows[2:]):
        assert 0 < early["steps"] < late["steps"]
        assert early["seconds"] == pytest.approx(0.6, abs=0.4)
        assert late["seconds"] == pytest.approx(1.2, abs=0.4)
        assert late["images_per_second"] == pytest.approx(8 * late["steps"] / late["seconds"], rel=0.1)
        assert early["gan_train"] is None
        assert 0 <= late["gan_train"] <= 100
        assert late["count"] == 100
    assert "`spatial`" in capsys.readouterr().out
    assert "After 0.02 minutes" in (small / "README.md").read_text()
    assert (small / "compare.png").is_file()
    run_compare(monkeypatch, "bce", "--minutes", "0.03")
    again = json.loads((small / "compare.json").read_text())["rows"]
    assert [row for row in again if row["recipe"] == "spatial"] == rows[2:]
    assert [row["minutes"] for row in again if row["recipe"] == "bce"] == [0.03]


def test_the_same_minutes_train_further_not_anew(small):
    seen = []
    recipe = compare.get_recipe("bce")
    compare.train_ours(recipe, [0.2, 0.4], lambda generator, steps, seconds: seen.append((generator, steps, seconds)))
    assert seen[0][0] is seen[1][0]
    assert seen[0][1] < seen[1][1]
    assert seen[0][2] < seen[1][2] == pytest.approx(0.4, abs=0.2)


def test_full_trains_the_epochs_of_the_recipe(small, monkeypatch, tiny):
    few = partial(get_recipe, **(tiny | dict(batch_size=750, epochs=3)))
    monkeypatch.setattr(compare, "get_recipe", few)
    run_compare(monkeypatch, "bce", "mlp_peer", "--full")
    (row,) = json.loads((small / "compare_full.json").read_text())["rows"]
    assert (row["recipe"], row["minutes"], row["steps"]) == ("bce", None, 6)
    assert row["gan_train"] is not None
    assert (small / "README.md").read_text() == compare.BEGIN + compare.END


@pytest.mark.usefixtures("mnist")
def test_the_tutorial_design_trains_plainly_and_draws(monkeypatch):
    monkeypatch.setattr(compare, "MLP", compare.MLP.replace(batch_size=8))
    seen = []
    compare.train_plainly([0.3, 0.6], lambda generator, steps, seconds: seen.append((steps, seconds)))
    assert 0 < seen[0][0] < seen[1][0]
    assert seen[1][1] == pytest.approx(0.6, abs=0.3)
    generator = mlp_peer.Generator()
    before = [p.clone() for p in generator.parameters()]
    steps = throughput.plain_steps(compare.MLP, torch.device("cpu"), (generator, mlp_peer.Discriminator()))
    losses = list(itertools.islice(steps, 2))
    assert torch.tensor(losses).isfinite().all()
    assert all(not torch.equal(a, b) for a, b in zip(before, generator.parameters(), strict=True))
    assert generate(generator, [3, 4]).shape == (2, 1, 32, 32)
