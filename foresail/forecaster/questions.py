"""What may be asked: the body of POST /v1/forecasts, understood or refused by the name of the field."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from foresail.domain.timeseries import Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.serve import ForecastRequest

# Names of Kubernetes, which are folders' names as well: no slash, and no dot at the beginning.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
Indicator = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]

MAX_WORKLOADS = 256
MAX_ROWS = 20_000
MAX_STEPS = 2_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)  # a newer operator may say more


class Target(_Strict):
    """Whose pods serve a workload, and which part of a request."""

    name: Name
    role: Literal["Unified", "Prefill", "Decode"] = "Unified"


class Subject(_Strict):
    """What a model is trained for: a workload, where its past is found, and what is asked of it."""

    namespace: Name
    name: Name
    engine: Literal["vLLM", "SGLang", "Auto"] = "Auto"
    targets: tuple[Target, ...] = Field(min_length=1, max_length=64)
    indicators: tuple[Indicator, ...] = Field(min_length=1, max_length=16)
    step_seconds: Seconds
    horizon_seconds: Seconds

    @property
    def key(self) -> WorkloadKey:
        """Identity of the workload."""
        return WorkloadKey(self.namespace, self.name)


class Workload(Subject):
    """A subject and its recent past."""

    end: float = Field(allow_inf_nan=False)
    period_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    values: bytes

    @field_validator("values", mode="before")
    @classmethod
    def _decode(cls, value: object) -> bytes:
        if not isinstance(value, str):
            raise ValueError("must be base64 of little-endian float64")  # noqa: TRY004 - pydantic's way of refusing
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ValueError(f"must be base64 of little-endian float64 ({error})") from error

    @field_validator("values")
    @classmethod
    def _check_length(cls, value: bytes, info: object) -> bytes:
        known = getattr(info, "data", {})
        row = 8 * len(known.get("indicators", ())) or 8
        if not value or len(value) % row or len(value) // row > MAX_ROWS:
            raise ValueError(f"must hold 1 to {MAX_ROWS} whole rows of {row} bytes, holds {len(value)} bytes")
        return value


class Questions(_Strict):
    """The whole body."""

    deadline_seconds: float = Field(default=1.0, gt=0, le=60)
    workloads: tuple[Workload, ...] = Field(max_length=MAX_WORKLOADS)


class Asked(NamedTuple):
    """One question: of what, and the forecast that is wanted."""

    subject: Subject
    request: ForecastRequest


def to_asked(workload: Workload, history: Window | None) -> Asked:
    """The question as the forecasters know it; negative and infinite values are holes as NaN is."""
    values = np.frombuffer(workload.values, dtype="<f8").astype(np.float64).reshape(-1, len(workload.indicators))
    observed = np.isfinite(values) & (values >= 0)
    recent = Window(workload.indicators, workload.step_seconds, workload.end, np.where(observed, values, 0.0), observed)
    horizon = min(workload.horizon_seconds, MAX_STEPS * workload.step_seconds)
    return Asked(to_subject(workload), ForecastRequest(recent, history, horizon, workload.period_seconds))


def to_subject(workload: Workload) -> Subject:
    """The subject without its recent past."""
    return Subject(**{name: getattr(workload, name) for name in Subject.model_fields})
