"""Test a provider, or anything that calls one, against a real server on this machine.

Read in order: _reply (what a test can ask for), _dialects (what the server says by itself), _frames (replies as bytes),
_connection, _server, _process. `ember.models.testing.plugin` holds the pytest fixtures.
"""

from ._process import ServerProcess as ServerProcess
from ._record import Account as Account, Request as Request, Stats as Stats
from ._reply import Reply as Reply, Script as Script
from ._server import LocalServer as LocalServer
