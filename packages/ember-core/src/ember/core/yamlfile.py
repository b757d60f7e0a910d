"""YAML files that people write and programs change: read without trust, edited without losing a comment.

Errors give file, line and column, and never a line of the file, which may hold a key. Functions that have the text of
a file in a local variable therefore return a `_Problem`; the error is raised where only the path is at hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from .errors import ConfigFileError
from .files import LARGEST, Content
from .secrets import Secret

if TYPE_CHECKING:
    import yaml

Keys: TypeAlias = tuple[str, ...]
Change: TypeAlias = tuple[Keys, Any]

_DEEPEST: Final = 50
_UTF16_OR_32: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
# Texts that both YAML 1.1 (PyYAML) and 1.2 (ruamel.yaml) take for text without quotes.
_PLAIN: Final = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9_./-]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and the line and column (from 1) each key stands at. Shows no value when printed."""

    tree: dict[str, Any] = field(repr=False)
    places: Mapping[Keys, tuple[int, int]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Problem:
    text: str
    line: int | None = None
    column: int | None = None


def load(content: Content, path: Path) -> Document:
    """Return what `content`, of the file at `path`, says.

    Raises ConfigFileError for anything but mappings, lists and plain values of UTF-8 text: no anchors, aliases or tags,
    nothing nested more than 50 deep, no key twice. It takes a fraction of a second whatever the file holds.
    """
    found = _parse(content)
    if isinstance(found, _Problem):
        raise ConfigFileError(path, found.text, found.line, found.column)
    return found


def edit(content: Content | None, changes: Sequence[Change], path: Path) -> Content:
    """Return `content` with `changes` made and everything else, comments and order included, left as it was.

    A change is the keys that lead to a value, and the value; None takes the key out. Raises ConfigFileError if the file
    cannot be read, or cannot be changed without saying something else as well.
    """
    found = _edit(content or Content(b""), changes)
    if isinstance(found, _Problem):
        raise ConfigFileError(path, found.text, found.line, found.column)
    return found


def _decode(content: Content) -> str | _Problem:
    data = content.data
    if len(data) > LARGEST:
        return _Problem(f"is too large: {len(data):,} bytes, where {LARGEST:,} are allowed")
    if data.startswith(_UTF16_OR_32):
        return _Problem("is UTF-16 or UTF-32 text; save it as UTF-8", 1, 1)
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return _Problem("is not UTF-8 text", data.count(b"\n", 0, error.start) + 1)
    if "\0" in text:
        return _Problem("is not text: it holds a NUL", text.count("\n", 0, text.index("\0")) + 1)
    return text


def _parse(content: Content) -> Document | _Problem:
    text = _decode(content)
    if isinstance(text, _Problem):
        return text
    if not text.strip():
        return Document({}, {})

    import yaml  # only once there is a file with something in it

    # libyaml's parser where PyYAML was built with it, as its wheels are: twelve times as fast.
    loader = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        problem = _refuse(yaml.parse(text, Loader=loader))
        if problem is not None:
            return problem
        root = yaml.compose(text, Loader=loader)
        if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == "tag:yaml.org,2002:null"):
            return Document({}, {})
        if not isinstance(root, yaml.MappingNode):
            return _Problem("must be a list of `key: value` lines at the top", *_place(root.start_mark))
        places: dict[Keys, tuple[int, int]] = {}
        tree = _build(root, (), places, yaml.SafeLoader(""))
    except yaml.MarkedYAMLError as error:
        return _Problem(f"is not YAML: {_harmless(error.problem)}", *_place(error.problem_mark))
    except yaml.reader.ReaderError as error:
        return _Problem(
            "holds a character that YAML does not allow", text.count("\n", 0, int(error.position)) + 1
        )
    except (yaml.YAMLError, ValueError, OverflowError):  # a date or a number that is none
        return _Problem("is not YAML that Ember can read")
    return tree if isinstance(tree, _Problem) else Document(cast("dict[str, Any]", tree), places)


def _refuse(events: Any) -> _Problem | None:
    """Look at a file's events one by one, before anything is built of them: what expands or nests stops here."""
    import yaml

    depth = documents = 0
    for event in events:
        problem = None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = "uses an anchor or alias (& or *), which settings may not"
        elif getattr(event, "tag", None) is not None:
            problem = "uses a tag (!), which settings may not"
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > _DEEPEST:
                problem = f"is nested more than {_DEEPEST} deep"
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                problem = "holds more than one document (---)"
        if problem is not None:
            return _Problem(problem, *_place(event.start_mark))
    return None


