"""Exercises that check themselves, a file for each notebook: every check says right, or what is wrong, with a hint."""

from cgan_lib.course.exercises.basics import (
    check_nonsaturating,
    check_numbers_in_image,
    check_one_hot_planes,
    check_one_style_ten_digits,
)
from cgan_lib.course.exercises.client import check_client
from cgan_lib.course.exercises.dcgan import check_curve_reading, check_dcgan_init, check_instance_norm
from cgan_lib.course.exercises.latents import check_between, check_film, check_slerp, check_truncated
from cgan_lib.course.exercises.measuring import check_frechet, check_precision, check_swapped_labels
from cgan_lib.course.exercises.projection import (
    check_hinge,
    check_power_iteration,
    check_projection_score,
    check_stretch,
)
from cgan_lib.course.exercises.searching import check_bolder, check_finder, check_mean_difference
from cgan_lib.course.exercises.serving import check_batch, check_next_pass, check_passes, check_status_codes
from cgan_lib.course.exercises.sharing import check_class_weights, check_safe_loading, check_same_generator
from cgan_lib.course.exercises.theory import (
    check_best_discriminator,
    check_divergence,
    check_modes,
    check_wasserstein,
)
from cgan_lib.course.exercises.verdict import EXERCISES, Exercise, Verdict, yours

__all__ = [
    "EXERCISES",
    "Exercise",
    "Verdict",
    "check_batch",
    "check_best_discriminator",
    "check_between",
    "check_bolder",
    "check_class_weights",
    "check_client",
    "check_curve_reading",
    "check_dcgan_init",
    "check_divergence",
    "check_film",
    "check_finder",
    "check_frechet",
    "check_hinge",
    "check_instance_norm",
    "check_mean_difference",
    "check_modes",
    "check_next_pass",
    "check_nonsaturating",
    "check_numbers_in_image",
    "check_one_hot_planes",
    "check_one_style_ten_digits",
    "check_passes",
    "check_power_iteration",
    "check_precision",
    "check_projection_score",
    "check_safe_loading",
    "check_same_generator",
    "check_slerp",
    "check_status_codes",
    "check_stretch",
    "check_swapped_labels",
    "check_truncated",
    "check_wasserstein",
    "yours",
]
