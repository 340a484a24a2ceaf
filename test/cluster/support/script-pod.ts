/** A pod of the namespace `shop` that runs a program by the Node of the image under test. */
export interface ScriptPod {
  readonly name: string
  readonly node: string
  readonly image: string
  readonly script: string
  readonly metadata?: object
  readonly spec?: object
}

export function scriptPod({ name, node, image, script, metadata, spec }: ScriptPod): object {
  const command = ['/usr/bin/node', '--eval', script]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels: { app: name }, ...metadata },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image, imagePullPolicy: 'Never', command }],
      ...spec,
    },
  }
}