def _build(node: yaml.Node, keys: Keys, places: dict[Keys, tuple[int, int]], scalars: Any) -> Any:
    """Return the plain value of `node`, or a _Problem, and note the place of each key."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        level: dict[str, Any] = {}
        for name_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            name = name_node.value
            if name_node.tag != "tag:yaml.org,2002:str" or not isinstance(name, str):
                return _Problem(
                    "has a key that YAML does not take for text; put it in quotes",
                    *_place(name_node.start_mark),
                )
            if name in level:
                return _Problem("has the same key twice in one place", *_place(name_node.start_mark))
            places[*keys, name] = _place(name_node.start_mark)
            value = _build(value_node, (*keys, name), places, scalars)
            if isinstance(value, _Problem):
                return value
            level[name] = value
        return level
    if isinstance(node, yaml.SequenceNode):
        values: list[Any] = []
        for inner in cast("list[yaml.Node]", node.value):
            value = _build(inner, keys, places, scalars)
            if isinstance(value, _Problem):
                return value
            values.append(value)
        return values
    try:
        return scalars.construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        return _Problem(
            "has a value that YAML takes for a date or number, and cannot read; quote it",
            *_place(node.start_mark),
        )


def _place(mark: Any) -> tuple[int, int]:
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _harmless(problem: str | None) -> str:
    # The parser's messages quote single characters, and now and then a name from the file: that is left out.
    return re.sub(r"(['\"]).{2,}\1", "…", problem or "it ends too early")


def _edit(content: Content, changes: Sequence[Change]) -> Content | _Problem:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    before = _parse(content)
    text = _decode(content)
    if isinstance(before, _Problem):
        return before
    if isinstance(text, _Problem):
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    editor: Any = YAML()
    editor.preserve_quotes = True
    editor.width = 1_000_000  # long lines stay one line
    try:
        if before.tree:
            editor.indent(_indent(before), *_list_indents(text))
        root = editor.load(text) if text.strip() else None
        tree = CommentedMap() if root is None else root
        expected = before.tree
        for keys, value in changes:
            _put(tree, keys, value, wrap=True)
            _put(expected, keys, value, wrap=False)
        out = StringIO()
        # A file of comments alone is nothing to the editor, which would drop them.
        if root is None and text.strip():
            out.write(text.rstrip("\n") + "\n")
        if tree:
            editor.dump(tree, out)
    except (YAMLError, ValueError, RecursionError):
        return _Problem("cannot be changed without rewriting it; change it by hand")
    edited = Content(out.getvalue().replace("\n", newline).encode())
    after = _parse(edited)
    # By their printed form: 1, True and 1.0 are equal, and a file that says one does not say another.
    if isinstance(after, _Problem) or repr(after.tree) != repr(expected):
        return _Problem("cannot be changed without changing what else it says; change it by hand")
    return edited


def _indent(document: Document) -> int:
    """Return how far the file's author indents the keys below a key."""
    for keys, (line, column) in document.places.items():
        above = document.places.get(keys[:-1])
        if above is not None and line > above[0] and column > above[1]:
            return column - above[1]
    return 2


def _list_indents(text: str) -> tuple[int, int]:
    """Return how far the author indents what stands in a list, and the dashes before it."""
    from ruamel.yaml import util

    _, indent, offset = cast("Any", util).load_yaml_guess_indent(text)
    return indent or 2, offset or 0


def _put(tree: MutableMapping[str, Any], keys: Keys, value: Any, *, wrap: bool) -> None:
    name, *rest = keys
    if not rest:
        if value is None:
            tree.pop(name, None)
        else:
            tree[_wrapped(name) if wrap else name] = _wrapped(value) if wrap else _plain(value)
        return
    inner = tree.get(name)
    if not isinstance(inner, MutableMapping):
        if value is None:
            return
        tree[_wrapped(name) if wrap else name] = inner = {}
    level = cast("MutableMapping[str, Any]", inner)
    _put(level, tuple(rest), value, wrap=wrap)
    if not level and value is None:
        del tree[name]


def _plain(value: object) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return list(map(_plain, cast("list[object]", value)))
    return value


def _wrapped(value: object) -> Any:
    """Return `value` for the editor, texts in quotes unless every reader of YAML takes them for text anyway."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

    if isinstance(value, Secret):
        return Quoted(value.reveal())
    if isinstance(value, dict):
        return {_wrapped(name): _wrapped(inner) for name, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return list(map(_wrapped, cast("list[object]", value)))
    return value if not isinstance(value, str) or _PLAIN.fullmatch(value) else Quoted(value)
