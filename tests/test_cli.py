"""The command line: what it prints, what it returns, and that a mistake writes nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torchvision import datasets

import cgan_lib.evaluation
from cgan_lib import RECIPES, evaluate, generate, load_generator, open_run, pretrained
from cgan_lib.cli import main
from cgan_lib.data import to_uint8
from cgan_lib.sampling import latents

TINY = [
    "--dataset",
    "digits",
    "--batch-size",
    "8",
    "--base-channels",
    "8",
    "--base-channels-d",
    "8",
    "--precision",
    "fp32",
]


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # as outside of pytest


@pytest.fixture(autouse=True)
def _working_folder(tmp_path, monkeypatch):
    """Relative paths on the command line are relative to a folder beside the home."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("CGAN_HOME", str(tmp_path / "home"))


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir(exist_ok=True)
    return tmp_path / "home"


@pytest.fixture
def refused(tmp_path, capsys, contents):
    """A function: run a command that must end with code 2, one line on stderr and nothing written; gives the line."""

    def check(*arguments) -> str:
        before = contents(tmp_path)
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert code == 2
        assert printed.out == ""
        assert printed.err.startswith("error: ")
        assert printed.err.count("\n") == 1
        assert contents(tmp_path) == before
        return printed.err

    return check


# --- what works


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["-h"], 0), ([], 2)])
def test_help_lists_the_commands(arguments, code, capsys):
    assert main(arguments) == code
    printed = capsys.readouterr().out
    assert re.findall(r"^  (\w+) ", printed, re.MULTILINE) == [
        *("train", "recipes", "info", "generate", "evaluate", "export", "export", "serve")
    ]


def test_train_trains_and_says_where_everything_is(home, capsys):
    assert main(["train", "bce", *TINY, "--steps", "4", "--run", "first", "--lr", "0.01"]) == 0
    run = open_run(home / "logs" / "digits" / "bce" / "first")
    assert (run.step, run.recipe.lr, run.recipe.batch_size) == (4, 0.01, 8)
    printed = capsys.readouterr().out
    assert "4 steps in" in printed
    for line in ("sample grid", "loss curves", "run folder"):
        (place,) = re.findall(rf"{line} +(\S+)", printed)
        assert (home / place).exists()
    assert "fake_images_steps_000004.png" in printed
    with Image.open(run.pictures / "curves.png") as picture:
        assert picture.width > picture.height


def test_the_command_that_train_prints_draws_digits(home, capsys):
    main(["train", "bce", *TINY, "--steps", "2"])
    (arguments,) = re.findall(r"python -m cgan_lib (generate .*)", capsys.readouterr().out)
    assert main(arguments.split()) == 0  # from another working folder
    with Image.open("digits.png") as picture:
        assert picture.size == (2 * (3 * 30 + 2), 2 * (30 + 2))


def test_the_command_that_train_prints_measures_the_run(home, capsys):
    main(["train", "bce", *TINY, "--steps", "2"])
    (arguments,) = re.findall(r"python -m cgan_lib (evaluate .*)", capsys.readouterr().out)
    assert main(arguments.split()) == 0  # from another working folder
    assert "FID ↓" in capsys.readouterr().out


def test_train_twice_resumes(home, capsys):
    main(["train", "bce", *TINY, "--steps", "2"])
    assert main(["train", "bce", *TINY, "--steps", "4"]) == 0
    assert "logs/digits/bce/ci goes on from step 2." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train bce --help", ["--lr", "--lr-halved-at", "--steps", "--profile", "--run", str(RECIPES["bce"].lr)]),
        ("train --help", ["--lr", "--steps", "--profile", "--run", str(RECIPES["bce"].lr)]),
        ("generate --help", ["--labels", "--out"]),
        ("evaluate --help", ["--dataset", "--count", "--seeds", "--full", "--inception", "--out", "10,000"]),
    ],
)
def test_every_command_explains_its_options(line, expected, capsys):
    with pytest.raises(SystemExit) as exit:
        main(line.split())
    assert exit.value.code == 0
    printed = capsys.readouterr().out
    assert all(option in printed for option in expected)


def test_recipes_lists_every_recipe_and_the_profile(capsys):
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(RECIPES)]] == list(RECIPES)
    published = next(line for line in lines if line.startswith("bce_published"))
    assert "0.000112" in published
    assert "0.037" in published
    assert "profile in force: ci" in lines[-1]


