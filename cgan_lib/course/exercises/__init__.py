"""Exercises that check themselves, a file for each notebook: every check says right, or what is wrong, with a hint."""

from cgan_lib.course.exercises.basics import (
    check_nonsaturating,
    check_numbers_in_image,
    check_one_hot_planes,
    check_one_style_ten_digits,
)
from cgan_lib.course.exercises.dcgan import check_curve_reading, check_dcgan_init, check_instance_norm
from cgan_lib.course.exercises.latents import check_between, check_slerp, check_truncated
from cgan_lib.course.exercises.measuring import check_frechet, check_precision, check_swapped_labels
from cgan_lib.course.exercises.projection import (
    check_hinge,
    check_power_iteration,
    check_projection_score,
    check_stretch,
)
from cgan_lib.course.exercises.serving import check_passes, check_same_generator, check_status_codes
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
    "check_best_discriminator",
    "check_between",
    "check_curve_reading",
    "check_dcgan_init",
    "check_divergence",
    "check_frechet",
    "check_hinge",
    "check_instance_norm",
    "check_modes",
    "check_nonsaturating",
    "check_numbers_in_image",
    "check_one_hot_planes",
    "check_one_style_ten_digits",
    "check_passes",
    "check_power_iteration",
    "check_precision",
    "check_projection_score",
    "check_same_generator",
    "check_slerp",
    "check_status_codes",
    "check_stretch",
    "check_swapped_labels",
    "check_truncated",
    "check_wasserstein",
    "yours",
]
