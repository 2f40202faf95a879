{{/* How Prometheus is reached: as settings, and what they name as files. Operator and forecaster ask the same one. */}}
{{- define "foresail.prometheusSettings" -}}
prometheus_url: {{ .Values.prometheus.url }}
{{- if .Values.prometheus.tokenSecret.name }}
prometheus_bearer_token_file: /etc/foresail/token/token
{{- end }}
{{- if .Values.prometheus.caConfigMap.name }}
prometheus_ca_file: /etc/foresail/ca/ca.crt
{{- end }}
{{- end }}

{{- define "foresail.prometheusMounts" -}}
{{- if .Values.prometheus.tokenSecret.name }}
- {name: token, mountPath: /etc/foresail/token, readOnly: true}
{{- end }}
{{- if .Values.prometheus.caConfigMap.name }}
- {name: ca, mountPath: /etc/foresail/ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "foresail.prometheusVolumes" -}}
{{- with .Values.prometheus.tokenSecret }}
{{- if .name }}
- name: token
  secret:
    secretName: {{ .name }}
    items: [{key: {{ .key }}, path: token}]
{{- end }}
{{- end }}
{{- with .Values.prometheus.caConfigMap }}
{{- if .name }}
- name: ca
  configMap:
    name: {{ .name }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end }}