@pytest.mark.parametrize("name", ["bce", "spatial_published"])
def test_info_prints_both_networks_with_their_parameters(name, capsys):
    assert main(["info", name]) == 0
    printed = capsys.readouterr().out
    for title, network in zip(("generator", "discriminator"), RECIPES[name].build(), strict=True):
        assert f"{name}: {title}" in printed
        assert f"{sum(p.numel() for p in network.parameters()):,}" in printed


# --- generate


@pytest.fixture
def weights(home, finished):
    """A weight file beside the working folder."""
    (finished.folder / "generator.safetensors").rename("weights.safetensors")
    return "weights.safetensors"


def test_generate_writes_images_and_labels_in_the_order_asked_for(weights):
    assert main(["generate", weights, "--labels", "7", "3", "--count", "3", "--out", "new/digits.npz"]) == 0
    with np.load("new/digits.npz") as file:
        images, labels = file["images"], file["labels"]
    assert (images.shape, images.dtype) == ((6, 1, 28, 28), np.uint8)
    assert (labels.tolist(), labels.dtype) == ([7, 7, 7, 3, 3, 3], np.int64)
    expected = generate(load_generator(weights), [7, 7, 7, 3, 3, 3])
    assert np.array_equal(images, expected.numpy())


def test_the_same_seed_writes_the_same_file_and_another_seed_another(weights):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        main(["generate", weights, "--labels", "1", "2", "--seed", str(seed), "--out", f"{name}.png"])
        main(["generate", weights, "--labels", "1", "2", "--seed", str(seed), "--out", f"{name}.npz"])
    for kind in ("png", "npz"):
        a, b, c = (Path(f"{name}.{kind}").read_bytes() for name in "abc")
        assert a == b
        assert a != c


@pytest.mark.parametrize(
    ("labels", "count", "columns", "rows"), [("7 7 3", 1, 3, 1), ("1 2", 4, 4, 2), ("1 " * 12, 1, 10, 2)]
)
def test_pictures_have_a_row_for_each_label_or_all_in_a_row(weights, labels, count, columns, rows):
    assert main(["generate", weights, "--labels", *labels.split(), "--count", str(count), "--out", "a.png"]) == 0
    with Image.open("a.png") as picture:
        assert picture.size == (2 * (columns * 30 + 2), 2 * (rows * 30 + 2))


def test_a_run_folder_and_its_weight_file_draw_the_same(home, finished):
    for source, out in ((finished.folder, "a.png"), (finished.folder / "generator.safetensors", "b.png")):
        assert main(["generate", str(source), "--labels", "0", "9", "--out", out]) == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.parametrize("name", pretrained())
def test_a_shipped_generator_draws_by_its_name(name):
    assert main(["generate", name, "--labels", *"0123456789", "--out", "a.npz"]) == 0
    with np.load("a.npz") as file:
        assert np.array_equal(file["images"], generate(load_generator(name), list(range(10))).numpy())


# --- evaluate


def plain(values):
    """Scores as they come back from a JSON file, to nine digits: where a sum lies in memory may change the last one."""
    return json.loads(json.dumps(values), parse_float=lambda number: float(f"{float(number):.9g}"))


def kept_in(path):
    """The scores in a file, to nine digits."""
    return plain(json.loads(Path(path).read_text()))


@pytest.fixture
def asked(monkeypatch):
    """What `evaluate` is asked for: one dict of options a call; the real one measures 100 images instead."""
    calls = []

    def fewer(generator, dataset, **options):
        calls.append(options | dict(dataset=dataset))
        return evaluate(generator, dataset, count=100)

    monkeypatch.setattr(cgan_lib.evaluation, "evaluate", fewer)
    return calls


def test_evaluate_prints_the_scores_of_a_run_and_keeps_them_in_its_folder(home, finished, capsys):
    assert main(["evaluate", "logs/digits/bce/ci"]) == 0  # from another working folder
    scores = evaluate(finished.generator, "digits")
    place = "logs/digits/bce/ci/scores_steps_000040_images_000200.json"
    assert capsys.readouterr().out == f"{scores.table()}\n{place}\n"
    kept = kept_in(home / place)
    assert kept == {"source": "logs/digits/bce/ci", "dataset": "digits"} | plain(scores.to_dict())
    assert (kept["count"], kept["seeds"], kept["gan_train"]) == (200, 1, None)
    assert kept["real"]["as_requested"] > 90


