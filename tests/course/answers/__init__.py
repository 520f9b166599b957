"""Right and wrong answers to the exercises, a file for each notebook.

In each: RIGHT, pairs of a check's name and an answer; WRONG, with a part of the hint for this mistake; NOT_ATTEMPTED.
"""
