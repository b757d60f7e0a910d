"""JSON by schema: the answer's shape is enforced while it is written, and parsed when it is there."""

from ember.api import models

MODEL = "smollm2"

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
    "required": ["name", "age", "city"],
    "additionalProperties": False,
}


def main() -> None:
    text = "Maria Lopez is 34 years old and lives in Madrid, where she repairs violins."
    answer = models(
        MODEL,
        f"Extract the person from this text as JSON: {text}",
        schema=PERSON,
        temperature=0,
        max_tokens=80,
    )
    person = answer.parsed
    print(f"  {person['name']} is {person['age']} and lives in {person['city']}.")


if __name__ == "__main__":
    main()
