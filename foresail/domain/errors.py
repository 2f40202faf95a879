"""The error tree: exceptions are for what cannot be answered; refused, stale and missing are answers with types.

* ForesailError
  x InputError            something that a person wrote cannot be understood    source, field, problem, value, remedy
    + SpecError           … in the spec of a custom resource
    + SettingsError       … in the operator's settings
    + ArtifactError       … in a trained model that was kept: damaged, or of something else
  x ForecastError         no forecast can be made of this window
  x ActuationError        a write was not done
    + ConflictError       the object changed since it was read
"""

from __future__ import annotations


class ForesailError(Exception):
    """Root of everything that Foresail raises about the world."""


class InputError(ForesailError):
    """Something that a person wrote cannot be understood; the message names field, value and remedy."""

    def __init__(self, source: str, field: str, problem: str, *, value: object, remedy: str) -> None:
        super().__init__(f"{source}: {field}: {problem}, got {value!r}; {remedy}")
        self.source = source
        self.field = field
        self.problem = problem
        self.value = value
        self.remedy = remedy


class SpecError(InputError):
    """The spec of a custom resource cannot be understood."""


class SettingsError(InputError):
    """The operator's settings cannot be understood."""


class ArtifactError(InputError):
    """A trained model that was kept cannot be used: damaged, newer, or of other indicators or another step."""


class ForecastError(ForesailError):
    """No forecast can be made of this window."""


class ActuationError(ForesailError):
    """A write was not done."""


class ConflictError(ActuationError):
    """The object changed since it was read."""
