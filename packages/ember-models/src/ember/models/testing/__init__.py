"""Test a provider, or anything that calls one, against a real server on this machine.

Read in order: _reply (what a test can ask for), _dialect with _openai, _anthropic, _google and _ollama (what the server
says by itself), _speech (which of the two), _limits (whom it refuses), _frames (replies as bytes), _connection,
_server, _process; and _network, which refuses everything beyond this machine. `ember.models.testing.plugin` holds the
pytest fixtures.
"""

from ._network import NetworkRefused as NetworkRefused, refusing as refusing
from ._process import ServerProcess as ServerProcess
from ._record import Account as Account, Request as Request, Stats as Stats
from ._reply import Script as Script
from ._server import LocalServer as LocalServer
