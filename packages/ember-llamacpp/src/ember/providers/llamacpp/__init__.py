"""Language models inside this process, by llama.cpp.

Read in order: _provider, _transport, _choices, _model, _weights, _pull.
"""

from ._provider import LlamaCpp as LlamaCpp
from ._pull import pull as pull
from ._version import __version__ as __version__
from ._weights import WeightsError as WeightsError
