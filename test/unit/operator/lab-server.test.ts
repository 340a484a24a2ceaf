import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type TestContext } from 'node:test'
import { encodeClientMessage } from '../../../src/model/codec/client-codec.ts'
import { decodeServerMessage } from '../../../src/model/codec/server-codec.ts'
import { type LabServerOptions, startLabServer } from '../../../src/operator/lab-server.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-lab-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

async function start(t: TestContext, options: Partial<LabServerOptions> = {}) {
  const server = await startLabServer({ path: join(folder(t), 'lab.sock'), ...options })
  t.after(async () => server.close())
  return server
}

/** A connection to the server that sends lines and reads lines. */
function open(t: TestContext, path: string) {
  const socket: Socket = connect(path)
  t.after(() => socket.destroy())
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  return {
    socket,
    send: (line: string) => void socket.write(`${line}\n`),
    next: async (): Promise<string> => {
      const { value, done } = await lines.next()
      assert.ok(done !== true, 'the server closed the connection')
      return value
    },
    ends: async (): Promise<void> => {
      assert.equal((await lines.next()).done, true)
    },
  }
}

const namespace = (annotations: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', annotations },
})
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u' },
  spec: { nodeName: 'n1' },
  status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }] },
}

function enrolled(server: Awaited<ReturnType<typeof start>>): boolean | undefined {
  const found = server.compiled.resources.find(({ type }) => type === 'enrolment')
  return found?.type === 'enrolment' ? found.enrolled : undefined
}

test('objects are put, annotated and taken away', async (t) => {
  const server = await start(t, { objects: [namespace(), pod] })
  assert.equal(enrolled(server), false)
  server.annotate({ kind: 'Namespace', name: 'shop' }, { 'sluice.dev/enroll': 'true' })
  assert.equal(enrolled(server), true)
  server.apply([namespace()])
  assert.equal(enrolled(server), false)
  server.remove([{ kind: 'Pod', namespace: 'shop', name: 'web' }])
  assert.equal(enrolled(server), undefined)
  server.replace([pod])
  assert.equal(enrolled(server), false)
  assert.throws(
    () => server.annotate({ kind: 'Pod', namespace: 'shop', name: 'wbe' }, {}),
    /there is no Pod shop\/wbe: apply it first, or correct the name/,
  )
})

test('the same by commands over the socket, each answered by one line', async (t) => {
  const server = await start(t)
  const { send, next } = open(t, server.path)
  const run = async (command: object) => {
    send(JSON.stringify(command))
    return JSON.parse(await next()) as { ok: boolean; error?: string; problems?: string[] }
  }
  assert.deepEqual(await run({ command: 'apply', objects: [namespace(), pod] }), {
    ok: true,
    problems: [],
  })
  const reference = { kind: 'Namespace', name: 'shop' }
  await run({ command: 'annotate', reference, annotations: { 'sluice.dev/enroll': 'true' } })
  assert.equal(enrolled(server), true)
  const slip = await run({
    command: 'annotate',
    reference,
    annotations: { 'sluice.dev/enroll': 'no' },
  })
  assert.match(slip.problems?.[0] ?? '', /sluice\.dev\/enroll\] is "no".*"true" stays in force/)
  await run({ command: 'annotate', reference, annotations: { 'sluice.dev/enroll': null } })
  assert.equal(enrolled(server), false)
  await run({ command: 'delete', references: [{ kind: 'Pod', namespace: 'shop', name: 'web' }] })
  assert.equal(enrolled(server), undefined)
  const status = (await run({ command: 'status' })) as { status?: { resources: number } }
  assert.equal(status.status?.resources, 1)
  for (const [command, error] of [
    [{ command: 'destroy' }, /'destroy'|is "destroy", not one of/],
    [{ command: 'apply', objects: 7 }, /objects is 7, not a list/],
    [{ command: 'delete', references: [{ kind: 'Pod' }] }, /references\[0\]\.name is missing/],
    [{ command: 'annotate', reference, annotations: { a: 1 } }, /annotations\[a\] is not text/],
    [{ command: 'annotate', reference: { kind: 'Pod', name: 'x' } }, /there is no Pod \/x/],
  ] as const) {
    const answer = await run(command)
    assert.equal(answer.ok, false)
    assert.match(answer.error ?? '', error)
  }
})

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ['no JSON', 'hello', /is no JSON/],
  ['an ack before hello', encodeClientMessage({ type: 'ack', nonce: '1' }), /'ack' before hello/],
  ['a hello without a node', '{"v":1,"type":"hello"}', /node is missing/],
  ['a newer protocol', '{"v":9,"type":"hello","node":"n"}', /version 9 cannot be read/],
]

