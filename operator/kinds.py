"""The kinds that are watched, and which of them the operator cannot do without."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of the API server. `required`: without it nothing is decided; others are watched where they exist."""

    group: str
    version: str
    plural: str
    namespaced: bool = True
    required: bool = False

    def path(self, namespace: str | None) -> str:
        """Path of the collection, of one namespace or of all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{namespace}" if namespace is not None and self.namespaced else ""
        return f"{root}{inside}/{self.plural}"

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


KINDS = (
    Kind("foresail.dev", "v1alpha1", "modeldeployments", required=True),
    Kind("foresail.dev", "v1alpha1", "acceleratorprofiles", namespaced=False),
    Kind("", "v1", "pods", required=True),
    Kind("", "v1", "nodes", namespaced=False),
    Kind("", "v1", "namespaces", namespaced=False),
    Kind("apps", "v1", "deployments", required=True),
    Kind("apps", "v1", "statefulsets", required=True),
    # Other controllers of the same replicas.
    Kind("autoscaling", "v2", "horizontalpodautoscalers"),
    Kind("keda.sh", "v1alpha1", "scaledobjects"),
    Kind("autoscaling.aibrix.ai", "v1alpha1", "podautoscalers"),
    Kind("autoscaling.internal.knative.dev", "v1alpha1", "podautoscalers"),
)
