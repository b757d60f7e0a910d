"""What a docstring says: of the function, and of each parameter, in Google's style or Sphinx's."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Final, NamedTuple

_SECTION: Final = re.compile(
    r"^(Args|Arguments|Parameters|Returns|Return|Raises|Yields|Examples?|Notes?):\s*$"
)
_ENTRY: Final = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_SPHINX: Final = re.compile(
    r"^:(param|parameter|arg|argument|type|returns?|rtype|raises)\b\s*([^:]*):\s*(.*)$"
)


class Docstring(NamedTuple):
    """The description of a function, and of its parameters by name."""

    summary: str
    parameters: dict[str, str]


def read(text: str | None) -> Docstring:
    """Return what a docstring says; sections on anything but the parameters are left out.

    >>> read("Add.\\n\\nArgs:\\n    a: The one,\\n        in m.\\n    b (int): The other.\\n\\nReturns:\\n    A sum.")
    Docstring(summary='Add.', parameters={'a': 'The one, in m.', 'b': 'The other.'})
    >>> read("Add.\\n\\n:param a: The one.\\n:param int b: The other.")
    Docstring(summary='Add.', parameters={'a': 'The one.', 'b': 'The other.'})
    """
    summary: list[str] = []
    parameters: dict[str, str] = {}
    section, entry = "", ""
    for line in cleandoc(text or "").splitlines():
        if found := _SECTION.match(line):
            section, entry = found[1], ""
        elif found := _SPHINX.match(line):
            section, entry = "Sphinx", ""
            if found[1] in ("param", "parameter", "arg", "argument") and found[2]:
                entry = found[2].split()[-1]
                parameters[entry] = found[3]
        elif line and not line[0].isspace() and section not in ("", "Sphinx"):
            section, entry = "", ""  # text after a section
            summary.append(line)
        elif not section:
            summary.append(line)
        elif section == "Sphinx" or section in ("Args", "Arguments", "Parameters"):
            said = line.strip()
            started = _ENTRY.match(said) if section != "Sphinx" and _indent(line) == 4 else None
            if started is not None:
                entry = started[1]
                parameters[entry] = started[2]
            elif entry and said:
                parameters[entry] = f"{parameters[entry]} {said}".strip()
    return Docstring("\n".join(summary).strip(), parameters)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
