"""`cgan evaluate`"""

import json
from pathlib import Path

from cgan_lib import parallel
from cgan_lib.commands.arguments import Source, check_out
from cgan_lib.evaluation import Scores, evaluate, inception_fid, scores_file
from cgan_lib.files import write_atomically
from cgan_lib.paths import make_folder, short
from cgan_lib.recipes import SAMPLES, SEEDS
from cgan_lib.runs import Run, open_source


def command(
    source: Source,
    dataset: str | None = None,
    count: int | None = None,
    seeds: int | None = None,
    full: bool = False,
    inception: bool = False,
    out: Path | None = None,
    force: bool = False,
) -> None:
    """Measure a generator against the real test images.

    The scores are FID, KID, IS, precision, recall, coverage and GAN-test.

    Args:
        dataset: what to compare with; default: the data set it was trained on, mnist when unknown
        count: images; default: 200 in the profile ci, 2,000 in demo, 10,000 in full
        seeds: independent sets of latents; default: 3 in the profile full, else 1
        full: 10,000 images, 3 seeds, and GAN-train: minutes on a CPU
        inception: also the Inception-FID of papers, 60,000 images: downloads a network; hours on a CPU
        out: the JSON file; default: beside what is measured, or in logs/scores/ where that cannot be
        force: write over the file --out
    """
    if out is not None:
        check_out(out, force, ".json")
    generator, _, run = open_source(source)
    if full:
        count = SAMPLES["full"] if count is None else count
        seeds = SEEDS["full"] if seeds is None else seeds
    parallel.join()
    with parallel.dividing():
        scores = evaluate(generator, dataset, count=count, seeds=seeds, gan_train=full)
    if not parallel.is_first():
        return
    measured = {"source": source, **scores.to_dict()}
    out = out or _scores_file(source, run, scores, generator.dataset)
    make_folder(out.parent)
    write_atomically(out, json.dumps(measured, indent=2).encode())  # first: a console may fail
    print(scores.table())
    print(short(out))
    if inception:  # last: it may take hours, and fails offline
        measured["inception_fid"] = inception_fid(generator, scores.dataset)
        write_atomically(out, json.dumps(measured, indent=2).encode())
        print(f"Inception-FID {measured['inception_fid']:.2f} (60,000 fakes, all test images, Inception v3)")


def _scores_file(source: str, run: Run | None, scores: Scores, trained_on: str) -> Path:
    """Where scores are kept: beside what they measured, one file for each of its measurements."""
    other = f"{scores.dataset}_" if trained_on and scores.dataset != trained_on else ""
    name = f"{other}images_{scores.count:06d}"
    if run:
        return run.folder / f"scores_steps_{run.step:06d}_{name}.json"
    return scores_file(source, f"scores_{name}")
