"""The command line: what it prints, what it returns, and that a mistake writes nothing."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from importlib import import_module, metadata
from pathlib import Path
from urllib.error import URLError

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torchvision import datasets

from cgan_lib import RECIPES, UserError, evaluate, generate, get_recipe, load_generator, open_run, pretrained
from cgan_lib.attributes import joint_names
from cgan_lib.cli import COMMANDS, main
from cgan_lib.console import neighbour, program, quoted
from cgan_lib.data import DIGITS
from cgan_lib.evaluation import Scores
from cgan_lib.models import MODELS
from cgan_lib.paths import locate
from cgan_lib.weights import save_generator

SCORES = Scores(
    **dict(dataset="digits", count=100, real_count=100, seeds=1, classifier="0", confusion=((1,),)),
    **{field.name: 1.0 for field in fields(Scores) if field.type is float},
    **{field.name: (1.0,) for field in fields(Scores) if field.type == tuple[float, ...]},
)
TINY = "--dataset digits --batch-size 8 --base-channels 8 --base-channels-d 8 --precision fp32"
RUN = "logs/digits/bce/ci"  # the finished run; read from another working folder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # as outside of pytest


def command(line: str) -> int:
    return main(line.split())


@pytest.fixture(autouse=True)
def home(home, tmp_path, monkeypatch):
    """The home of this test; relative paths on the command line are relative to a folder beside it."""
    for name in ("work", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("CGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def weights(finished):
    """A weight file in the working folder."""
    (finished.folder / "generator.safetensors").rename("weights.safetensors")
    return "weights.safetensors"


@pytest.fixture
def refused(tmp_path, capsys, contents):
    """A function: run a command that must end with code 2 and nothing written; gives what it says on stderr."""

    def check(line: str) -> str:
        before = contents(tmp_path)
        assert command(line) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert contents(tmp_path) == before
        return printed.err

    return check


# --- help


@pytest.mark.parametrize(("line", "code"), [("--help", 0), ("-h", 0), ("", 2)])
def test_help_lists_the_commands(line, code, capsys):
    assert command(line) == code
    printed = capsys.readouterr().out
    assert all(re.search(rf"\W{name}  +\w", printed) for name in COMMANDS)


def test_the_list_of_commands_says_what_they_say_themselves():
    for name, does in COMMANDS.items():
        explained = import_module(f"cgan_lib.commands.{name}").command.__doc__
        assert set(re.findall(r"\w+", does.lower())) <= set(re.findall(r"\w+", explained.lower())), name


def test_the_version_is_that_of_the_package(capsys):
    assert command("--version") == 0
    assert capsys.readouterr().out == f"cgan_lib {metadata.version('cgan_lib')}\n"


@pytest.mark.parametrize(
    ("called", "on_path", "expected"),
    [
        ("bin/cgan", True, "cgan"),
        ("bin/cgan", False, "../bin/cgan"),
        ("site-packages/cgan_lib/__main__.py", True, "python -m cgan_lib"),
        ("site-packages/cgan_lib/__main__.py", False, "../bin/python -m cgan_lib"),
    ],
)
def test_the_program_names_itself_as_it_can_be_typed(called, on_path, expected, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("python", "cgan", "tensorboard"):
        (tmp_path / "bin" / name).touch(mode=0o755)
    monkeypatch.setattr("sys.argv", [str(tmp_path / called), "--help"])
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin") if on_path else "/nowhere")
    expected = expected.replace("..", str(tmp_path))
    assert program() == expected
    assert neighbour("tensorboard") == re.sub("(cgan|python).*", "tensorboard", expected)


@pytest.mark.parametrize("line", ["--help", *(f"{name} --help" for name in COMMANDS), "train bce --help"])
def test_help_fits_80_columns_but_for_its_first_line(line, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.argv", ["cgan"])
    assert command(line) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train", ["--run", "--profile", "--device", *RECIPES]),
        ("train dropout", ["--run", "--profile", "--lr", "--lr-halved-at", "Adam's learning rate", "0.0005", "504"]),
        ("recipes", ["table"]),
        ("info", ["RECIPE"]),
        ("generate", ["SOURCE", "--labels", "--out", "--count", "--seed"]),
        ("evaluate", ["SOURCE", "--dataset", "--count", "--seeds", "--full", "--inception", "--out", "10,000"]),
        ("export", ["SOURCE", "TARGET", ".onnx"]),
        ("serve", ["SOURCE", "--host", "--port", "8000"]),
    ],
)
def test_every_command_explains_its_options(line, expected, capsys):
    assert command(f"{line} --help") == 0
    printed = capsys.readouterr().out
    assert [word for word in expected if word not in printed] == []


def test_recipes_lists_every_recipe_and_the_profile(capsys):
    assert command("recipes") == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(RECIPES)]] == list(RECIPES)
    assert {"0.000112", "(0.037,"} < set(lines[1].split())
    assert "power 10" in next(line for line in lines if line.startswith("speedrun"))
    assert "profile in force: ci" in lines[-1]


@pytest.mark.parametrize("name", ["bce", "spatial_published"])
def test_info_prints_both_networks_with_their_parameters(name, capsys):
    assert command(f"info {name}") == 0
    printed = capsys.readouterr().out
    for title, network in zip(("generator", "discriminator"), RECIPES[name].build(), strict=True):
        assert f"{name}: {title}" in printed
        assert f"{sum(p.numel() for p in network.parameters()):,}" in printed


@pytest.fixture
def coloured():
    """A weight file of ten digits in three colours."""
    colours = {"digit": DIGITS, "colour": ("red", "green", "dark blue")}
    generator = get_recipe("bce", image_size=16, base_channels=8).build(30, 3, (10, 3))[0]
    generator.draws("coloured_digits", joint_names(colours), colours)
    save_generator(generator, "coloured.safetensors")
    return "coloured.safetensors"


def test_info_of_a_generator_names_its_classes(weights, coloured, capsys):
    assert command(f"info {weights}") == command(f"info {coloured}") == 0
    plain, attributes = capsys.readouterr().out.split("coloured: draws")
    assert "weights: draws digits, 28×28, 1 channel(s), 10 classes\n     0  0\n" in plain
    assert "--labels 0 4 9" in plain
    assert " coloured_digits, 16×16, 3 channel(s), 30 classes" in attributes
    assert "  colour: red, green, dark blue\n" in attributes
    assert "--labels 0,red '4,dark blue' '9,dark blue'" in attributes
    assert "coloured: generator" in attributes


# --- train


def test_train_trains_and_says_where_everything_is_and_what_can_be_done_with_it(home, capsys):
    assert command(f"train bce {TINY} --steps 4 --run first --lr 0.01") == 0
    run = open_run(home / "logs" / "digits" / "bce" / "first")
    assert (run.step, run.recipe.lr, run.recipe.batch_size) == (4, 0.01, 8)
    printed = capsys.readouterr().out
    assert "4 steps in" in printed
    assert "fake_images_steps_000004.png" in printed
    for line in ("sample grid", "loss curves", "run folder"):
        (place,) = re.findall(rf"{line} +(\S+)", printed)
        assert (home / place).exists()
    make_images, measure = re.findall(r"python -m cgan_lib (.*)", printed)
    assert command(make_images) == 0
    with Image.open("images.png") as picture:
        assert picture.size == (2 * (10 * 30 + 2), 2 * (30 + 2))
    assert command(measure) == 0
    assert "FID ↓" in capsys.readouterr().out


def test_nobody_is_told_to_ask_for_a_class_that_is_none(finished, monkeypatch, capsys):
    three = replace(finished, generator=MODELS["bce"].generator(num_classes=3, base_channels=8))
    monkeypatch.setattr("cgan_lib.commands.train.train", lambda *_, **__: three)
    assert command("train bce") == 0
    assert "--labels 0 1 2 --out" in capsys.readouterr().out
    three.generator.class_names = ("a pear", "-x", "ripe 'n' | red")
    assert command("train bce") == 0
    (labels,) = re.findall("--labels (.*) --out", capsys.readouterr().out)
    assert shlex.split(labels) == ["a pear", "1", "ripe 'n' | red"]


def test_train_twice_resumes(capsys):
    command(f"train bce {TINY} --steps 2")
    assert command(f"train --profile ci bce {TINY} --steps 4") == 0  # options of `train` may stand before the recipe
    assert f"{RUN} goes on from step 2." in capsys.readouterr().out


def test_divergence_ends_with_code_3_and_advice(capsys):
    assert command(f"train bce {TINY} --steps 20 --save-every 1 --lr 1e20") == 3
    advice = r"^error: .*became NaN or infinite at step .*Try a new run with lr="
    assert re.search(advice, capsys.readouterr().err, re.MULTILINE)


def test_the_stop_button_before_the_first_step_ends_with_code_130(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cgan_lib.commands.train.train", stopped)
    assert command("train bce") == 130
    assert capsys.readouterr().err == "Stopped.\n"


# --- generate


def test_generate_writes_images_and_labels_in_the_order_asked_for(weights):
    assert command(f"generate {weights} --labels 7 3 --count 3 --out new/digits.npz") == 0
    with np.load("new/digits.npz") as file:
        images, labels = file["images"], file["labels"]
    assert (images.shape, images.dtype) == ((6, 1, 28, 28), np.uint8)
    assert (labels.tolist(), labels.dtype) == ([7, 7, 7, 3, 3, 3], np.int64)
    assert np.array_equal(images, generate(load_generator(weights), [7, 7, 7, 3, 3, 3]).numpy())


@pytest.mark.parametrize("kind", ["png", "npz"])
def test_the_same_seed_writes_the_same_file_and_another_seed_another(weights, kind):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        command(f"generate {weights} --labels 1 2 --seed {seed} --out {name}.{kind}")
    a, b, c = (Path(f"{name}.{kind}").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_classes_are_asked_for_by_name(coloured, finished, capsys):
    for labels in (["7,red", "3 DARK BLUE", "0 green"], ["21", "3,2", "0,green"]):
        assert main(["generate", coloured, "--labels", *labels, "--out", "a.npz", "--force"]) == 0
        with np.load("a.npz") as file:
            assert file["labels"].tolist() == [21, 11, 1]
    assert main(["generate", coloured, "--labels", "*,red", "--out", "a.png"]) == 0
    with Image.open("a.png") as picture:
        assert picture.size == (2 * (10 * 18 + 2), 2 * 20)
    assert main(["generate", coloured, "--labels", "7", "--out", "b.png"]) == 2
    assert "'7' is a digit alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "count", "columns", "rows"), [("7 7 3", 1, 3, 1), ("1 2", 4, 4, 2), ("1 " * 12, 1, 10, 2)]
)
def test_pictures_have_a_row_for_each_label_or_all_in_a_row(weights, labels, count, columns, rows):
    assert command(f"generate {weights} --labels {labels} --count {count} --out a.png") == 0
    with Image.open("a.png") as picture:
        assert picture.size == (2 * (columns * 30 + 2), 2 * (rows * 30 + 2))


@pytest.mark.parametrize("name", pretrained())
def test_a_shipped_generator_is_known_by_its_name(name):
    assert command(f"generate {name} --labels 0 1 2 3 4 5 6 7 8 9 --out a.npz") == 0
    with np.load("a.npz") as file:
        assert np.array_equal(file["images"], generate(load_generator(name), list(range(10))).numpy())


# --- evaluate


def plain(values):
    """Scores as they come back from a JSON file, to nine digits: where a sum lies in memory may change the last one."""
    return json.loads(json.dumps(values), parse_float=lambda number: float(f"{float(number):.9g}"))


def kept_in(path):
    """The scores in a file, to nine digits."""
    return plain(json.loads(Path(path).read_text()))


def test_evaluate_prints_the_scores_of_a_run_and_keeps_them_in_its_folder(home, finished, capsys):
    assert command(f"evaluate {RUN}") == 0
    scores = evaluate(finished.generator, "digits")
    place = f"{RUN}/scores_steps_000040_images_000200.json"
    assert capsys.readouterr().out == f"{scores.table()}\n{place}\n"
    assert kept_in(home / place) == {"source": RUN, **plain(scores.to_dict())}
    assert (scores.count, scores.seeds, scores.gan_train) == (200, 1, None)


def test_evaluate_measures_a_weight_file_as_it_is_asked_to(home, weights, finished, capsys):
    line = f"evaluate {weights} --dataset digits --count 110 --seeds 2"
    assert command(line) == 0
    scores = evaluate(finished.generator, "digits", count=110, seeds=2)
    place = Path("weights_scores_images_000110.json").resolve()
    assert capsys.readouterr().out == f"{scores.table()}\n{place}\n"
    assert kept_in(place) == {"source": weights, **plain(scores.to_dict())}
    assert scores.deviation
    assert command(f"{line} --out new/mine.json") == 0
    assert kept_in("new/mine.json") == kept_in(place)


def test_a_run_its_weight_file_and_its_published_folder_have_one_score(finished, capsys):
    command(f"export {RUN} published")
    weight_file = finished.folder / "generator.safetensors"
    by_command = []
    for source in (RUN, str(weight_file), "published", "published/digits_cgan_generator.pth"):
        capsys.readouterr()
        assert command(f"evaluate {source}") == 0
        *table, place = capsys.readouterr().out.splitlines()
        assert table[-1].startswith("200 images beside 200 test images of digits; classifier ")
        by_command.append(kept_in(locate(place)) | {"source": None})
    generators = (finished.generator, load_generator(weight_file), load_generator("published"))
    by_library = [plain(evaluate(generator).to_dict()) | {"source": None} for generator in generators]
    assert all(scores == by_library[0] for scores in (*by_library, *by_command))


def test_each_weight_file_has_scores_of_its_own_beside_it(home, weights, monkeypatch, capsys):
    monkeypatch.setattr("cgan_lib.commands.evaluate.evaluate", lambda *_, **__: SCORES)
    for folder in ("one", "two"):
        Path(folder).mkdir()
        shutil.copy(weights, f"{folder}/best_generator.safetensors")
        torch.save(load_generator(weights).state_dict(), f"{folder}/best_generator.pth")
    command(f"export {weights} published")
    capsys.readouterr()
    files = [f"{folder}/best_generator.{suffix}" for folder in ("one", "two") for suffix in ("pth", "safetensors")]
    places = []
    for line in (*files, "published", "published/model.safetensors", weights, f"{weights} --dataset mnist", "bce"):
        if "--dataset" in line:
            monkeypatch.setattr(
                "cgan_lib.commands.evaluate.evaluate", lambda *_, **__: replace(SCORES, dataset="mnist")
            )
        assert command(f"evaluate {line}") == 0
        places.append(Path(capsys.readouterr().out.splitlines()[-1]))
        source = locate(line.split()[0])
        assert kept_in(locate(places[-1]))["source"] == line.split()[0]
        if source.exists():
            assert locate(places[-1]).resolve().parent == (source if source.is_dir() else source.parent).resolve()
        else:
            assert places[-1].parent == Path("logs/scores")
    assert len(set(places)) == len(places)


def test_scores_of_what_lies_where_nothing_can_be_written_are_kept_in_the_course(home, weights, monkeypatch, capsys):
    def refuse(folder):
        raise UserError("read-only")

    monkeypatch.setattr("cgan_lib.commands.evaluate.evaluate", lambda *_, **__: SCORES)
    monkeypatch.setattr("cgan_lib.evaluation.places.make_folder", refuse)
    places = []
    for source in ("one/best.safetensors", "two/best.safetensors"):
        Path(source).parent.mkdir()
        shutil.copy(weights, source)
        assert command(f"evaluate {source}") == 0
        places.append(home / capsys.readouterr().out.splitlines()[-1])
    assert [kept_in(place)["source"] for place in places] == ["one/best.safetensors", "two/best.safetensors"]
    assert {place.parent for place in places} == {home / "logs" / "scores"}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_that_cannot_print_an_arrow_gets_ascii(weights, encoding):
    done = as_program(f"evaluate {weights} --count 100", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert "FID v" in done.stdout.decode(encoding)
    assert kept_in("weights_scores_images_000100.json")["count"] == 100


def test_scores_are_kept_even_if_they_cannot_be_printed(weights, monkeypatch):
    def broken(self):
        raise OSError("no console")

    monkeypatch.setattr("cgan_lib.evaluation.Scores.table", broken)
    assert command(f"evaluate {weights} --count 100") == 2
    assert kept_in("weights_scores_images_000100.json")["count"] == 100


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", dict(count=None, seeds=None, gan_train=False)),
        ("--full", dict(count=10_000, seeds=3, gan_train=True)),
        ("--full --count 500", dict(count=500, seeds=3, gan_train=True)),
        ("--full --seeds 2", dict(count=10_000, seeds=2, gan_train=True)),
    ],
)
def test_a_full_measurement_has_10000_images_3_seeds_and_gan_train_unless_told_otherwise(
    finished, monkeypatch, options, expected
):
    asked = []

    def fewer(generator, dataset, **options):
        asked.append((dataset, options))
        return SCORES

    monkeypatch.setattr("cgan_lib.commands.evaluate.evaluate", fewer)
    assert command(f"evaluate {RUN} {options}") == 0
    assert asked == [(None, expected)]


def test_offline_what_is_measured_and_recorded_are_the_embedded_digits(weights, monkeypatch, capsys):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    assert command(f"evaluate {weights} --dataset mnist --count 100 --out offline.json") == 0
    assert "Using the embedded 8×8 digits instead" in capsys.readouterr().err
    assert command(f"evaluate {weights} --count 100 --out digits.json") == 0  # what it was trained on
    assert kept_in("offline.json") == kept_in("digits.json")
    assert kept_in("offline.json")["dataset"] == "digits"


def test_without_a_network_inception_fid_says_so_and_the_other_scores_are_kept(weights, monkeypatch, tmp_path, capsys):
    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.urlopen", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert command(f"evaluate {weights} --count 100 --inception --out scores.json") == 2
    printed = capsys.readouterr()
    assert "FID ↓" in printed.out
    assert re.search("error: the Inception network could not be fetched .*other score works offline", printed.err)
    kept = kept_in("scores.json")
    assert "inception_fid" not in kept
    assert kept["fid"] > 0


def test_inception_fid_is_one_more_number_in_the_file(weights, monkeypatch, capsys):
    monkeypatch.setattr("cgan_lib.commands.evaluate.inception_fid", lambda generator, dataset: 12.345)
    assert command(f"evaluate {weights} --count 100 --inception --out scores.json") == 0
    assert "Inception-FID 12.3" in capsys.readouterr().out
    kept = kept_in("scores.json")
    assert (kept["inception_fid"], kept["count"]) == (12.345, 100)


# --- export


def test_export_writes_a_folder_that_gives_the_images_of_the_run(finished, capsys):
    assert command(f"export {RUN} mine/published") == 0
    folder, _, files = capsys.readouterr().out.strip().partition(": ")
    assert files.split(", ") == sorted(path.name for path in Path(folder).iterdir())
    for source, out in ((RUN, "a.png"), (folder, "b.png")):
        assert command(f"generate {source} --labels 7 7 3 --out {out}") == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    measured = evaluate(finished.generator, "digits").as_requested
    assert f"{measured:.1f}% of 200 images" in Path(folder, "README.md").read_text()


def test_export_hands_on_a_weight_file_too(weights):
    assert command(f"export {weights} published") == 0
    assert torch.equal(generate(load_generator("published"), [1, 2]), generate(load_generator(weights), [1, 2]))


def test_export_to_onnx_writes_one_file_with_the_name_and_the_directions_of_the_generator(finished, capsys):
    assert command(f"export {RUN} digits.onnx") == 0
    assert capsys.readouterr().out == "digits.onnx\n"
    facts = onnxruntime.InferenceSession("digits.onnx").get_modelmeta().custom_metadata_map
    assert facts["name"] == "bce"
    assert len(json.loads(facts["directions"])) == 4


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("there", "there exists: name a new folder"),
        ("there/digits.onnx", "digits.onnx exists: name a new file"),
        ("new.ONNX", "new.ONNX must end in .onnx"),
    ],
)
def test_export_overwrites_nothing(refused, finished, target, message):
    Path("there").mkdir()
    Path("there/digits.onnx").write_text("precious")
    assert message in refused(f"export {RUN} {target}")


# --- mistakes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trian bce", "unknown command 'trian': did you mean 'train'?"),
        ("train bcee", "unknown recipe 'bcee': did you mean 'bce'?"),
        ("train bce --dataset digit", "unknown data set 'digit': did you mean 'digits'?"),
        ("train bce --dataset digits --steps -1", "steps=-1 must be at least 0"),
        ("train bce --dataset digits --lr 0", "lr=0.0 must be more than 0"),
        ("train bce --dataset digits --loss wasserstein", "take a model without it (dropout, "),
        ("train bce --dataset digits --profile dmo", "unknown profile 'dmo': did you mean 'demo'?"),
        ("generate bce --labels sevn --out new/a.png", "unknown class 'sevn'"),
        ("generate bce --labels --out new/a.png", "--labels is empty: name a class or several"),
        ("generate bce --labels 7,7 --out new/a.png", "'7,7' is no class: put spaces between several, 7 7"),
        ("info bcee", "unknown recipe 'bcee': did you mean 'bce'?"),
        ("generate nowhere --labels 1 --out a.png", "there is no weight file nowhere"),
        ("generate . --labels 1 --out a.png", "should hold model.safetensors or one weight file (found: none)"),
        ("generate nowhere.pth --labels 1 --out a.jpg", "--out 'a.jpg' must end in .png or .npz"),
        ("generate nowhere.pth --labels 1 --count 0 --out a.png", "--count 0 must be at least 1"),
        ("generate bce --labels 1 10 --out new/a.png", "label 10 is no class: use 0 to 9"),
        ("evaluate nowhere", "there is no weight file nowhere"),
        ("evaluate nowhere --out scores.txt", "--out 'scores.txt' must end in .json"),
        ("evaluate bce --dataset digit", "unknown data set 'digit': did you mean 'digits'?"),
        (
            "evaluate bce --dataset digits --count 99 --full",
            "count 99 is too few to measure 10 classes: use 100 or more",
        ),
        ("evaluate bce --dataset digits --seeds 0 --full", "seeds 0 must be at least 1"),
        ("export nowhere new", "there is no weight file nowhere"),
    ],
)
def test_mistakes_are_one_line_with_code_2_and_nothing_written(refused, line, message):
    said = refused(line)
    assert message in said
    assert re.fullmatch(r"error: .*\n", said)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train", "dcgan64_progressive"),
        ("info", "RECIPE"),
        ("info bce spatial", "spatial"),
        ("recipes bce", "bce"),
        ("export bce", "TARGET"),
        ("export bce one two", "two"),
        ("train bce --lrr 1", "--lr"),
        ("train bce --batchsize 8", "--batch-size"),
        ("train bce --step 8", "--steps"),
        ("generate a --labels 1 --out a.png --sed 1", "--seed"),
        ("evaluate a --fulll", "--full"),
    ],
)
def test_what_is_missing_too_much_or_unknown_is_named_and_the_nearest_option_suggested(refused, line, expected):
    said = refused(line)
    assert re.search(rf"(?<![\w-]){expected}\b(?!-)", said)
    assert re.fullmatch(rf"error: .{{10,400}}: see `.* {line.split()[0]} --help`\.\n", said)


def test_a_corrupt_weight_file_is_named(refused):
    Path("weights.pth").write_bytes(bytes(3000))
    assert "weights.pth" in refused("generate weights.pth --labels 1 --out new/a.png")


def test_the_run_folder_of_another_recipe(refused, finished):
    message = f"{RUN} is a run of another recipe (lr is {RECIPES['bce'].lr} there, not 0.5)"
    assert message in refused(f"train bce {TINY} --lr 0.5")


def test_a_home_that_cannot_be_written_to(refused, monkeypatch):
    Path("file").write_text("")
    monkeypatch.setenv("CGAN_HOME", os.path.abspath("file/home"))
    assert "file/home" in refused(f"train bce {TINY}")


@pytest.mark.parametrize("variable", ["CGAN_HOME", "CGAN_DATA"])
@pytest.mark.parametrize("value", ["~nobody-of-that-name/course", "\udcff"])
def test_a_folder_that_is_no_path(refused, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert f"{variable}=" in refused(f"train bce {TINY} --dataset mnist")


def test_a_network_that_memory_cannot_hold(refused):
    assert "there is not enough memory" in refused(f"train bce {TINY} --base-channels-d 10000000")


@pytest.mark.parametrize("out", ["file/a.png", "../folder.png"])
def test_an_output_that_cannot_be_written(refused, weights, out):
    Path("file").write_text("")
    Path("../folder.png").mkdir()
    assert "cannot write" in refused(f"generate {weights} --labels 1 --out {out}")


def test_warnings_are_a_note_and_not_a_line_of_source(finished, capsys):
    newest = max((finished.folder / "checkpoints").iterdir())
    newest.write_bytes(b"")
    assert command(f"generate {RUN} --labels 1 --out a.png") == 0
    assert re.fullmatch(r"note: .*step_00000040\.pt is damaged .*\n", capsys.readouterr().err)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_wrong_option_is_one_line_in_every_console(encoding):
    done = as_program("generate bce --labels 1 --seed x --out a.png", PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert re.fullmatch(r"error: Error parsing --seed: .*'x': see `.* generate --help`\.\n", done.stderr.decode())


def as_program(line: str, **more: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | more
    return subprocess.run([sys.executable, "-m", "cgan_lib", *line.split()], env=environment, capture_output=True)


def test_the_module_runs_as_a_program():
    done = as_program("generate nowhere --labels 1 --out a.png")
    assert (done.returncode, done.stdout) == (2, b"")
    shipped = ", ".join(pretrained())
    assert done.stderr.decode() == f"error: there is no weight file nowhere: check the path. Shipped: {shipped}.\n"


LONG, HUGE = "x" * 300, str(2**70)
SOURCES = [
    "bce",
    "",
    ".",
    "..",
    "/",
    "~",
    LONG,
    f"{LONG}/a.pth",
    "a\0b",
    "a\nb",
    "\x1b[31m",
    "\udcff",
    "😀",
    "CON",
    "file",
]
OUTS = [
    "",
    ".",
    "/",
    "a",
    ".png",
    "a.PNG",
    "a\0.png",
    f"{LONG}.png",
    "file/a.png",
    "folder.png",
    "/proc/a.png",
    "\udcff",
]
RUNS = [LONG, "CON", "nul", "aux.txt", "COM1", "lpt9.log", "a\0b", "..", "a/b", "a.", "\udcff", " "]
NUMBERS = [HUGE, f"-{HUGE}", "-1", "1.5", "nan", "", "1e9", "٣٣x", "9" * 5000]
TRAIN = ["train", "bce", "--dataset", "digits", "--steps", "0", "--base-channels", "8"]
CRAFTED = [
    *(["generate", source, "--labels", "1", "--out", "file"] for source in SOURCES),
    *(["generate", source, "--labels", "1", "--out", "a.png"] for source in SOURCES[1:]),
    *(["evaluate", source] for source in SOURCES[1:]),
    *(["export", source, "new"] for source in SOURCES[1:]),
    *(["serve", source] for source in SOURCES[1:]),
    *(["info", source] for source in SOURCES[1:]),
    *([source] for source in SOURCES),
    *(["generate", "bce", "--labels", "1", "--out", out] for out in OUTS),
    *(["evaluate", "bce", "--dataset", "digits", "--out", out.replace("png", "json")] for out in (*OUTS[:9], "file")),
    *(
        ["export", "bce", target]
        for target in ("", ".", "/", "a\0b", LONG, "file/new", "file", "a\0.onnx", "folder.png")
    ),
    *([*TRAIN, "--run", run] for run in RUNS),
    *(["generate", "bce", "--labels", "1", "--out", "a.png", "--seed", number] for number in NUMBERS),
    *(["generate", "bce", "--labels", "1", "--out", "a.npz", "--count", number] for number in (*NUMBERS, "1000000000")),
    *(["generate", "bce", "--labels", number, "--out", "a.png"] for number in NUMBERS),
    *(["evaluate", "bce", "--dataset", "digits", "--count", number] for number in (*NUMBERS, "1000000000")),
    *(["evaluate", "bce", "--dataset", "digits", "--seeds", number] for number in NUMBERS),
    *([*TRAIN, f"--{field}", number] for field in ("seed", "batch-size", "latent-dim") for number in NUMBERS),
    *([*TRAIN, "--lr", number] for number in NUMBERS[1:3]),
    *([*TRAIN, "--device", device] for device in ("", "cuda:99", "nothing", "meta", "a\0b", "cpu:x")),
    *([*TRAIN, "--profile", profile] for profile in ("a\0b", LONG)),
    *([*TRAIN, "--image-size", size] for size in ("7", "1", HUGE, "1000000000")),
    *([*TRAIN[:2], "--dataset", name] for name in ("", LONG, "a\0b")),
]


def test_no_command_line_ends_in_a_traceback(monkeypatch, capsys):
    """Whatever is wrong with it: code 2, and one line on stderr."""
    Path("file").write_text("")
    Path("folder.png").mkdir()
    monkeypatch.setattr("cgan_lib.commands.serve.serve", lambda *_: None)
    assert len(CRAFTED) > 200
    for arguments in CRAFTED:
        code = main(arguments)
        printed = capsys.readouterr()
        shown = [argument[:60] for argument in arguments]
        assert code == 2, shown
        assert re.fullmatch(r"error: .{10,1000}\n", printed.err), shown


def test_generate_overwrites_only_by_force(refused, weights):
    line = f"generate {weights} --labels 1 --out a.png"
    Path("a.png").write_text("precious")
    assert "a.png exists: name a new file, or write over it with --force" in refused(line)
    assert command(f"{line} --force") == 0
    assert Path("a.png").read_bytes() != b"precious"


@pytest.mark.parametrize("path", ["/My Drive/logs", "it's", 'a"b', "$HOME/`id`", "a\\b!", "#1", "дом/家"])
def test_a_path_in_advice_is_one_argument(path):
    assert quoted("logs/digits/bce/ci") == "logs/digits/bce/ci"
    assert subprocess.check_output(["sh", "-c", f"printf %s {quoted(path)}"], text=True) == path


# --- diagnose


def test_diagnose_tells_from_the_log_of_a_run_or_says_that_it_cannot(finished, capsys):
    assert command(f"diagnose {RUN}") == 0
    said = capsys.readouterr().out
    assert said.startswith("cannot tell\n  vital signs were taken 3 times, and it takes 4\n→ Train on")


def test_diagnose_refuses_what_is_no_run(refused):
    assert "is no run folder" in refused("diagnose nowhere")
