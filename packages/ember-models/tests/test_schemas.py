"""Schemas in the form that vendors' strict modes take: closed, complete, and still satisfied by the same answers."""

from __future__ import annotations

from typing import Any, Final

import pytest

from ember.models.schemas import strict_schema

OPEN: Final[dict[str, dict[str, Any]]] = {
    "an object that names nothing": {"type": "object"},
    "free keys": {"type": "object", "properties": {}, "additionalProperties": True},
    "free keys of one type": {"type": "object", "additionalProperties": {"type": "integer"}},
    "inside a list": {"type": "array", "items": {"type": "object"}},
    "inside a union": {"anyOf": [{"type": "null"}, {"type": "object"}]},
    "inside a definition": {"$defs": {"a": {"type": "object"}}, "$ref": "#/$defs/a"},
    "inside a property called default": {"type": "object", "properties": {"default": {"type": "object"}}},
}


@pytest.mark.parametrize("case", OPEN)
def test_a_schema_that_is_open_anywhere_stays_as_it_is_and_is_not_strict(case: str) -> None:
    assert strict_schema(OPEN[case]) == (OPEN[case], False)


def test_what_stands_in_an_instance_opens_nothing() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x"], "default": {"type": "object"}}}}
    assert strict_schema(schema)[1] is True


def test_every_object_is_closed_and_every_property_required() -> None:
    inner = {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x"],
    }
    strict, _ = strict_schema({"type": "object", "properties": {"list": {"type": "array", "items": inner}}})
    closed = {**inner, "required": ["x", "y"], "additionalProperties": False}
    assert strict["properties"]["list"]["items"] == closed
    assert (strict["required"], strict["additionalProperties"]) == (["list"], False)


def test_the_schema_that_was_given_is_left_alone() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"x": {"allOf": [{"type": "integer"}], "default": None}},
    }
    before = repr(schema)
    assert strict_schema(schema)[0]["properties"]["x"] == {"type": "integer"}
    assert repr(schema) == before


def test_a_reference_with_neighbours_is_written_out_and_the_neighbours_win() -> None:
    schema = {
        "$defs": {"a/b": {"type": "integer", "description": "a number", "title": "N"}},
        "type": "object",
        "properties": {
            "alone": {"$ref": "#/$defs/a~1b"},
            "told": {"$ref": "#/$defs/a~1b", "description": "in years"},
            "lost": {"$ref": "#/$defs/none", "description": "nowhere"},
            "far": {"$ref": "https://example.org/schema", "description": "elsewhere"},
        },
    }
    strict, _ = strict_schema(schema)
    assert strict["properties"] == {
        "alone": {"$ref": "#/$defs/a~1b"},
        "told": {"type": "integer", "description": "in years", "title": "N"},
        # Whether these mean anything is the server's to say.
        "lost": {"$ref": "#/$defs/none", "description": "nowhere"},
        "far": {"$ref": "https://example.org/schema", "description": "elsewhere"},
    }


def test_a_type_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node", "description": "the next one"}}}
    strict, is_strict = strict_schema({"$defs": {"node": node}, "$ref": "#/$defs/node", "title": "Chain"})
    assert is_strict
    assert (strict["title"], strict["type"]) == ("Chain", "object")
    assert strict["properties"]["next"] == {"$ref": "#/$defs/node"}
