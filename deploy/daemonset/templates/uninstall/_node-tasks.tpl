{{/*
A pod on every node that the proxy was on, ready when its task there is done.
(dict "root" $ "name" NAME "args" LIST "capabilities" LIST "folders" DICT of volume to path)
*/}}
{{- define "sluice.nodeTask" -}}
{{- $root := .root }}
{{- $labels := dict "root" $root "component" .name }}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: sluice-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "sluice.labels" $labels | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "sluice.selector" .name | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "sluice.labels" $labels | nindent 8 }}
    spec:
      {{- with include "sluice.pullSecrets" $root }}
      {{- . | nindent 6 }}
      {{- end }}
      serviceAccountName: sluice-nodeproxy
      automountServiceAccountToken: false
      priorityClassName: {{ $root.Values.nodeproxy.priorityClassName }}
      # The keeper outlives its pods, and is ended by its process id.
      hostPID: true
      terminationGracePeriodSeconds: 5
      nodeSelector:
        {{- toYaml $root.Values.nodeproxy.nodeSelector | nindent 8 }}
      {{- with $root.Values.nodeproxy.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      tolerations:
        {{- toYaml $root.Values.nodeproxy.tolerations | nindent 8 }}
      initContainers:
        - name: task
          image: {{ include "sluice.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args:
            - nodeproxy
            {{- range .args }}
            - {{ . }}
            {{- end }}
            - --node=$(NODE_NAME)
            - --operator={{ include "sluice.operatorName" $root }}:15012
            - --state=/host/lib/sluice
            - --keeper-socket=/host/run/sluice/keeper.sock
            - --takeover-socket=/host/run/sluice/takeover.sock
          env:
            - name: NODE_NAME
              valueFrom:
                fieldRef:
                  fieldPath: spec.nodeName
          securityContext:
            {{- include "sluice.nodeSecurity" (dict "root" $root "capabilities" .capabilities) | nindent 12 }}
          volumeMounts:
            {{- range $name, $folder := .folders }}
            - name: {{ $name }}
              mountPath: {{ $folder.inside }}
              {{- if eq $name "bpffs" }}
              mountPropagation: HostToContainer
              {{- end }}
            {{- end }}
      containers:
        - name: done
          image: {{ include "sluice.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command:
            - /usr/bin/node
            - --eval
            - process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1 << 30)
          securityContext:
            {{- include "sluice.restricted" $root | nindent 12 }}
      volumes:
        {{- range $name, $folder := .folders }}
        - name: {{ $name }}
          hostPath:
            path: {{ $folder.path }}
            type: Directory
        {{- end }}
{{- end -}}

{{/* Has the proxy take every pod of its node out of the mesh. */}}
{{- define "sluice.withdrawer" -}}
{{- $run := dict "path" "/run" "inside" "/host/run" }}
{{- include "sluice.nodeTask" (dict "root" . "name" "withdrawer" "args" (list "--withdraw") "capabilities" (list) "folders" (dict "run" $run)) }}
{{- end -}}

{{/* Takes hooks, pins, keeper and files away. Folders above ours: one that is mounted itself cannot be removed. */}}
{{- define "sluice.cleaner" -}}
{{- $bpffs := dict "path" "/sys/fs/bpf" "inside" "/sys/fs/bpf" }}
{{- $lib := dict "path" "/var/lib" "inside" "/host/lib" }}
{{- $run := dict "path" "/run" "inside" "/host/run" }}
{{- include "sluice.nodeTask" (dict "root" . "name" "cleaner" "args" (list "--uninstall") "capabilities" (list "BPF") "folders" (dict "bpffs" $bpffs "lib" $lib "run" $run)) }}
{{- end -}}
