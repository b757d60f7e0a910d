"""What lowered code calls in place of Python's own operations: each as before, and aware of pending values.

None of these waits, but for those about control (`test`, `iterate`, `drain` and their like): where a value is needed
that is not there yet, or something else must come first, the operation becomes a task, and its result is pending.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import operator
from collections.abc import Callable
from types import NoneType
from typing import Any, Final

from ._apart import apart, read, unknown
from ._containers import change
from ._function_effects import flags_of_methods
from ._memory import lazy
from ._pending import UNBOUND as UNBOUND, Pending, Unbound as Unbound
from ._run import Run, local
from ._values import PENDING, SCALARS, is_fixed

NONE: Final[frozenset[int]] = frozenset()
_MISSING: Final = object()


def bound(value: Any, name: str) -> Any:
    """Return the value of a local variable that may have none."""
    if value is UNBOUND:
        raise _unbound(name)
    if type(value) in PENDING and value.kind not in SCALARS:
        return checked(value, lambda found: bound(found, name))
    return value


def own(read: Callable[[], Any], name: str) -> Any:
    """As `bound`, of a variable that nested functions see: read where it is, which may be in a function of ours."""
    try:
        return read()
    except NameError:
        pass
    raise _unbound(name)


def _unbound(name: str) -> UnboundLocalError:
    return UnboundLocalError(f"cannot access local variable {name!r} where it is not associated with a value")


def bound_around(value: Any, name: str) -> Any:
    """As `bound`, in a function of its own within the one whose variable it is: a comprehension."""
    if value is UNBOUND:
        raise NameError(
            f"cannot access free variable {name!r} where it is not associated with a value in enclosing scope"
        )
    if type(value) in PENDING and value.kind not in SCALARS:
        return checked(value, lambda found: bound_around(found, name))
    return value


def checked(value: Any, check: Callable[[Any], object]) -> Any:
    """Return the pending `value`; `check`, called with what it stands for, may raise: then this point fails."""
    run: Run = local.run
    if value.done:
        if value.error is None:
            check(value.value)
        return value
    result = Pending(run, value.kind)
    if run.record is not None:
        run.record.derived(result, (value,))
    result.maker = value
    run.note(result)

    def there() -> None:
        error = value.error
        if error is None:
            try:
                check(value.value)
            except Exception as found:
                error = found
        run.set(result, None if error is not None else value.value, error)

    run.then(value, there)
    return result


# Operators -----------------------------------------------------------------------------


def binary(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """`a + b` and its like, and comparisons."""
    ta, tb = type(a), type(b)
    if ta in SCALARS and tb in SCALARS:
        return operation(a, b)
    if operation is operator.is_ or operation is operator.is_not:
        if ta in PENDING or tb in PENDING:
            if (a is None and _is_something(b)) or (b is None and _is_something(a)):
                return operation is operator.is_not
            return lazy(local.run, operation, (a, b), bool)
        return operation(a, b)
    kind: type | None = None
    if operation in _COMPARISONS:
        kind = bool
    elif ta in PENDING and tb in PENDING:
        kind = a.kind if operation is operator.add and a.kind is b.kind else None
    elif operation is operator.add and (ta is str or tb is str):
        kind = str
    return read(local.run, operation, (a, b), kind)


_COMPARISONS: Final = frozenset(
    {
        operator.eq,
        operator.ne,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
        operator.is_,
        operator.is_not,
    }
)


def _is_something(value: Any) -> bool:
    """Whether a pending value is known not to be None."""
    return type(value) in PENDING and value.kind in SCALARS and value.kind is not NoneType


def unary(operation: Callable[[Any], Any], a: Any) -> Any:
    """`-a` and its like."""
    if type(a) in SCALARS:
        return operation(a)
    return read(local.run, operation, (a,), bool if operation is operator.not_ else None)


def is_in(a: Any, b: Any) -> Any:
    """`a in b`."""
    if type(a) in SCALARS and type(b) in SCALARS:
        return a in b
    return read(local.run, _in, (a, b), bool)


def _in(a: Any, b: Any) -> bool:
    return a in b


def not_in(a: Any, b: Any) -> Any:
    """`a not in b`."""
    if type(a) in SCALARS and type(b) in SCALARS:
        return a not in b
    return read(local.run, _not_in, (a, b), bool)


def _not_in(a: Any, b: Any) -> bool:
    return a not in b


def augmented(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """`a += b` and its like: in place where `a` is a container."""
    if type(a) in SCALARS or (type(a) in PENDING and a.kind in SCALARS) or type(a) is tuple:
        if type(a) in SCALARS and type(b) in SCALARS:
            return operation(a, b)
        text = operation is operator.iadd and (str in (type(a), type(b)))
        return read(local.run, operation, (a, b), str if text or getattr(a, "kind", None) is str else None)
    run = local.run
    if type(a) is list and operation is operator.iadd:
        change(run, a, "extend", (b,), {})
        return a
    if type(a) in PENDING:
        name: str = operation.__name__.strip("_")
        flags = flags_of_methods(f"__{name}__", f"__{name[1:]}__", f"__r{name[1:]}__")
        return apart(run, _augmented, (operation, a, b), (a, b), changes=True, flags=flags)
    return unknown(run, operation, (a, b), {})


def _augmented(run: Run, operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    a = run.force(a)
    return run.force(augmented(operation, a, b))


# Text -----------------------------------------------------------------------------


def text(*parts: Any) -> Any:
    """An f-string: strings, and (value, conversion, format) for what stands in braces."""
    run: Run = local.run
    values: list[Any] = []
    simple, waits = True, False
    for part in parts:
        if type(part) is tuple:
            value, _, spec = part
            if type(value) in PENDING:
                waits = True
                if value.done and not is_fixed(value.value):
                    simple = False
            elif type(value) not in SCALARS and not isinstance(value, str) and not plain_error(value):
                simple = False
            values.append(value)
            if type(spec) in PENDING:
                waits = True
                values.append(spec)
    if simple:
        if not waits:
            return _format(parts, values)
        fallible = any(
            type(part) is tuple and (part[2] != "" or getattr(part[0], "kind", str) is None) for part in parts
        )
        return lazy(run, lambda *known: _format(parts, known), tuple(values), str, fallible)
    return read(run, lambda *known: _format(parts, known), tuple(values), str)


def plain_error(value: Any) -> bool:
    """Whether `value` is an exception whose text is made by Python itself, of plain values."""
    return (
        isinstance(value, BaseException)
        and all(type(getattr(type(value), name)) is _SLOT for name in ("__str__", "__repr__"))
        and all(type(one) in SCALARS for one in value.args)
    )


_SLOT: Final = type(object.__str__)


def _format(parts: tuple[Any, ...], values: Any) -> str:
    known = iter(values)
    done: list[str] = []
    for part in parts:
        if type(part) is not tuple:
            done.append(part)
            continue
        _, conversion, spec = part
        value = next(known)
        if type(spec) in PENDING:
            spec = next(known)
        if conversion == 115:
            value = str(value)
        elif conversion == 114:
            value = repr(value)
        elif conversion == 97:
            value = ascii(value)
        done.append(format(value, spec))
    return "".join(done)
