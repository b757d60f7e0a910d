"""Test a provider, or anything that calls one, against a real server on this machine.

Read in order: _reply (what a test can ask for), _dialect with _openai, _anthropic, _google and _ollama (what the server
says by itself), _speech (which of the two), _limits (whom it refuses), _frames (replies as bytes), _connection,
_server, _process; _cassette, which records exchanges and gives them again; and _network, which refuses everything
beyond this machine. `ember.models.testing.plugin` holds the pytest fixtures, and `ember.models.testing.conformance`
what every provider is tested for.
"""

from ._cassette import NotRecorded as NotRecorded, recording as recording, replaying as replaying
from ._dialect import (
    Answer as Answer,
    BadRequest as BadRequest,
    Dialect as Dialect,
    Said as Said,
    Say as Say,
    as_json as as_json,
    calls_in as calls_in,
    count as count,
    cut as cut,
)
from ._fitting import fitting as fitting, schema_in as schema_in
from ._network import NetworkRefused as NetworkRefused, refusing as refusing
from ._process import ServerProcess as ServerProcess
from ._record import Account as Account, Request as Request, Stats as Stats
from ._reply import Event as Event, Script as Script
from ._server import LocalServer as LocalServer
