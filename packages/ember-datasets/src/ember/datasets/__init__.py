"""Data sets that PyPI packages bring along. Each is streamed by its name: `stream("fanoutqa")`."""

from ._fanoutqa import fanoutqa as fanoutqa
from ._humaneval import humaneval as humaneval
from ._mmlu import mmlu_dev as mmlu_dev
from ._reasoning import reasoning_gym as reasoning_gym
