"""What type checkers know of the data sets."""

from typing import assert_type

from ember.data import Dataset
from ember.datasets import fanoutqa, humaneval, mmlu_dev, reasoning_gym

assert_type(fanoutqa, Dataset)
assert_type(humaneval, Dataset)
assert_type(mmlu_dev, Dataset)
assert_type(reasoning_gym, Dataset)
