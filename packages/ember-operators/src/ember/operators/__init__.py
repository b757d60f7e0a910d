"""Operators: plain Python to call, pytrees to JAX, validated where asked. Read in order: _fields, _module, _pytree,
_operator, _contract, _spec, _function, _compose."""

from ._calling import agather as agather, arun as arun, run as run
from ._compose import Chain as Chain, Parallel as Parallel
from ._fields import Param as Param, param as param, prompt as prompt, static as static
from ._function import Function as Function, op as op
from ._module import Module as Module
from ._operator import Operator as Operator
from ._version import __version__ as __version__
from .errors import Problem as Problem, SpecMismatch as SpecMismatch
