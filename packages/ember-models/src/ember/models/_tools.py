"""Python functions as tools: the schema a model is given, made of the signature and the docstring, and calls checked.

pydantic describes and validates the arguments; it is imported by the first call with a function among its tools.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired, cast, get_type_hints

from ember.core.externals import ExternalFunction

from . import _docstring
from ._call import Tool, ToolCall
from ._shape import adapter_of, modern, problems
from .errors import ToolCallError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one call, by name: what the model is told, and the functions where there are some."""

    tools: Mapping[str, Tool]
    functions: Mapping[str, _Function]

    def checked(self, call: ToolCall) -> ToolCall:
        """Return `call` with its arguments validated, or with what is wrong with them."""
        if call.name not in self.tools:
            known = ", ".join(self.tools)
            error = ToolCallError(call.name, (f"there is no such tool, only {known}",), text=call.text)
            return replace(call, checked=error)
        function = self.functions.get(call.name)
        return call if function is None else replace(call, checked=function.arguments(call.text))


@dataclass(frozen=True, slots=True)
class _Function:
    tool: Tool
    call: Callable[..., Any]
    adapter: TypeAdapter[Any]

    def arguments(self, text: str) -> Mapping[str, Any] | ToolCallError:
        from pydantic import ValidationError

        try:
            # A tool without parameters is called by some models with no text at all.
            return cast("dict[str, Any]", self.adapter.validate_json(text.strip() or "{}"))
        except ValidationError as error:
            return ToolCallError(self.tool.name, problems(error), text=text)


def toolbox(given: Any) -> Toolbox:
    """Return the tools of a call. Raises TypeError for what is none, and for two of one name."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        raise TypeError(f"tools is a list of functions; got {type(given).__name__}.")
    tools: dict[str, Tool] = {}
    functions: dict[str, _Function] = {}
    for item in cast("Sequence[object]", given):
        if isinstance(item, Tool):
            tool = item
        else:
            function = _function(item)
            tool = function.tool
            functions[tool.name] = function
        if not _NAME.fullmatch(tool.name):
            raise TypeError(f"A tool's name has letters, digits, _ and -, 64 at most; got {tool.name!r}.")
        if tool.name in tools:
            raise TypeError(f"Two tools are called {tool.name!r}: the model could not tell them apart.")
        tools[tool.name] = tool
    return Toolbox(tools, functions)


def _function(item: Any) -> _Function:
    if inspect.isfunction(item) or isinstance(item, ExternalFunction):
        return _cached(cast(Any, item))
    if inspect.ismethod(item):
        return _described(item)  # not kept: it holds its object
    kind = type(cast(object, item)).__name__
    raise TypeError(f"A tool is a function, a method, an @external function or a Tool; got {kind}.")


@lru_cache(maxsize=256)
def _cached(item: Any) -> _Function:
    return _described(item)


def _described(item: Any) -> _Function:
    plain = inspect.unwrap(item)
    name = str(plain.__name__)
    said = _docstring.read(plain.__doc__)
    # What it returns need not be there to be resolved: it is often imported for type checkers only.
    annotated = {key: hint for key, hint in inspect.get_annotations(plain).items() if key != "return"}
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__=annotated), globalns=plain.__globals__, include_extras=True
        )
    except NameError as error:
        raise TypeError(f"The tool {name} has an annotation that cannot be resolved: {error}.") from None
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(item).parameters.values():
        fields[parameter.name] = _field(name, parameter, hints, said.parameters.get(parameter.name))
    adapter = adapter_of(_arguments(name, fields), lambda _, why: TypeError(f"The tool {name}: {why}."))
    schema = {key: value for key, value in adapter.json_schema().items() if key != "title"}
    return _Function(Tool(name, said.summary, schema), item, adapter)


def _field(tool: str, parameter: inspect.Parameter, hints: Mapping[str, Any], said: str | None) -> Any:
    from pydantic import Field

    if parameter.kind not in _BY_NAME:
        raise TypeError(f"The tool {tool} takes {parameter}: a model can give arguments by name only.")
    if parameter.name not in hints:
        raise TypeError(f"The tool {tool} does not say of which type {parameter.name!r} is; annotate it.")
    hint, default = modern(hints[parameter.name]), parameter.default
    # Told to the model only; the function itself knows what to do without.
    told: dict[str, Any] | None = {"default": default} if isinstance(default, (str, int, float)) else None
    if said or told:
        hint = Annotated[hint, Field(description=said, json_schema_extra=told)]
    return hint if default is parameter.empty else NotRequired[hint]


def _arguments(name: str, fields: Mapping[str, Any]) -> Any:
    """Return the type of a mapping with `fields`: a TypedDict, since its keys may be any names, "json" too."""
    if sys.version_info >= (3, 12):
        from typing import TypedDict
    else:
        from typing_extensions import TypedDict
    made = cast(Any, TypedDict)(name, fields)
    made.__pydantic_config__ = {"extra": "forbid"}
    made.__doc__ = None
    return made


def result_text(value: object) -> str:
    """Return the result of a tool as a model is told it: a string as it is, anything else as JSON."""
    if isinstance(value, str):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        from pydantic_core import to_json

        return to_json(value, fallback=str).decode()
