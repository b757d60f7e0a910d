"""`ember data`: one function for each of its commands."""

from __future__ import annotations

from ._group import Group, Lazy

data = Group(
    "data",
    help="List, show and read data sets: by their names, and files.",
    examples="        ember data list\n        ember data head questions.jsonl -n 3",
    commands={
        "list": Lazy("ember.cli._data:list_", "List the data sets there are by name."),
        "show": Lazy("ember.cli._data:show", "Say what is in a data set or a file."),
        "head": Lazy("ember.cli._data:head", "Print the first rows."),
    },
)
