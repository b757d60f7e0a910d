"""What programs that start the command, or a setup screen's bridge, rely on."""

from __future__ import annotations

import io
from typing import assert_type

from ember.cli import main
from ember.cli.bridge import PROTOCOL, Bridge

assert_type(main(), int)
spoken: int = PROTOCOL
assert_type(Bridge(io.StringIO(), io.StringIO()).serve(), None)
