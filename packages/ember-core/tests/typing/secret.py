"""What the checkers infer from `Secret`: it gives its value only when asked, and is no `str` by accident."""

from typing import assert_type

from ember.core.secrets import Secret, scrub

key = Secret("sk-a-key-that-is-not-one")

assert_type(key.reveal(), str)
assert_type(key.hint, str)
assert_type(scrub("text"), str)
assert_type(key == key, bool)

header: str = key  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
Secret(b"bytes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
