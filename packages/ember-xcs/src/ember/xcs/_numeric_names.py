"""What may be named in a numeric function: the names whose meaning is known, of the standard library, numpy and jax."""

from __future__ import annotations

from typing import Final

PURE_LIBRARIES: Final = frozenset(
    ("jax", "jaxlib", "equinox", "optax", "einops", "lineax", "optimistix", "diffrax", "jaxtyping")
)
"""Libraries of pure functions over jax arrays. What they are handed is looked at; they themselves are believed."""

PURE_MODULES: Final = frozenset(("math", "cmath", "operator", "_operator", "itertools"))

PURE_FUNCTIONS: Final = frozenset(
    (
        "functools.partial",
        "functools.reduce",
        "_functools.reduce",
        "_functools.partial",
        "dataclasses.replace",
        "dataclasses.fields",
        "dataclasses.astuple",
        "dataclasses.asdict",
        "typing.cast",
        "collections.OrderedDict",
        "collections.defaultdict",
        "collections.deque",
        "collections.Counter",
    )
)

TRANSFORMS: Final = frozenset(("grad", "value_and_grad", "vmap", "pmap", "scan", "jit", "stop_gradient"))
"""What of `ember.xcs` may be named: each of them meets jax's abstract values as jax's own do."""

BUILTINS: Final = frozenset(
    str.split(
        """
        abs all any bool callable complex dict divmod enumerate filter float frozenset hasattr int
        isinstance issubclass iter len list map max min next object pow property range reversed round set
        slice sorted staticmethod sum super tuple zip NotImplemented Ellipsis __debug__
        """
    )
)

ASKS_FOR_A_TYPE: Final = frozenset(("isinstance", "issubclass", "hasattr", "callable"))
"""Questions to which an abstract value gives another answer than the Python number it stands for."""

REFUSED_ATTRIBUTES: Final = frozenset(
    str.split(
        """
        format __str__ __repr__ __format__ __dict__ __class__ __setattr__ tofile dump dumps aval sharding
        device devices addressable_shards global_shards is_deleted delete on_device_size_in_bytes
        unsafe_buffer_pointer copy_to_host_async
        """
    )
)
"""Of an abstract value these say something else than of an array, or they do more than compute."""

REFUSED_OF_JAX: Final = frozenset(
    str.split(
        """
        core debug _src interpreters config clear_caches profiler monitoring distributed pure_callback
        io_callback live_arrays checking_leaks disable_jit enable_x64 enable_checks device_get save savez
        load loadtxt fromfile frombuffer printoptions set_printoptions get_printoptions array_repr array_str
        array2string print_environment_info Tracer ArrayImpl new_ref ref freeze_ref
        """
    )
)

REFUSED_OF_OPERATOR: Final = frozenset(("attrgetter", "methodcaller"))

MODULES_OF_NUMPY: Final = frozenset(("numpy", "numpy.linalg", "numpy.fft"))
"""Not `numpy.random`: drawn once, when a function is staged, its numbers would be the same for ever."""

REFUSED_OF_NUMPY: Final = frozenset(
    str.split(
        """
        save savez savez_compressed savetxt load loadtxt genfromtxt fromfile memmap seterr seterrcall
        setbufsize errstate printoptions set_printoptions array_repr array_str array2string vectorize
        shares_memory may_share_memory put place copyto putmask fill_diagonal
        """
    )
)

MAKES_TEXT: Final = frozenset(
    str.split(
        """
        FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE BUILD_STRING BUILD_TEMPLATE
        BUILD_INTERPOLATION
        """
    )
)
