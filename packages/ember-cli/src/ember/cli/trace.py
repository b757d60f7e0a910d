"""`ember trace view FILE`."""

from __future__ import annotations

from ._group import Group, Lazy

trace = Group(
    "trace",
    help="Look at recorded runs.",
    examples="        ember trace view run.json\n        ember trace view run.html",
    commands={"view": Lazy("ember.cli._trace_view:view", "Show a recorded run.")},
)
