"""Typed reading of a resource's fields: what is read knows its path, so every refusal can name it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from foresail.domain.errors import SpecError

Choice = TypeVar("Choice", bound=StrEnum)

DECIMAL = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
INT32_MAX = 2**31 - 1


class Fields:
    """One object of a manifest. A field that is absent or null has its default; unknown fields are not looked at."""

    def __init__(self, source: str, path: str, value: Any) -> None:
        self.source = source
        self.path = path
        if not isinstance(value, Mapping):
            self.refuse("", "must be an object", value=value, remedy="indent its fields below it")
        self.values: Mapping[Any, Any] = value

    def has(self, name: str) -> bool:
        """Whether a field is there."""
        return self.values.get(name) is not None

    def refuse(self, name: str, problem: str, *, value: Any, remedy: str) -> NoReturn:
        """Raise the SpecError that names this object's field, or with an empty name the object itself."""
        field = f"{self.path}.{name}" if self.path and name else self.path or name
        raise SpecError(self.source, field, problem, value=value, remedy=remedy)

    def get(self, name: str, kind: type, what: str, default: Any = None) -> Any:
        """A field of a given type. Without a default it must be there. `what` names the type with its article."""
        value = self.values.get(name)
        if value is None:
            if default is None:
                self.refuse(name, "is missing", value=None, remedy=f"set it to {what}")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(name, f"must be {what}", value=value, remedy="correct its type")
        return value

    def integer(self, name: str, default: int | None = None, *, minimum: int = 0, maximum: int = INT32_MAX) -> int:
        """An integer within bounds."""
        value = self.get(name, int, "an integer", default)
        if not minimum <= value <= maximum:
            self.refuse(name, f"must lie in {minimum}…{maximum}", value=value, remedy="choose a number within")
        return int(value)

    def text(self, name: str, default: str | None = None, *, pattern: str | None = None, example: str = "") -> str:
        """A string that is not empty (unless its default is), matching the whole of a pattern."""
        value = str(self.get(name, str, "a string", default))
        if value == default:
            return value
        if not value or (pattern is not None and re.fullmatch(pattern, value) is None):
            self.refuse(name, "is not well-formed", value=value, remedy=f"write it as {example}")
        return value

    def optional_text(self, name: str, *, pattern: str | None = None, example: str = "") -> str | None:
        """A string, or None when it is absent."""
        return self.text(name, pattern=pattern, example=example) if self.has(name) else None

    def optional_integer(self, name: str, *, minimum: int = 0) -> int | None:
        """An integer, or None when it is absent."""
        return self.integer(name, minimum=minimum) if self.has(name) else None

    def decimal(self, name: str) -> Decimal:
        """A decimal string of at least zero."""
        value = self.get(name, str, 'a decimal string such as "4.69"')
        if DECIMAL.fullmatch(value) is None:
            self.refuse(name, "must be a decimal string of at least 0", value=value, remedy='write it as "4.69"')
        return Decimal(value)

    def choice(self, name: str, default: Choice) -> Choice:
        """One of the values of the default's enumeration."""
        return self.chosen(name, type(default), self.get(name, str, "a string", default.value))

    def chosen(self, name: str, kind: type[Choice], value: Any) -> Choice:
        """A value of an enumeration."""
        if value not in [member.value for member in kind]:
            names = ", ".join(kind)
            self.refuse(name, "is not known", value=value, remedy=f"choose one of {names}")
        return kind(value)

    def object(self, name: str) -> Fields:
        """An object inside; absent reads as one without fields."""
        value = self.values.get(name)
        return Fields(self.source, f"{self.path}.{name}" if self.path else name, {} if value is None else value)

    def items(self, name: str) -> list[Any]:
        """A list; absent reads as empty."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(name, "must be a list", value=value, remedy="write each item after a dash")
        return value

    def objects(self, name: str) -> Iterator[Fields]:
        """The objects of a list."""
        for index, item in enumerate(self.items(name)):
            yield Fields(self.source, f"{self.path}.{name}[{index}]", item)
