"""Configuration and credentials, as they hold where the code runs.

Read in order: _blocks (which context is in force), _context (what it answers), _settings (the files and what was set),
_schema (what may be set), _environment, _credentials, _explain, _tree.
"""

from ember.core.errors import ConfigWarning as ConfigWarning

from ._blocks import (
    ContextBlock as ContextBlock,
    create_context as create_context,
    get_context as get_context,
    with_context as with_context,
)
from ._context import EmberContext as EmberContext, Level as Level
from ._credentials import Found as Found
from ._explain import Explanation as Explanation, Origin as Origin
from ._schema import Setting as Setting, known_settings as known_settings
from ._settings import register_section as register_section
