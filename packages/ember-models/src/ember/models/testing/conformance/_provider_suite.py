"""All that is expected of a provider over HTTP."""

from __future__ import annotations

from ._answers import Answers
from ._faults import Faults
from ._model_suite import ModelSuite
from ._requests import Requests
from ._streams import Streams


class ProviderSuite(Answers, Requests, Streams, Faults, ModelSuite):
    """The conformance suite: subclass it, say which `provider`, and let pytest run it.

    `provider` is the name under which it is installed. The rest has defaults: `model` is the first of its
    `known_models`, `embed_model` the first of those with "embed" in its name. `settings` are its `providers.<name>`
    settings, and `speaks` are dialects of the local server, by the end of the path, for a vendor with a format of its
    own.
    """
