"""What lets Ember's distributions meet. Read in order: errors, secrets, events, externals, loop, concurrency, plugins."""

from ._version import __version__ as __version__
from .concurrency import gather as gather
from .errors import EmberError as EmberError
from .events import ROOT as ROOT
from .events import CallFailed as CallFailed
from .events import CallFinished as CallFinished
from .events import CallRetried as CallRetried
from .events import CallStarted as CallStarted
from .events import Event as Event
from .events import Scope as Scope
from .events import Usage as Usage
from .events import subscribe as subscribe
from .externals import Estimate as Estimate
from .externals import External as External
from .externals import Handler as Handler
from .externals import external as external
from .externals import handling as handling
from .registry import Registry as Registry
from .resources import resolve as resolve
from .secrets import Secret as Secret
from .secrets import scrub as scrub