def test_evaluate_measures_a_weight_file_as_it_is_asked_to(home, weights, finished, capsys):
    line = f"evaluate {weights} --dataset digits --count 110 --seeds 2"
    assert main(line.split()) == 0
    scores = evaluate(finished.generator, "digits", count=110, seeds=2)
    place = "logs/scores/weights_scores_images_000110.json"
    assert capsys.readouterr().out == f"{scores.table()}\n{place}\n"
    assert kept_in(home / place) == {"source": weights, "dataset": "digits"} | plain(scores.to_dict())
    assert scores.deviation
    assert main([*line.split(), "--out", "new/mine.json"]) == 0
    assert kept_in("new/mine.json") == kept_in(home / place)


@pytest.mark.parametrize("name", pretrained()[:1])
def test_a_shipped_generator_is_measured_by_its_name(home, name):
    assert main(["evaluate", name, "--dataset", "digits", "--count", "100"]) == 0
    kept = kept_in(home / "logs" / "scores" / f"{name}_scores_images_000100.json")
    assert kept["source"] == name
    assert kept["fid"] == pytest.approx(evaluate(load_generator(name), "digits", count=100).fid)


def test_what_is_measured_by_default_is_what_the_profile_says(asked, finished):
    assert main(["evaluate", "logs/digits/bce/ci"]) == 0
    assert asked == [dict(dataset="digits", count=None, seeds=None, gan_train=False)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", dict(count=10_000, seeds=3)),
        ("--count 500", dict(count=500, seeds=3)),
        ("--seeds 2", dict(count=10_000, seeds=2)),
    ],
)
def test_a_full_measurement_has_10000_images_3_seeds_and_gan_train_unless_told_otherwise(
    asked, finished, options, expected
):
    assert main(["evaluate", "logs/digits/bce/ci", "--full", *options.split()]) == 0
    assert asked == [dict(dataset="digits", gan_train=True, **expected)]


def test_gan_train_is_in_the_table_and_in_the_file(finished, monkeypatch, capsys):
    module = sys.modules["cgan_lib.evaluation.classifier"]
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "LEAST_STEPS", 5)
    line = "evaluate logs/digits/bce/ci --full --count 100 --seeds 1 --out full.json"
    assert main(line.split()) == 0
    kept = kept_in("full.json")
    assert re.search(rf"^GAN-train ↑ +{kept['gan_train']:.2f}% ", capsys.readouterr().out, re.MULTILINE)
    assert kept["real"]["gan_train"] is not None


@pytest.mark.parametrize("options", ["--count 99", "--count 0", "--count 99 --full", "--count 0 --full"])
def test_too_few_images_to_measure_are_refused(refused, weights, options):
    count = options.split()[1]
    message = refused("evaluate", weights, "--dataset", "digits", *options.split())
    assert f"count {count} is too few to measure 10 classes: use 100 or more" in message


@pytest.mark.parametrize("options", ["--seeds 0", "--seeds 0 --full", "--seeds -1"])
def test_no_seeds_are_refused(refused, weights, options):
    message = refused("evaluate", weights, "--dataset", "digits", *options.split())
    assert f"seeds {options.split()[1]} must be at least 1" in message


def test_offline_what_is_measured_and_recorded_are_the_embedded_digits(home, weights, monkeypatch, capsys):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    monkeypatch.delenv("CGAN_DATA", raising=False)
    assert main(["evaluate", weights, "--count", "100", "--out", "offline.json"]) == 0
    assert "Using the embedded 8×8 digits instead" in capsys.readouterr().err
    assert main(["evaluate", weights, "--count", "100", "--dataset", "digits", "--out", "digits.json"]) == 0
    assert kept_in("offline.json") == kept_in("digits.json")
    assert kept_in("offline.json")["dataset"] == "digits"


def test_without_a_network_inception_fid_says_so_and_the_other_scores_are_kept(weights, monkeypatch, tmp_path, capsys):
    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.urlopen", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    line = f"evaluate {weights} --dataset digits --count 100 --inception --out scores.json"
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert "FID ↓" in printed.out
    assert "error: the Inception network could not be fetched" in printed.err
    assert "Every other score works offline" in printed.err
    kept = kept_in("scores.json")
    assert "inception_fid" not in kept
    assert kept["fid"] > 0


