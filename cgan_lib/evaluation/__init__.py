"""Measuring generators with a classifier that took no part in their training."""

from cgan_lib.evaluation.classifier import Classifier, classifier
from cgan_lib.evaluation.scores import Scores, evaluate

__all__ = ["Classifier", "Scores", "classifier", "evaluate"]
