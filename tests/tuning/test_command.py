"""`cgan tune`: what it prints, and what it refuses in one line."""

import re

import pytest

from cgan_lib import open_run
from cgan_lib.cli import main

TINY = "--dataset digits --batch-size 8 --base-channels 8 --base-channels-d 8 --precision fp32 --steps 10 --profile ci"


def test_tune_searches_says_what_is_best_and_how_to_train_it(home, capsys):
    line = f"tune bce {TINY} --balanced --trials 2 --space lr=1e-4:1e-2:log --study rates"
    assert main(line.split()) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^rates-00\d \(\d of 2\): lr=\S+: FID \S+; best so far: rates-00\d$", said, re.MULTILINE)
    (advice,) = re.findall(r"-m cgan_lib (train .*)", said)
    assert main(f"{advice} --steps 2 --profile ci".split()) == 0
    best = re.search(r"^ +\S+  lr=\S+  \((rates-\d+)\)$", said, re.MULTILINE)[1]
    logs = home / "logs" / "digits" / "bce"
    trained, found = open_run(logs / "rates-best").recipe, open_run(logs / best).recipe
    assert (trained.lr, trained.balanced) == (found.lr, True)
    assert main(line.split()) == 0
    assert "best so far" not in capsys.readouterr().out  # nothing is trained anew


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tune", "--trials"),
        ("tune bse --trials 3", "did you mean 'bce'"),
        ("tune bce", "--trials"),
        ("tune bce --trials x", "--trials"),
        ("tune bce --trials 0", "must be a whole number from 1"),
        ("tune bce --trials 3 --space lr", "must be FIELD=VALUES"),
        ("tune bce --trials 3 --space lrr=1:2", "did you mean 'lr'"),
        ("tune bce --trials 3 --pruner best", "--pruner"),
        ("tune bce --trials 3 --study a/b", "names a folder"),
        ("tune bce --trials 3 --storage sqlite:///a.db", "leave storage out"),
        ("tune bce --trials 3 --storage nowhere", "is no address"),
    ],
)
def test_mistakes_are_one_line_with_code_2(line, said, home, capsys):
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert re.fullmatch(r"error: .*\n", printed.err)
    assert not (home / "logs").exists()
