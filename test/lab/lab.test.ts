import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { ask, sendBytes, startSink, startWho } from '../../src/lab/apps.ts'
import { createLab, type Lab } from '../../src/lab/lab.ts'
import { labPaths, labsOnMachine, netnsNamesOf, netnsPath } from '../../src/lab/names.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { startProcess } from '../../src/lab/process/process.ts'
import { waitFor } from '../../src/lab/process/wait.ts'

const START_TIMEOUT_MS = 60_000

/** Two servers, one a node, and a client on the first. */
async function smallCluster(lab: Lab) {
  const [client, one, two] = (await lab.addPods([
    { node: 'node1', name: 'client', labels: { app: 'client' } },
    {
      node: 'node1',
      name: 'server-1',
      labels: { app: 'server' },
      ports: [{ name: 'who', port: 8080 }],
    },
    {
      node: 'node2',
      name: 'server-2',
      labels: { app: 'server' },
      ports: [{ name: 'who', port: 9090 }],
    },
  ])) as [LabPod, LabPod, LabPod]
  await Promise.all([startWho(one, 'server-1', 8080), startWho(two, 'server-2', 9090)])
  return { client, one, two }
}

function ownAddresses({
  addresses: { v4, v6 },
}: {
  readonly addresses: LabPod['addresses']
}): string[] {
  return v6 === undefined ? [v4] : [v4, v6]
}

function names(answers: Awaited<ReturnType<typeof ask>>): string[] {
  return [...new Set(answers.map((one) => (one.ok ? one.answer.name : one.error)))].sort()
}

