"""Run plain sequential Python in the time of its critical path."""

from ember.core.externals import external as external

from ._errors import Stuck as Stuck, XCSError as XCSError
from ._jit import Jitted as Jitted, jit as jit
