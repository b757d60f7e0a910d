"""What lets Ember's distributions meet. In order: secrets, errors, events, externals, loop, concurrency, plugins."""

from ._version import __version__ as __version__
from .concurrency import gather as gather
from .errors import EmberError as EmberError
from .events import (
    ROOT as ROOT,
    CallFailed as CallFailed,
    CallFinished as CallFinished,
    CallRetried as CallRetried,
    CallStarted as CallStarted,
    Event as Event,
    Scope as Scope,
    Usage as Usage,
    subscribe as subscribe,
)
from .externals import (
    Estimate as Estimate,
    External as External,
    Handler as Handler,
    external as external,
    handling as handling,
)
from .registry import Registry as Registry
from .resources import resolve as resolve
from .secrets import Secret as Secret, scrub as scrub
