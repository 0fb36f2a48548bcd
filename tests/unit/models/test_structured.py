import pytest

from surefoot.models.structured import takes_schema


def closed(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        closed(name={"type": "string", "description": "d"}, age={"type": ["integer", "null"], "default": None}),
        closed(kind={"enum": ["a", 1, None]}, when={"type": "string", "format": "date-time"}),
        closed(tags={"type": "array", "items": {"type": "string"}, "minItems": 1}),
        closed(either={"anyOf": [{"type": "string"}, closed(a={"const": 1})]}),
        {**closed(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}), "$defs": {"A": closed(x={"type": "number"})}},
    ],
)
def test_schemas_that_are_taken(schema):
    assert takes_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        closed(age={"type": "integer", "minimum": 0}),
        closed(name={"type": "string", "maxLength": 3}),
        closed(tags={"type": "array", "items": {"type": "string"}, "minItems": 2}),
        closed(tags={"type": "array", "items": {"type": "object"}}),
        closed(kind={"enum": [{"a": 1}]}),
        closed(when={"type": "string", "format": "phone"}),
        closed(either={"oneOf": [{"type": "string"}]}),
        closed(any=True),
        {**closed(a={"$ref": "#/$defs/A"}), "$defs": {"A": closed(next={"$ref": "#/$defs/A"})}},
        closed(a={"$ref": "#/$defs/Missing"}),
        closed(a={"$ref": "https://example.com/schema"}),
    ],
)
def test_schemas_that_would_be_refused(schema):
    assert not takes_schema(schema)
