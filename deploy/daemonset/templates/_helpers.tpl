{{/* Names are fixed: a cluster has one mesh, and nodes know the operator by its name. */}}
{{- define "sluice.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/component: {{ . }}
{{- end -}}

{{/* Of all objects: (dict "root" $ "component" NAME). */}}
{{- define "sluice.labels" -}}
{{ include "sluice.selector" .component }}
app.kubernetes.io/part-of: sluice
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "sluice.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "sluice.operatorName" -}}
sluice-operator.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* Pods that touch nothing of a node. */}}
{{- define "sluice.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Who works on a node: (dict "root" $ "capabilities" LIST). docs/helm.md says what each is for. */}}
{{- define "sluice.nodeSecurity" -}}
runAsUser: 0
runAsGroup: 0
readOnlyRootFilesystem: true
# An API server refuses allowPrivilegeEscalation: false beside SYS_ADMIN. The image holds no program
# that would gain anything by itself.
capabilities:
  drop: [ALL]
  add: [{{ join ", " .capabilities }}]
seccompProfile:
  {{- toYaml .root.Values.nodeproxy.seccompProfile | nindent 2 }}
{{- if semverCompare ">=1.30-0" .root.Capabilities.KubeVersion.Version }}
# A runtime's own profile would refuse to look at processes of other pods.
appArmorProfile:
  type: Unconfined
{{- end }}
{{- end -}}
