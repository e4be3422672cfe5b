"""Make what the Helm chart knows of the server's settings: python scripts/chart_schema.py

Writes the property `settings` of deploy/helm/dlpo/values.schema.json, and settings.txt beside it,
which the chart's templates read to answer an unknown name with the ones it may have meant (helm's
schemas have no such answer). A test fails if either drifts from `ServerSettings`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from dlpo.config.schema import BOUNDS, properties_of, without_null
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings

CHART = Path(__file__).resolve().parents[1] / "deploy" / "helm" / "dlpo"
SCHEMA, NAMES = CHART / "values.schema.json", CHART / "settings.txt"
PATTERNS = {  # of a value that is given as a string; an empty one leaves the default
    "integer": "^([0-9]+)?$", "number": "^([0-9]+(\\.[0-9]+)?)?$", "boolean": "^(true|false)?$",
}  # fmt: skip
_PROPERTY = re.compile(r'^    "settings": \{\n.*?^    \},\n', re.MULTILINE | re.DOTALL)


def value_schema(field: dict[str, Any]) -> dict[str, Any]:
    """What a value in `settings` may be, from the JSON Schema of its field."""
    kind = without_null(field)
    if kind.get("type", "array") == "array":
        return {"type": "string"}  # several values are "a,b"
    if "enum" in kind:
        return {"enum": [*kind["enum"], ""]}
    if (name := kind["type"]) in PATTERNS:
        bounds = {bound: kind[bound] for bound in BOUNDS.values() if bound in kind}
        return {"type": [name, "string"], "pattern": PATTERNS[name]} | bounds
    return {"type": "string"}


def settings() -> dict[str, dict[str, Any]]:
    """Each setting's variable -> what its value may be."""
    fields = properties_of(ServerSettings)
    return {PREFIX + name.upper(): value_schema(field) for name, field in fields.items()}


def schema(text: str) -> str:
    """The text of values.schema.json with the present settings."""
    rows = ",\n".join(
        f"        {json.dumps(name)}: {json.dumps(allowed)}" for name, allowed in settings().items()
    )
    made = f"""    "settings": {{
      "type": "object",
      "propertyNames": {{"pattern": "^DLPO_[A-Z0-9_]+$"}},
      "additionalProperties": {{"type": ["string", "number", "boolean"]}},
      "properties": {{
{rows}
      }}
    }},
"""
    replaced, count = _PROPERTY.subn(lambda _: made, text)
    if count != 1:
        raise SystemExit(f"{SCHEMA}: has no property settings; expected one, indented by 4")
    return replaced


def names() -> str:
    """The text of settings.txt."""
    return "".join(f"{name}\n" for name in sorted(settings()))


if __name__ == "__main__":
    SCHEMA.write_text(schema(SCHEMA.read_text("utf-8")), "utf-8")
    NAMES.write_text(names(), "utf-8")
    sys.stdout.write(f"{SCHEMA}, {NAMES}: written\n")