for (const [what, line, error] of wrong) {
  test(`${what}: the node is told why, and the stream ends`, async (t) => {
    const server = await start(t)
    const { send, next, ends } = open(t, server.path)
    send(line)
    const decoded = decodeServerMessage(await next())
    assert.ok(decoded.ok && decoded.message.type === 'error')
    assert.match(decoded.message.error, error)
    await ends()
  })
}

test('a second hello is refused, and a connection that ends leaves no session', async (t) => {
  const server = await start(t)
  const { send, next, ends } = open(t, server.path)
  const hello = encodeClientMessage({ type: 'hello', node: 'n1', subscribe: [] })
  send(hello)
  const first = decodeServerMessage(await next())
  assert.ok(first.ok && first.message.type === 'delta' && first.message.delta.initial)
  assert.equal(server.status().sessions.length, 1)
  send(hello)
  assert.match(await next(), /a second hello/)
  await ends()
  assert.equal(server.status().sessions.length, 0)
})

test('a line without an end is not stored without end', async (t) => {
  const server = await start(t)
  const { socket, next } = open(t, server.path)
  socket.write('x'.repeat(17 * 1_048_576))
  assert.match(await next(), /a line of more than 16777216 bytes/)
})

const podYaml = (uid: string) => `apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, uid: ${uid} }
spec: { nodeName: n1 }
`

test('files are read again when they change, and a broken one keeps what it had', async (t) => {
  const files = folder(t)
  const seen: (readonly string[])[] = []
  let changed = Promise.withResolvers<void>()
  const server = await start(t, {
    files: [files],
    onProblems: (problems) => {
      seen.push(problems)
      changed.resolve()
    },
  })
  const names = () =>
    server.compiled.resources.map((one) => (one.type === 'enrolment' ? one.uid : one.type))
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  }
  writeFileSync(join(files, 'pod.yaml.tmp'), podYaml('u1'))
  renameSync(join(files, 'pod.yaml.tmp'), join(files, 'pod.yaml'))
  await until(() => names().includes('u1'))
  writeFileSync(join(files, 'other.yaml.tmp'), 'kind: [\n')
  renameSync(join(files, 'other.yaml.tmp'), join(files, 'other.yaml'))
  await changed.promise
  assert.match(seen.at(-1)?.[0] ?? '', /other\.yaml:\d+:\d+: .*; none of it is used$/)
  changed = Promise.withResolvers<void>()
  writeFileSync(join(files, 'pod.yaml.tmp'), 'kind: {\n')
  renameSync(join(files, 'pod.yaml.tmp'), join(files, 'pod.yaml'))
  await changed.promise
  assert.match(seen.at(-1)?.join() ?? '', /pod\.yaml:\d+:\d+: .*; its last good version stays$/)
  assert.ok(names().includes('u1'))
  rmSync(join(files, 'other.yaml'))
  writeFileSync(join(files, 'pod.yaml.tmp'), podYaml('u2'))
  renameSync(join(files, 'pod.yaml.tmp'), join(files, 'pod.yaml'))
  await until(() => names().includes('u2'))
  await until(() => server.problems.length === 0)
  assert.deepEqual(seen.at(-1), [])
})

test('problems say in which file and line the object stands', async (t) => {
  const file = join(folder(t), 'shop.yaml')
  writeFileSync(file, `# shop\n---\n${podYaml('u').replace('n1', '7')}`)
  const server = await start(t, { files: [file] })
  assert.match(
    server.problems[0] ?? '',
    /Pod shop\/web spec\.nodeName is 7, not text.*shop\.yaml:3\)$/,
  )
})

test('a file that is not there is an error that says so', async (t) => {
  const missing = join(folder(t), 'missing.yaml')
  const server = await start(t, { files: [missing] })
  assert.match(server.problems[0] ?? '', /missing\.yaml cannot be read: ENOENT/)
})

test('the socket of a server that was killed is replaced, another file is not', async (t) => {
  const path = join(folder(t), 'lab.sock')
  const first = await startLabServer({ path })
  await first.close()
  writeFileSync(path, 'precious')
  await assert.rejects(startLabServer({ path }), /it is no socket: give another path/)
  assert.ok(existsSync(path))
  const deep = join(folder(t), 'x'.repeat(120))
  await assert.rejects(startLabServer({ path: deep }), /cannot listen on .*107 characters/)
})

test('a server that ends closes its connections', async (t) => {
  const server = await startLabServer({ path: join(folder(t), 'lab.sock') })
  const { socket, ends } = open(t, server.path)
  await once(socket, 'connect')
  const ended = ends()
  await server.close()
  await ended
})
