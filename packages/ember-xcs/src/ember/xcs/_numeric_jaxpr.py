"""Would plain Python have computed some of this itself, with more digits than jax?"""

from __future__ import annotations

from typing import Any, Final

_CONVERSIONS: Final = frozenset(("convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "copy"))
"""What jax does to a Python number or a numpy array first when it meets one beside its own arrays."""


def more_digits_in_python(jaxpr: Any, plain: list[int]) -> str | None:
    """Say why the inputs numbered `plain`, Python numbers and numpy arrays, may not stand for jax arrays, or None.

    `x * rate` may: jax makes float32 of `rate` either way. `x * (rate / 3)` may not: Python divides in float64. What is
    computed of such inputs alone is Python's or numpy's own work, as is what is returned as it came.
    """
    own = {jaxpr.invars[at] for at in plain}
    for equation in jaxpr.eqns if own else ():
        inputs = [each for each in equation.invars if not hasattr(each, "val")]
        if not inputs or not all(each in own for each in inputs):
            continue
        if equation.primitive.name not in _CONVERSIONS:
            return (
                f"{equation.primitive.name} is computed of Python numbers or numpy arrays alone, in more digits than "
                "jax keeps; pass a jax.Array"
            )
        own.update(equation.outvars)
    if any(each in own for each in jaxpr.outvars if not hasattr(each, "val")):
        return "its result is a Python number or a numpy array as it came"
    return None
