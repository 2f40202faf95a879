{{/* What the operator needs in each namespace that it watches. tests/manifests/rights.py says why, verb by verb. */}}
{{- define "foresail.namespacedRules" -}}
- apiGroups: [foresail.dev]
  resources: [modeldeployments]
  verbs: [list, watch]
- apiGroups: [foresail.dev]
  resources: [modeldeployments/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch{{ if .Values.rbac.podDeletionCost }}, patch{{ end }}]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, watch]
- apiGroups: [autoscaling.aibrix.ai, autoscaling.internal.knative.dev]
  resources: [podautoscalers]
  verbs: [list, watch]
{{- if .Values.routing.httpRoutes.enabled }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, patch]
{{- end }}
{{- range .Values.scaleTargets }}
- apiGroups: [{{ .group | quote }}]
  resources: [{{ .resource }}/scale]
  # Deployments and StatefulSets are watched; of every other kind the scale subresource is read in each cycle.
  verbs: {{ if and (eq .group "apps") (has .resource (list "deployments" "statefulsets")) }}[patch]{{ else }}[get, patch]{{ end }}
{{- end }}
{{- end }}

{{/* What it can read only with rights on the whole cluster. */}}
{{- define "foresail.clusterRules" -}}
- apiGroups: [foresail.dev]
  resources: [acceleratorprofiles]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces, nodes]
  verbs: [list, watch]
{{- end }}