test('a cluster without a mesh', async (t) => {
  await using lab = await createLab()
  const { client, one, two } = await smallCluster(lab)
  const who = { selector: { app: 'server' }, ports: [{ name: 'who', port: 80, targetPort: 'who' }] }

  await t.test(
    'pods reach pods of both nodes in both families, and see true addresses',
    async () => {
      for (const [pod, port] of [
        [one, 8080],
        [two, 9090],
      ] as const) {
        for (const [index, address] of ownAddresses(pod).entries()) {
          const [answer] = await ask(client, address, port)
          assert.ok(answer?.ok, JSON.stringify(answer))
          assert.equal(answer.answer.name, pod.name)
          assert.equal(answer.answer.accept[0], ownAddresses(client)[index])
          assert.deepEqual(answer.answer.local, [address, port])
          assert.deepEqual(answer.peer, [address, port])
        }
      }
    },
  )

  await t.test(
    'a ClusterIP leads to both endpoints in both families, from pods and from nodes',
    async () => {
      const service = await lab.addService({ name: 'both', ...who })
      assert.equal(service.spec.clusterIPs.length, 2)
      for (const where of [client, two, lab.node('node2')]) {
        for (const address of service.spec.clusterIPs) {
          const answers = await ask(where, address, 80, { count: 30 })
          assert.deepEqual(names(answers), ['server-1', 'server-2'])
        }
      }
    },
  )

  await t.test(
    'readiness and termination take endpoints out, and none left is refused at once',
    async () => {
      const { spec } = await lab.addService({ name: 'ready', ...who })
      await lab.setReady(two, false)
      assert.deepEqual(names(await ask(client, spec.clusterIP, 80, { count: 15 })), ['server-1'])
      await lab.setReady(one, false)
      assert.match(names(await ask(client, spec.clusterIP, 80)).join(), /ConnectionRefused/)
      await lab.setReady(one, true)
      await lab.setReady(two, true)
      assert.deepEqual(names(await ask(client, spec.clusterIP, 80, { count: 30 })), [
        'server-1',
        'server-2',
      ])
    },
  )

  await t.test('affinity, local policy and external addresses', async () => {
    const sticky = await lab.addService({ name: 'sticky', ...who, affinitySeconds: 600 })
    const first = names(await ask(client, sticky.spec.clusterIP, 80, { count: 20 }))
    assert.equal(first.length, 1)
    await lab.addService({ name: 'unrelated', ...who })
    assert.deepEqual(names(await ask(client, sticky.spec.clusterIP, 80, { count: 20 })), first)
    const local = await lab.addService({ name: 'local', ...who, internalTrafficPolicy: 'Local' })
    assert.deepEqual(names(await ask(client, local.spec.clusterIP, 80, { count: 20 })), [
      'server-1',
    ])
    await lab.addService({ name: 'external', ...who, externalIPs: ['198.51.100.7'] })
    assert.deepEqual(names(await ask(client, '198.51.100.7', 80, { count: 30 })), [
      'server-1',
      'server-2',
    ])
  })

  await t.test('a pod reaches itself through its own service', async () => {
    const { spec } = await lab.addService({ name: 'self', ...who, internalTrafficPolicy: 'Local' })
    assert.deepEqual(names(await ask(one, spec.clusterIP, 80, { count: 3 })), ['server-1'])
  })

  await t.test('a service without a selector has the endpoints that somebody wrote', async () => {
    const ports = [{ name: 'who', port: 80 }]
    const service = await lab.addService({ name: 'manual', ports, ipFamilies: ['IPv4'] })
    const { spec, metadata } = service
    assert.match(names(await ask(client, spec.clusterIP, 80)).join(), /ConnectionRefused/)
    await lab.apply({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': metadata.name } },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: [two.addresses.v4],
          conditions: { ready: true, serving: true, terminating: false },
        },
      ],
      ports: [{ name: 'who', port: 9090, protocol: 'TCP' }],
    })
    assert.deepEqual(names(await ask(client, spec.clusterIP, 80, { count: 3 })), ['server-2'])
  })

  await t.test('a headless service has endpoints and no address', async () => {
    const { spec } = await lab.addService({ name: 'headless', type: 'headless', ...who })
    assert.deepEqual(spec.clusterIPs, ['None'])
    const slices = lab.objects
      .list()
      .filter((object) => object.kind === 'EndpointSlice')
      .filter(({ metadata }) => metadata.labels['kubernetes.io/service-name'] === 'headless')
    // Two families, and in each a slice for every number that the named port has.
    assert.deepEqual(
      slices
        .flatMap(({ ports, endpoints }) =>
          endpoints.map(({ addresses }) => `${addresses[0]} ${ports[0]?.port}`),
        )
        .sort(),
      [
        ...ownAddresses(one).map((ip) => `${ip} 8080`),
        ...ownAddresses(two).map((ip) => `${ip} 9090`),
      ].sort(),
    )
  })

  await t.test("drops hold at the target's link, on the same node and between nodes", async () => {
    for (const [pod, port] of [
      [one, 8080],
      [two, 9090],
    ] as const) {
      const undo = await lab.deny({ from: client, to: pod, port })
      for (const address of ownAddresses(pod)) {
        assert.match(
          names(await ask(client, address, port, { patienceMs: 300 })).join(),
          /timed out/,
        )
        assert.deepEqual(names(await ask(pod === one ? two : one, address, port)), [pod.name])
      }
      await undo()
      assert.deepEqual(names(await ask(client, pod.addresses.v4, port)), [pod.name])
    }
  })

  await t.test('a cut link stops traffic between nodes alone', async (own) => {
    const heal = await lab.cutLink(lab.node('node2'))
    own.after(heal)
    assert.match(
      names(await ask(client, two.addresses.v4, 9090, { patienceMs: 300 })).join(),
      /timed out/,
    )
    assert.deepEqual(names(await ask(client, one.addresses.v4, 8080)), ['server-1'])
    await heal()
    assert.deepEqual(names(await ask(client, two.addresses.v4, 9090)), ['server-2'])
  })

  await t.test('a delayed link is as late as said, both ways', async (own) => {
    const [before] = await ask(client, two.addresses.v4, 9090)
    const undo = await lab.delayLink(lab.node('node2'), 30)
    own.after(undo)
    for (const address of ownAddresses(two)) {
      const [during] = await ask(client, address, 9090)
      // A connection and a question: two ways there, two back.
      assert.ok(during?.ok === true && during.us >= 120_000, JSON.stringify(during))
    }
    const sink = await startSink(two, 7001)
    assert.equal((await sendBytes(client, two.addresses.v4, 7001, 2_000_000)).bytes, 2_000_000)
    await sink.stop()
    await undo()
    const [after] = await ask(client, two.addresses.v4, 9090)
    assert.ok(before?.ok === true && after?.ok === true, JSON.stringify({ before, after }))
  })

  await t.test('a machine outside is reached with the address of the node', async () => {
    const host = await lab.addHost('outside')
    await startWho(host, 'outside', 8080)
    for (const [index, address] of ownAddresses(host).entries()) {
      const [answer] = await ask(client, address, 8080)
      assert.ok(answer?.ok, JSON.stringify(answer))
      assert.equal(answer.answer.accept[0], ownAddresses(lab.node('node1'))[index])
    }
  })

  await t.test('bytes arrive', async () => {
    const sink = await startSink(two, 7000)
    assert.equal((await sendBytes(client, two.addresses.v4, 7000, 5_000_000)).bytes, 5_000_000)
    await sink.stop()
  })
})

test('pods have the cgroups of a kubelet, and are in them from the first instruction', async () => {
  await using lab = await createLab({ nodes: ['node1'] })
  for (const cgroupStyle of ['cgroupfs', 'systemd'] as const) {
    for (const qos of ['guaranteed', 'burstable', 'besteffort'] as const) {
      const pod = await lab.addPod({
        node: 'node1',
        name: `${cgroupStyle}-${qos}`,
        cgroupStyle,
        qos,
      })
      const { stdout } = await pod.exec(['cat', '/proc/self/cgroup'])
      const path =
        stdout
          .split('\n')
          .find((line) => line.startsWith('0::'))
          ?.slice(3) ?? ''
      const [uid, id] = [pod.uid, pod.containerId]
      const tier = qos === 'guaranteed' ? '' : qos
      const below = tier === '' ? '' : `-${tier}`
      const expected =
        cgroupStyle === 'cgroupfs'
          ? join('kubepods', tier, `pod${uid}`, id)
          : join(
              'kubepods.slice',
              tier === '' ? '' : `kubepods-${tier}.slice`,
              `kubepods${below}-pod${uid.replaceAll('-', '_')}.slice`,
              `cri-containerd-${id}.scope`,
            )
      assert.ok(path.endsWith(`/node1/${expected}`), `${path} does not end with ${expected}`)
      assert.ok(pod.processes().length > 0, 'its pause process is there')
      assert.ok(pod.cgroup.startsWith(pod.node.kubepods(cgroupStyle)))
    }
  }
})

