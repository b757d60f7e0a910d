"""The `ember` command. Read in order: _start, _main, _tree (all commands), _group, _exits, _say, _show, a command."""

from ._start import main as main
