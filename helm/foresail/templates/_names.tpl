{{- define "foresail.name" -}}
{{- if contains "foresail" .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}{{ else }}{{ printf "%s-foresail" .Release.Name | trunc 53 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "foresail.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "foresail.name" .) }}
{{- end }}

{{- define "foresail.selector" -}}
app.kubernetes.io/name: foresail
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "foresail.forecaster" -}}
{{ include "foresail.name" . | trunc 52 | trimSuffix "-" }}-forecaster
{{- end }}

{{- define "foresail.forecasterSelector" -}}
app.kubernetes.io/name: foresail
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: forecaster
{{- end }}

{{- define "foresail.forecasterLabels" -}}
{{ include "foresail.forecasterSelector" . }}
{{ include "foresail.commonLabels" . }}
{{- end }}

{{- define "foresail.labels" -}}
{{ include "foresail.selector" . }}
{{ include "foresail.commonLabels" . }}
{{- end }}

{{- define "foresail.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: foresail
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "foresail.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}
