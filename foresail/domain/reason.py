"""The closed set of reasons in decisions and conditions, documented in docs/reasons.md."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a number or a condition is what it is; CamelCase, as Kubernetes wants it."""

    # What the number rests on.
    FORECAST_DEMAND = "ForecastDemand"
    DEMAND_NOW = "DemandNow"
    NO_TRAFFIC = "NoTraffic"
    METRICS_UNKNOWN = "MetricsUnknown"
    CAPACITY_UNKNOWN = "CapacityUnknown"
    TARGET_NOT_FOUND = "TargetNotFound"
    MODE_OFF = "ModeOff"

    # What changed it: guards.
    POOL_EXHAUSTED = "PoolExhausted"
    POOL_SHARED = "PoolShared"
    RECLAIMED = "Reclaimed"
    FALLBACK_STATIC = "FallbackStatic"
    FALLBACK_LAST_FORECAST = "FallbackLastForecast"
    DEMAND_UNKNOWN = "DemandUnknown"
    FORECAST_UNKNOWN = "ForecastUnknown"
    CONSOLIDATION_UNSAFE = "ConsolidationUnsafe"
    WITHIN_TOLERANCE = "WithinTolerance"
    METRICS_JUST_KNOWN = "MetricsJustKnown"
    LEADER_CHANGED = "LeaderChanged"
    EDITED_BY_HAND = "EditedByHand"
    STABILIZED = "Stabilized"
    REPLICAS_STUCK = "ReplicasStuck"
    STEP_LIMITED = "StepLimited"
    SCALING_DISABLED = "ScalingDisabled"
    SCHEDULE_FLOOR = "ScheduleFloor"
    OVERRIDE = "Override"
    MIN_REPLICAS = "MinReplicas"
    MAX_REPLICAS = "MaxReplicas"
    CONFLICTING_CONTROLLER = "ConflictingController"

    # Conditions only.
    DECIDING = "Deciding"
    ADVISING = "Advising"
    METRICS_FRESH = "MetricsFresh"
    TARGET_FOUND = "TargetFound"
    TARGET_FORBIDDEN = "TargetForbidden"
    TARGET_UNREADABLE = "TargetUnreadable"
    CAPACITY_SUFFICIENT = "CapacitySufficient"
    INVENTORY_UNKNOWN = "InventoryUnknown"
    ACCELERATOR_NOT_FOUND = "AcceleratorNotFound"
    CALIBRATED = "Calibrated"
    MISCALIBRATED = "Miscalibrated"
    CALIBRATION_PENDING = "CalibrationPending"
    NO_CONFLICT = "NoConflict"
    NO_OVERRIDE = "NoOverride"
    OVERRIDE_EXPIRED = "OverrideExpired"
    SPEC_INVALID = "SpecInvalid"
    NOT_OBSERVED = "NotObserved"

    # The operator's own condition Ready.
    WATCH_STALLED = "WatchStalled"
    CYCLE_FAILED = "CycleFailed"
    WRITE_REFUSED = "WriteRefused"
    FORECAST_FAILED = "ForecastFailed"

    # Why the operator's own forecast stands in for the forecaster's.
    FORECASTER_UNREACHABLE = "ForecasterUnreachable"
    FORECASTER_TIMEOUT = "ForecasterTimeout"
    FORECASTER_FAILED = "ForecasterFailed"
    FORECASTER_MALFORMED = "ForecasterMalformed"
    FORECASTER_RESTING = "ForecasterResting"
    FORECAST_REFUSED = "ForecastRefused"
    FORECAST_NOT_SERVED = "ForecastNotServed"

    # Why a signal is unknown.
    NO_SERIES = "NoSeries"
    STALE_SERIES = "StaleSeries"
    NOT_FINITE = "NotFinite"
    METRICS_WARMING_UP = "MetricsWarmingUp"
    NO_READY_REPLICAS = "NoReadyReplicas"
    NO_HISTORY = "NoHistory"
    PROMETHEUS_UNREACHABLE = "PrometheusUnreachable"
    PROMETHEUS_TIMEOUT = "PrometheusTimeout"
    PROMETHEUS_THROTTLED = "PrometheusThrottled"
    PROMETHEUS_REDIRECTS = "PrometheusRedirects"
    PROMETHEUS_UNAUTHORIZED = "PrometheusUnauthorized"
    PROMETHEUS_FAILED = "PrometheusFailed"
    QUERY_REFUSED = "QueryRefused"
    ANSWER_TOO_LARGE = "AnswerTooLarge"
    ANSWER_MALFORMED = "AnswerMalformed"
    CREDENTIALS_UNREADABLE = "CredentialsUnreadable"
    CLOCK_SKEW = "ClockSkew"
