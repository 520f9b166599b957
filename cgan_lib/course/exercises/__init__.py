"""Exercises that check themselves, a file for each notebook: every check says right, or what is wrong, with a hint."""

from cgan_lib.course.exercises.attributes import (
    check_augmentation,
    check_table_rows,
    check_two_attribute_head,
    check_two_tables,
    check_views,
)
from cgan_lib.course.exercises.averages import check_average, check_rates
from cgan_lib.course.exercises.basics import (
    check_nonsaturating,
    check_numbers_in_image,
    check_one_style_ten_digits,
    check_scaled_pixels,
)
from cgan_lib.course.exercises.blocks import check_doubling, check_up_block
from cgan_lib.course.exercises.cheating import check_cheat, check_own_metric
from cgan_lib.course.exercises.client import check_client
from cgan_lib.course.exercises.dcgan import (
    check_curve_reading,
    check_dcgan_init,
    check_fade_in,
    check_start_scale,
    check_weight_counts,
)
from cgan_lib.course.exercises.designs import check_own_generator, check_ring_setting
from cgan_lib.course.exercises.flow import check_euler, check_flow_target, check_mended_flow_loss
from cgan_lib.course.exercises.flow_paths import (
    check_bend,
    check_best_velocity,
    check_guidance,
    check_one_pass,
    check_sampler,
)
from cgan_lib.course.exercises.hinge import check_hinge, check_hinge_optimum, check_pair_loss
from cgan_lib.course.exercises.lab import check_diagnosis, check_mended
from cgan_lib.course.exercises.labels import check_generator_forward, check_label_planes, check_one_hot_planes
from cgan_lib.course.exercises.latents import check_between, check_film, check_slerp, check_truncated
from cgan_lib.course.exercises.listening import (
    check_deaf_to_z,
    check_erased_label,
    check_share_of_z,
)
from cgan_lib.course.exercises.loops import check_mended_batches, check_training_loop
from cgan_lib.course.exercises.measuring import (
    check_coverage,
    check_fid,
    check_frechet,
    check_gan_test,
    check_precision,
    check_swapped_labels,
)
from cgan_lib.course.exercises.mending import check_mended_loss, check_mended_samples
from cgan_lib.course.exercises.normalising import check_batch_norm, check_instance_norm
from cgan_lib.course.exercises.own_pictures import (
    check_class_numbers,
    check_drawn_weights,
    check_split,
    check_three_channels,
    check_upright,
    check_which_is_better,
)
from cgan_lib.course.exercises.penalties import (
    check_damping,
    check_lazy,
    check_r1,
    check_r2,
    check_relativistic,
)
from cgan_lib.course.exercises.projection import check_projection_head
from cgan_lib.course.exercises.pruning import check_median_rule, check_own_rule
from cgan_lib.course.exercises.searching import check_bolder, check_finder, check_mean_difference
from cgan_lib.course.exercises.serving import check_batch, check_next_pass, check_passes, check_status_codes
from cgan_lib.course.exercises.sharing import check_class_weights, check_safe_loading, check_same_generator
from cgan_lib.course.exercises.spectral import check_power_iteration, check_spectral_layer, check_stretch
from cgan_lib.course.exercises.steps import check_discriminator_step, check_generator_step, check_mended_step
from cgan_lib.course.exercises.theory import (
    check_best_discriminator,
    check_divergence,
    check_modes,
    check_wasserstein,
)
from cgan_lib.course.exercises.trusting import (
    check_confusion,
    check_copied,
    check_fair_ranking,
    check_held_out,
    check_interval,
    check_two_sets,
)
from cgan_lib.course.exercises.tuning import (
    check_by_luck,
    check_log_scale,
    check_random_trials,
    check_remaining,
    check_space,
    check_winners_luck,
)
from cgan_lib.course.exercises.verdict import EXERCISES, Exercise, Verdict, yours

__all__ = [
    "EXERCISES",
    "Exercise",
    "Verdict",
    "check_augmentation",
    "check_average",
    "check_batch",
    "check_batch_norm",
    "check_bend",
    "check_best_discriminator",
    "check_best_velocity",
    "check_between",
    "check_bolder",
    "check_by_luck",
    "check_cheat",
    "check_class_numbers",
    "check_class_weights",
    "check_client",
    "check_confusion",
    "check_copied",
    "check_coverage",
    "check_curve_reading",
    "check_damping",
    "check_dcgan_init",
    "check_deaf_to_z",
    "check_diagnosis",
    "check_discriminator_step",
    "check_divergence",
    "check_doubling",
    "check_drawn_weights",
    "check_erased_label",
    "check_euler",
    "check_fade_in",
    "check_fair_ranking",
    "check_fid",
    "check_film",
    "check_finder",
    "check_flow_target",
    "check_frechet",
    "check_gan_test",
    "check_generator_forward",
    "check_generator_step",
    "check_guidance",
    "check_held_out",
    "check_hinge",
    "check_hinge_optimum",
    "check_instance_norm",
    "check_interval",
    "check_label_planes",
    "check_lazy",
    "check_log_scale",
    "check_mean_difference",
    "check_median_rule",
    "check_mended",
    "check_mended_batches",
    "check_mended_flow_loss",
    "check_mended_loss",
    "check_mended_samples",
    "check_mended_step",
    "check_modes",
    "check_next_pass",
    "check_nonsaturating",
    "check_numbers_in_image",
    "check_one_hot_planes",
    "check_one_pass",
    "check_one_style_ten_digits",
    "check_own_generator",
    "check_own_metric",
    "check_own_rule",
    "check_pair_loss",
    "check_passes",
    "check_power_iteration",
    "check_precision",
    "check_projection_head",
    "check_r1",
    "check_r2",
    "check_random_trials",
    "check_rates",
    "check_relativistic",
    "check_remaining",
    "check_ring_setting",
    "check_safe_loading",
    "check_same_generator",
    "check_sampler",
    "check_scaled_pixels",
    "check_share_of_z",
    "check_slerp",
    "check_space",
    "check_spectral_layer",
    "check_split",
    "check_start_scale",
    "check_status_codes",
    "check_stretch",
    "check_swapped_labels",
    "check_table_rows",
    "check_three_channels",
    "check_training_loop",
    "check_truncated",
    "check_two_attribute_head",
    "check_two_sets",
    "check_two_tables",
    "check_up_block",
    "check_upright",
    "check_views",
    "check_wasserstein",
    "check_weight_counts",
    "check_which_is_better",
    "check_winners_luck",
    "yours",
]
