"""Labelled images, from whatever they are stored in: a folder for each concern, one name to load them all."""

from cgan_lib.data.ahead import ahead, fits
from cgan_lib.data.images import (
    ImageData,
    batches,
    check_batch_size,
    check_classes,
    resize,
    to_uint8,
    to_unit,
)
from cgan_lib.data.load import check_dataset, dataset_names, is_known, is_local, load, load_data, made
from cgan_lib.data.made import MADE
from cgan_lib.data.pictures import Fit
from cgan_lib.data.registry import CLOTHES, DATASETS, DIGITS, KANA
from cgan_lib.data.sources import add_data

__all__ = [
    "CLOTHES",
    "DATASETS",
    "DIGITS",
    "KANA",
    "MADE",
    "Fit",
    "ImageData",
    "add_data",
    "ahead",
    "batches",
    "check_batch_size",
    "check_classes",
    "check_dataset",
    "dataset_names",
    "fits",
    "is_known",
    "is_local",
    "load",
    "load_data",
    "made",
    "resize",
    "to_uint8",
    "to_unit",
]
