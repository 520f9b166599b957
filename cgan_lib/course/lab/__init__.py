"""The lab of notebook 08: a conditional GAN of seconds whose parts can be broken, seen to fail, and mended."""

from cgan_lib.course.lab.cases import CANDIDATES, LETTERS, case_run, fault_of, healthy_run, name_of, show_part
from cgan_lib.course.lab.faults import FAULTS, Fault
from cgan_lib.course.lab.parts import LabDiscriminator, Parts
from cgan_lib.course.lab.show import show_case, show_case_signs, show_run, show_signs
from cgan_lib.course.lab.training import LabRun, Scores, train_lab

__all__ = [
    "CANDIDATES",
    "FAULTS",
    "LETTERS",
    "Fault",
    "LabDiscriminator",
    "LabRun",
    "Parts",
    "Scores",
    "case_run",
    "fault_of",
    "healthy_run",
    "name_of",
    "show_case",
    "show_case_signs",
    "show_part",
    "show_run",
    "show_signs",
    "train_lab",
]
