"""Measuring generators with a classifier that took no part in their training: see `protocol`."""

from cgan_lib.evaluation.classifier import Classifier, has_classifier, load_classifier
from cgan_lib.evaluation.inception import inception_fid
from cgan_lib.evaluation.nearest import nearest_real
from cgan_lib.evaluation.places import scores_file
from cgan_lib.evaluation.protocol import evaluate, evaluate_images, quick_scores, real_scores
from cgan_lib.evaluation.samples import in_proportion
from cgan_lib.evaluation.scores import Scores

__all__ = [
    "Classifier",
    "Scores",
    "evaluate",
    "evaluate_images",
    "has_classifier",
    "in_proportion",
    "inception_fid",
    "load_classifier",
    "nearest_real",
    "quick_scores",
    "real_scores",
    "scores_file",
]
