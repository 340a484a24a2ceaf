{{/* A pod on every node that the proxy was on. It is ready when the node is clean. */}}
{{- define "sluice.cleaner" -}}
{{- $labels := dict "root" . "component" "cleaner" }}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: sluice-cleaner
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "sluice.labels" $labels | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "sluice.selector" "cleaner" | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "sluice.labels" $labels | nindent 8 }}
    spec:
      {{- with include "sluice.pullSecrets" . }}
      {{- . | nindent 6 }}
      {{- end }}
      serviceAccountName: sluice-nodeproxy
      automountServiceAccountToken: false
      priorityClassName: {{ .Values.nodeproxy.priorityClassName }}
      # The keeper of listeners may have outlived its pod, and is ended by its process id.
      hostPID: true
      terminationGracePeriodSeconds: 5
      nodeSelector:
        {{- toYaml .Values.nodeproxy.nodeSelector | nindent 8 }}
      {{- with .Values.nodeproxy.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      tolerations:
        {{- toYaml .Values.nodeproxy.tolerations | nindent 8 }}
      initContainers:
        - name: clean
          image: {{ include "sluice.image" . }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          args:
            - nodeproxy
            - --uninstall
            - --node=$(NODE_NAME)
            - --operator={{ include "sluice.operatorName" . }}:15012
            - --state=/host/lib/sluice
            - --keeper-socket=/host/run/sluice/keeper.sock
            - --takeover-socket=/host/run/sluice/takeover.sock
          env:
            - name: NODE_NAME
              valueFrom:
                fieldRef:
                  fieldPath: spec.nodeName
          securityContext:
            {{- include "sluice.nodeSecurity" (dict "root" . "capabilities" (list "BPF")) | nindent 12 }}
          volumeMounts:
            - name: bpffs
              mountPath: /sys/fs/bpf
              mountPropagation: HostToContainer
            - name: lib
              mountPath: /host/lib
            - name: run
              mountPath: /host/run
      containers:
        - name: done
          image: {{ include "sluice.image" . }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          command:
            - /usr/bin/node
            - --eval
            - process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1 << 30)
          securityContext:
            {{- include "sluice.restricted" . | nindent 12 }}
      volumes:
        - name: bpffs
          hostPath:
            path: /sys/fs/bpf
            type: Directory
        # The folders above ours: a folder that is mounted itself cannot be removed.
        - name: lib
          hostPath:
            path: /var/lib
            type: Directory
        - name: run
          hostPath:
            path: /run
            type: Directory
{{- end -}}
