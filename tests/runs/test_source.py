"""Whatever a name means, its generator is opened."""

import shutil

import pytest
import torch

from cgan_lib import UserError, generate, get_recipe, load_generator, open_run
from cgan_lib.paths import short
from cgan_lib.runs.source import open_source
from cgan_lib.weights import save_generator


def test_a_run_is_opened_by_its_name_and_by_its_path(finished):
    expected = open_run(finished.folder).generator.state_dict()
    for source in (short(finished.folder), finished.folder, str(finished.folder)):
        opened = open_source(source)
        assert (opened.name, opened.run.folder) == ("bce", finished.folder)
        assert all(torch.equal(opened.generator.state_dict()[key], value) for key, value in expected.items())


def test_weight_files_and_shipped_generators_are_opened_too(home):
    generator, _ = get_recipe("bce", base_channels=8).build()
    path = save_generator(generator, home / "weights" / "mine.safetensors")
    for source in (path, str(path), "weights/mine.safetensors"):
        opened = open_source(source)
        assert (opened.name, opened.run) == ("mine", None)
        assert torch.equal(generate(opened.generator, [1, 2]), generate(generator, [1, 2]))
    assert torch.equal(generate(open_source("bce").generator, [3]), generate(load_generator("bce"), [3]))


def test_what_is_no_generator_is_an_error(finished):
    with pytest.raises(UserError, match="there is no weight file"):
        open_source("logs/mnist/bce/never")
    shutil.rmtree(finished.folder / "checkpoints")
    with pytest.raises(UserError):
        open_source(finished.folder)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "имя 日本語 🎉 \"'<b>"])
def test_a_name_that_is_shown_is_one_line_that_every_terminal_and_page_takes(home, name):
    generator, _ = get_recipe("bce", base_channels=8).build()
    torch.save(generator.state_dict(), file := home / "mine.pth")
    shown = open_source(file.rename(file.with_name(f"{name}.pth"))).name
    assert shown.isprintable()
    assert shown == name or "\\" in shown