def test_inception_fid_is_one_more_number_in_the_file(weights, monkeypatch, capsys):
    monkeypatch.setattr(cgan_lib.evaluation, "inception_fid", lambda generator, dataset: 12.345)
    line = f"evaluate {weights} --dataset digits --count 100 --inception --out scores.json"
    assert main(line.split()) == 0
    assert "Inception-FID 12.3" in capsys.readouterr().out
    kept = kept_in("scores.json")
    assert (kept["inception_fid"], kept["count"]) == (12.345, 100)


# --- export


def test_export_writes_a_folder_that_draws_like_the_run(finished, capsys):
    assert main(["export", "logs/digits/bce/ci", "mine/published"]) == 0  # from another working folder
    printed = capsys.readouterr().out
    assert printed == (
        f"{Path('mine/published')}: README.md, cgan_architecture.py, digits_cgan_generator.pth, generator_config.json, "
        "model.safetensors, samples.png\n"
    )
    for source, out in ((finished.folder, "a.png"), ("mine/published", "b.png")):
        assert main(["generate", str(source), "--labels", "7", "7", "3", "--out", out]) == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    measured = evaluate(finished.generator, "digits").as_requested
    assert f"{measured:.1f}% of 200 images" in Path("mine/published/README.md").read_text()


@pytest.mark.parametrize("target", ["there", "there/file"])
def test_export_overwrites_nothing(refused, finished, target):
    Path("there").mkdir()
    Path("there/file").write_text("mine")
    assert f"{Path(target)} exists: name a new folder" in refused("export", finished.folder, target)


def test_export_to_onnx_writes_one_file_that_draws_the_same(finished, home, capsys):
    path = home / "digits.onnx"
    assert main(["export", str(finished.folder), str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    session = onnxruntime.InferenceSession(path)
    z, labels = latents(3, finished.recipe.latent_dim), [7, 0, 7]
    weights = np.eye(10, dtype=np.float32)[labels]
    (images,) = session.run(["images"], {"z": z.numpy(), "class_weights": weights})
    difference = to_uint8(torch.from_numpy(images)).int() - generate(finished.generator, labels, z=z).int()
    assert difference.abs().max() <= 1
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["name"] == "bce"
    assert len(json.loads(facts["directions"])) == 4


def test_export_to_onnx_overwrites_nothing(refused, home):
    path = home / "digits.onnx"
    path.write_bytes(b"precious")
    assert "digits.onnx exists: name a new file" in refused("export", "bce", str(path))


def test_export_explains_itself(capsys):
    assert main(["export", "--help"]) == 0
    assert "export RUN FOLDER" in capsys.readouterr().out


# --- mistakes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trian bce", "unknown command 'trian': did you mean 'train'?"),
        ("train bcee", "unknown recipe 'bcee': did you mean 'bce'?"),
        ("train", "train needs a recipe first"),
        ("train --lr 1", "train needs a recipe first"),
        ("train bce --dataset digit", "unknown data set 'digit': did you mean 'digits'?"),
        ("train bce --dataset digits --steps -1", "steps=-1 must be at least 0"),
        ("train bce --dataset digits --lr 0", "lr=0.0 must be more than 0"),
        ("train bce --dataset digits --profile dmo", "unknown profile 'dmo': did you mean 'demo'?"),
        ("train bce --dataset digits --run a/b", "run 'a/b' names a folder"),
        ("train bce --dataset digits --image-size 30", "image_size 30"),
        ("train bce --dataset digits --batch-size 5000", "batch_size 5000"),
        ("train bce --dataset digits --device gpu", "unknown device 'gpu'"),
        ("train bce --dataset digits --device cpu:x", "'cpu:x'"),
        ("info", "info needs a recipe"),
        ("info bcee", "did you mean 'bce'?"),
        ("info bce spatial", "unexpected 'spatial'"),
        ("recipes bce", "unexpected 'bce'"),
        ("generate nowhere --labels 1 --out a.png", "there is no weight file nowhere"),
        ("generate . --labels 1 --out a.png", "should hold model.safetensors or one weight file (found: none)"),
        ("generate bcee --labels 1 --out a.png", "there is no weight file bcee: check the path. Shipped: "),
        ("evaluate nowhere", "there is no weight file nowhere"),
        ("evaluate nowhere --out scores.txt", "--out scores.txt must end in .json"),
        ("evaluate .", "should hold model.safetensors or one weight file (found: none)"),
        ("export", "export needs a run and a new folder"),
        ("export logs/digits/bce/ci", "export needs a run and a new folder"),
        ("export logs/digits/bce/ci one two", "export needs a run and a new folder"),
        ("export nowhere new", "nowhere is no run folder (no recipe.json)"),
        ("export . new", "is no run folder (no recipe.json)"),
        ("generate nowhere.pth --labels 1 --out a.jpg", "--out a.jpg must end in .png or .npz"),
        ("generate nowhere.pth --labels 1 --count 0 --out a.png", "--count 0 must be at least 1"),
    ],
)
def test_mistakes_are_one_line_with_code_2_and_nothing_written(refused, line, message):
    assert message in refused(*line.split())


