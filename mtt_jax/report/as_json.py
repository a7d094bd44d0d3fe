"""Values that any reader of JSON takes."""

import json
import math
from collections.abc import Mapping
from typing import Any


def dumped(value: Any) -> str:
    """A value as a JSON document for people and programs: indented, with `finite` numbers."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """A value with null in place of numbers that JSON does not have: NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