test('a command in a container sees no more than a container does', async () => {
  await using lab = await createLab({ nodes: ['node1'] })
  const pod = await lab.addPod({ node: 'node1', name: 'app' })
  const read = async (argv: string[], capabilities: readonly 'NET_ADMIN'[] = []) =>
    (await pod.exec(argv, { container: true, capabilities })).stdout
  assert.equal((await read(['ls', '/sys/fs/bpf'])).trim(), '')
  assert.deepEqual((await read(['ls', '/sys/class/net'])).trim().split('\n').sort(), ['eth0', 'lo'])
  assert.ok((await read(['cat', '/proc/self/cgroup'])).split('\n').includes('0::/'))
  assert.equal((await read(['cat', '/proc/1/comm'])).trim(), 'cat')
  const setLink = ['ip', 'link', 'set', 'lo', 'mtu', '60000']
  await assert.rejects(pod.exec(setLink, { container: true }), /Operation not permitted/)
  await read(setLink, ['NET_ADMIN'])
  await assert.rejects(
    pod.exec(['mount', '-t', 'bpf', 'bpf', '/mnt'], { container: true }),
    /permission denied/,
  )
})

test('a removed pod leaves nothing, and its address can be used again at once', async () => {
  await using lab = await createLab({ nodes: ['node1'] })
  const pod = await lab.addPod({ node: 'node1', name: 'app', addressIndex: 7 })
  const sleeper = pod.spawn(['sleep', 'infinity'])
  await waitFor('it to be in the pod', () => pod.processes().includes(sleeper.pid))
  await lab.removePod(pod)
  assert.equal((await sleeper.exited).signal, 'SIGKILL')
  assert.ok(!existsSync(pod.cgroup) && !existsSync(pod.netns))
  const { stdout: links } = await pod.node.exec(['ip', '-oneline', 'link'])
  assert.ok(!links.includes(pod.hostInterface), links)
  assert.equal(lab.objects.get('Pod', 'default', 'app'), undefined)
  const next = await lab.addPod({ node: 'node1', name: 'next', addressIndex: 7 })
  assert.deepEqual(next.addresses, pod.addresses)
})

test('a name is taken once', async () => {
  await using lab = await createLab({ nodes: ['node1'] })
  await assert.rejects(createLab({ name: lab.name }), new RegExp(`process ${process.pid} owns it`))
  assert.ok(existsSync(lab.paths.run), 'the refused one removed nothing')
})

test('a closed lab leaves nothing', async () => {
  const lab = await createLab()
  await smallCluster(lab)
  await lab.close()
  assert.ok(!labsOnMachine().includes(lab.name))
})

for (const mesh of [false, true]) {
  const what = mesh ? 'a lab with a mesh' : 'a lab'
  test(`${what} whose owner is killed leaves nothing`, async () => {
    const name = `doomed-${process.pid}`
    const script = join(import.meta.dirname, 'support/doomed-owner.ts')
    const argv = [process.execPath, script, name, mesh ? 'mesh' : '']
    const owner = startProcess(argv)
    const pids = JSON.parse(await owner.waitForLine(/^\[/, START_TIMEOUT_MS)) as number[]
    // Two pause processes and two programs; with the mesh two pods more, proxies, keepers,
    // operator.
    assert.ok(pids.length >= (mesh ? 11 : 4), `only ${pids.length} processes`)
    const inodes = netnsNamesOf(name).map((one) => statSync(netnsPath(one)).ino)
    assert.equal(inodes.length, 5)
    const paths = labPaths(name)
    assert.ok(readdirSync(paths.bpffs).length > 0)
    owner.kill('SIGKILL')
    await waitFor('the janitor', () => !labsOnMachine().includes(name))
    for (const path of [paths.run, paths.cgroup, paths.bpffs]) assert.ok(!existsSync(path), path)
    assert.deepEqual(netnsNamesOf(name), [])
    assert.deepEqual(pids.filter(isAlive), [])
    // A namespace without a name lives on while a process is in it.
    assert.deepEqual(
      namespacesInUse().filter((inode) => inodes.includes(inode)),
      [],
    )
  })
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function namespacesInUse(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        return [Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[0])]
      } catch {
        return []
      }
    })
}