@pytest.mark.parametrize(("label", "message"), [("10", "label 10 is no class: use 0 to 9"), ("-1", "label -1")])
def test_a_label_that_is_no_class(refused, weights, label, message):
    assert message in refused("generate", weights, "--labels", "1", label, "--out", "new/a.png")


def test_a_data_set_to_measure_with_that_is_unknown(refused, weights):
    message = refused("evaluate", weights, "--dataset", "digit")
    assert "unknown data set 'digit': did you mean 'digits'?" in message


@pytest.mark.parametrize("content", [b"", b"text", bytes(3000)])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_corrupt_weight_file(refused, tmp_path, content, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    assert str(path) in refused("generate", path, "--labels", "1", "--out", "new/a.png")


def test_the_run_folder_of_another_recipe(refused, home, finished):
    message = refused("train", "bce", *TINY, "--lr", "0.5")
    assert f"logs/digits/bce/ci is a run of another recipe (lr is {RECIPES['bce'].lr} there, not 0.5)" in message


def test_a_home_that_cannot_be_written_to(refused, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CGAN_HOME", str(tmp_path / "file" / "home"))
    assert f"cannot write to {tmp_path / 'file' / 'home'}" in refused("train", "bce", *TINY)


def test_an_output_that_cannot_be_written(refused, tmp_path, weights):
    (tmp_path / "file").write_text("")
    (tmp_path / "a.png").mkdir()
    assert "cannot write to" in refused("generate", weights, "--labels", "1", "--out", tmp_path / "file" / "a.png")
    assert "cannot write" in refused("generate", weights, "--labels", "1", "--out", tmp_path / "a.png")


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ("train bce --lrr 1", "--lr"),
        ("train bce --batchsize 8", "--batch-size"),
        ("train bce --step 8", "--steps"),
        ("generate a --labels 1 --out a.png --sed 1", "--seed"),
        ("evaluate a --sed 1", "--seeds"),
    ],
)
def test_unknown_options_suggest_the_nearest(capsys, tmp_path, contents, line, nearest):
    before = contents(tmp_path)
    with pytest.raises(SystemExit) as exit:
        main(line.split())
    assert exit.value.code == 2
    assert re.search(rf"{nearest}\b(?!-)", capsys.readouterr().err)
    assert contents(tmp_path) == before


def test_divergence_ends_with_code_3_and_advice(home, capsys):
    assert main(["train", "bce", *TINY, "--steps", "20", "--save-every", "1", "--lr", "1e20"]) == 3
    assert re.search(
        r"^error: .*became NaN or infinite at step .*Try a new run with lr=", capsys.readouterr().err, re.M
    )


def test_warnings_are_a_note_and_not_a_line_of_source(home, finished, capsys):
    newest = max((finished.folder / "checkpoints").iterdir())
    newest.write_bytes(b"")
    assert main(["generate", str(finished.folder), "--labels", "1", "--out", "a.png"]) == 0
    assert re.fullmatch(r"note: .*step_00000040\.pt is damaged .*\n", capsys.readouterr().err)


# --- as a process


def test_the_module_runs_as_a_program(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "cgan_lib", "generate", "nowhere", "--labels", "1", "--out", "a.png"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    shipped = ", ".join(pretrained()) or "none"
    assert done.stderr == f"error: there is no weight file nowhere: check the path. Shipped: {shipped}.\n"


def test_code_of_a_weight_file_is_not_run(refused, tmp_path):
    torch.save({"weights": torch.nn.Linear(1, 1)}, tmp_path / "weights.pth")
    assert "could run code" in refused("generate", tmp_path / "weights.pth", "--labels", "1", "--out", "a.png")
