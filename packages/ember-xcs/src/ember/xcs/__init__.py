"""Run plain sequential Python in the time of its critical path."""

from ember.core.externals import external as external

from ._errors import GradientThroughCall as GradientThroughCall, Stuck as Stuck, XCSError as XCSError
from ._estimate import Estimated as Estimated, estimate as estimate
from ._grad import grad as grad, stop_gradient as stop_gradient, value_and_grad as value_and_grad
from ._ir import (
    BrokenGraph as BrokenGraph,
    Call as Call,
    Edge as Edge,
    Graph as Graph,
    Path as Path,
    Site as Site,
    Spent as Spent,
    Wait as Wait,
)
from ._jit import Jitted as Jitted, jit as jit
from ._pmap import pmap as pmap
from ._scan import scan as scan
from ._trace import Explanation as Explanation, Trace as Trace, explain as explain, trace as trace
from ._vmap import Vmapped as Vmapped, vmap as vmap
