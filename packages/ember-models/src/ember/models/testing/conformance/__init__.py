"""What every provider does, as a suite that a provider's own tests run:

    from ember.models.testing.conformance import ProviderSuite

    class TestParrot(ProviderSuite):
        provider = "parrot"

`ProviderSuite` asks the installed provider by `models(...)` and has a `LocalServer` answer in the vendor's format: one
of those that the server speaks, or one of the author's own in `speaks`. `ModelSuite` is the part of it that needs no
such server, for providers with a transport of their own; `LiveSuite` runs that part at the vendor's own service, with
the user's own key, for a cent at most.

Read in order: _suite, _model_suite, _live_suite, _local, then what is expected of a provider over HTTP: _answers,
_requests, _streams, _faults.
"""

import pytest

# Before they are imported: a failing assert then shows its values, as in any test.
pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("_model_suite", "_answers", "_requests", "_streams", "_faults"))
)

from ._live_suite import LiveSuite as LiveSuite  # noqa: E402
from ._model_suite import ModelSuite as ModelSuite  # noqa: E402
from ._provider_suite import ProviderSuite as ProviderSuite  # noqa: E402
