{{- define "dlpo.selector" -}}
app.kubernetes.io/name: dlpo
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dlpo.labels" -}}
{{ include "dlpo.selector" . }}
app.kubernetes.io/part-of: dlpo
{{- end }}

{{- define "dlpo.metadata" -}}
name: {{ .Release.Name }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "dlpo.labels" . | nindent 2 }}
{{- end }}

{{- define "dlpo.account" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- /* What other charts call it; the schema lets these through, so that the answer is a name. */}}
{{- define "dlpo.check" -}}
{{- range $name, $ours := dict "replicaCount" "replicas" "annotations" "podAnnotations" "labels" "podLabels" "env" "extraEnv" "imagePullSecrets" "image.pullSecrets" }}
{{- if hasKey $.Values $name }}{{ fail (printf "%s: did you mean %s?" $name $ours) }}{{ end }}
{{- end }}
{{- end }}

{{- define "dlpo.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "%s-%s" .Chart.AppVersion (ternary "gpu" "cpu" .Values.gpu.enabled)) }}
{{- end }}

{{- define "dlpo.resources" -}}
{{- $usual := ternary (dict "requests" (dict "cpu" "2" "memory" "4Gi") "limits" (dict "cpu" "4" "memory" "8Gi")) (dict "requests" (dict "cpu" "2" "memory" "1Gi") "limits" (dict "cpu" "2" "memory" "1Gi")) .Values.gpu.enabled }}
{{- $resources := deepCopy (.Values.resources | default $usual) }}
{{- if .Values.gpu.enabled }}
{{- $limits := merge (dict .Values.gpu.resource (toString .Values.gpu.count)) ($resources.limits | default dict) }}
{{- $_ := set $resources "limits" $limits }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{- /* Where pods go, and as whom they run. */}}
{{- define "dlpo.placement" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- $onGpu := .Values.gpu.enabled }}
{{- if and $onGpu .Values.gpu.runtimeClassName }}
runtimeClassName: {{ .Values.gpu.runtimeClassName }}
{{- end }}
{{- with merge (dict) .Values.nodeSelector (ternary (dict "nvidia.com/gpu.present" "true") (dict) $onGpu) }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (ternary (list (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule")) (list) $onGpu) .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dlpo.planBuilder" -}}
- name: plans
  image: "{{ include "dlpo.image" . }}"
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [export, /opt/voices/heart, --tensorrt, --cache, /var/cache/plans, --out, /var/cache/dlpo/heart]
  resources:
    {{- include "dlpo.resources" . | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: plans
      mountPath: /var/cache/plans
    - name: voice
      mountPath: /var/cache/dlpo
    - name: tmp
      mountPath: /tmp
{{- end }}

{{- define "dlpo.planVolumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 2Gi
- name: voice
  emptyDir:
    sizeLimit: 2Gi
- name: plans
  {{- if .Values.gpu.plansClaim }}
  persistentVolumeClaim:
    claimName: {{ .Values.gpu.plansClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: 2Gi
  {{- end }}
{{- end }}

{{- define "dlpo.keysSecret" -}}
{{ .Values.keys.secretName | default (printf "%s-keys" .Release.Name) }}
{{- end }}

{{- define "dlpo.tlsSecret" -}}
{{ .Values.tls.secretName | default (printf "%s-tls" .Release.Name) }}
{{- end }}

{{- define "dlpo.settings" -}}
{{- $settings := dict
  "DLPO_HOST" "0.0.0.0"
  "DLPO_HTTP_HOST" "0.0.0.0"
  "DLPO_HTTP_PORT" "8080"
  "DLPO_HEALTH_HOST" "0.0.0.0"
  "DLPO_HEALTH_PORT" "8081"
  "DLPO_KEYS_FILE" (ternary "/etc/dlpo/keys/keys.toml" "" .Values.keys.enabled)
  "DLPO_TLS_CERTIFICATE" (ternary "/etc/dlpo/tls/tls.crt" "" .Values.tls.enabled)
  "DLPO_TLS_KEY" (ternary "/etc/dlpo/tls/tls.key" "" .Values.tls.enabled)
  "DLPO_PRE_STOP_S" "5"
  "DLPO_GRACE_S" "300"
  "DLPO_LOG_FORMAT" "json"
}}
{{- if .Values.gpu.enabled }}{{ $_ := set $settings "DLPO_ENGINE" (ternary "tensorrt" "cuda" .Values.gpu.tensorrt) }}{{ end }}
{{- range list .Values.gateway .Values.ingress }}{{ if .enabled }}{{ $_ := set $settings "DLPO_ALLOWED_HOSTS" .httpHost }}{{ end }}{{ end }}
{{- if .Values.voices.enabled }}{{ $_ := set $settings "DLPO_VOICE_DIRECTORY" "/var/lib/dlpo/voices" }}{{ end }}
{{- $known := .Files.Get "settings.txt" | trim | splitList "\n" }}
{{- range $name, $value := .Values.settings }}
{{- if not (has $name $known) }}
{{- $alike := list }}
{{- range $known }}{{ if hasPrefix (regexFind "^DLPO_[A-Z0-9]{1,4}" $name) . }}{{ $alike = append $alike . }}{{ end }}{{ end }}
{{- fail (printf "settings.%s: the server has no such setting; %s" $name (ternary (printf "did you mean %s?" (join ", " $alike)) "see settings.txt in the chart" (gt (len $alike) 0))) }}
{{- end }}
{{- if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ $value = int64 $value }}{{ end }}{{ end }}
{{- $_ := set $settings $name (toString $value) }}
{{- end }}
{{- toYaml $settings }}
{{- end }}
