import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  utimesSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { addressSubscription } from '../../../../src/model/names.ts'
import { createStateFile, type StateFile } from '../../../../src/nodeproxy/config/state-file.ts'
import { createStore } from '../../../../src/nodeproxy/config/store.ts'
import { endpoint, enrolment, pod, service } from '../../model/builders.ts'
import { fakeClock, fakeSource } from './support.ts'

const name = (ip: string) => addressSubscription('default', ip)
const web = service('web', { addresses: ['10.96.0.1'], endpoints: [endpoint('10.0.0.1')] })

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-state-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

function start(file: StateFile, node = 'n1') {
  const clock = fakeClock()
  const source = fakeSource()
  const problems: string[] = []
  const store = createStore({
    node,
    source: source.source,
    clock,
    stateFile: file,
    onProblem: (message) => void problems.push(message),
  })
  return { clock, source, store, problems }
}

test('a restart with the source away serves at once what was known', async (t) => {
  const file = createStateFile(join(folder(t), 'state.json'))
  const before = start(file)
  before.source.listener.onConnected()
  void before.store.resolve('10.96.0.1', 'a')
  void before.store.resolve('10.0.0.9', 'b')
  before.source.deliver({
    initial: true,
    complete: true,
    upserts: [web, pod('own'), enrolment('own')],
    present: [name('10.96.0.1')],
    absent: [name('10.0.0.9')],
  })
  await before.store.close()

  const { store, source, clock, problems } = start(file)
  assert.deepEqual(problems, [])
  assert.equal(store.complete, true)
  assert.equal(store.status().fromDisk, true)
  assert.equal(store.status().version, 'v1')
  assert.deepEqual(store.get('uid-own'), enrolment('own'))
  assert.deepEqual(store.tables.service(web.key), web)
  clock.advance(10_000)
  assert.deepEqual(store.resolve('10.96.0.1', 'a'), { state: 'known' })
  assert.deepEqual(store.resolve('10.0.0.9', 'a'), { state: 'absent' })
  // When the source is back it is asked for all of it, and what is gone meanwhile goes.
  assert.deepEqual([...source.names].sort(), [name('10.0.0.9'), name('10.96.0.1')])
  source.listener.onConnected()
  source.deliver({ initial: true, complete: true, upserts: [web], present: [name('10.96.0.1')] })
  assert.equal(store.status().fromDisk, false)
  assert.equal(store.get('uid-own'), undefined)
  assert.ok(store.tables.service(web.key) !== undefined)
  await store.close()
})

test('changes are written a little later, together, and to the end when it closes', async (t) => {
  const path = join(folder(t), 'state.json')
  let saves = 0
  const saved = Promise.withResolvers<void>()
  const real = createStateFile(path)
  const counted: StateFile = {
    load: () => real.load(),
    save: async (state) => {
      saves += 1
      await real.save(state)
      saved.resolve()
    },
  }
  const { store, source, clock } = start(counted)
  for (let n = 0; n < 5; n += 1) source.deliver({ upserts: [enrolment(`p${n}`)] })
  assert.equal(saves, 0)
  clock.advance(1_000)
  await saved.promise
  assert.equal(saves, 1)
  source.deliver({ upserts: [web] })
  clock.advance(4_999)
  source.deliver({ upserts: [pod('last')] })
  assert.equal(saves, 1)
  await store.close()
  assert.equal(saves, 2)
  const again = createStateFile(path).load()
  assert.ok(again.ok)
  assert.equal(again.value?.resources.length, 7)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

const unusable: readonly (readonly [string, string, RegExp])[] = [
  ['cut off', '{"v":1,"node":"n1"', /is no JSON/],
  ['of a newer version', '{"v":99,"node":"n1"}', /version 99 cannot be read.*upgrade this side/],
  [
    'with a bad resource',
    '{"v":1,"node":"n1","resources":[{"type":"service","key":"a/b"}]}',
    /service\/a\/b: namespace is missing/,
  ],
  ['something else', '[1,2]', /another protocol|not an object/],
  ['empty', '', /is no JSON/],
]

for (const [what, text, error] of unusable) {
  test(`a state file that is ${what} is told of, and the node starts empty`, async (t) => {
    const path = join(folder(t), 'state.json')
    writeFileSync(path, text)
    const { store, problems } = start(createStateFile(path))
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', error)
    assert.match(problems[0] ?? '', /state\.json.*: delete it; the source sends all again$/)
    assert.equal(store.complete, false)
    await store.close()
  })
}

test('the state of another node is not used', async (t) => {
  const file = createStateFile(join(folder(t), 'state.json'))
  const one = start(file)
  one.source.deliver({ complete: true, upserts: [enrolment('own')] })
  await one.store.close()
  const two = start(file, 'n2')
  assert.match(two.problems[0] ?? '', /of node 'n1', and this is 'n2': give each node a folder/)
  assert.equal(two.store.complete, false)
  await two.store.close()
})

test('without a file there is nothing wrong', async (t) => {
  const { store, problems } = start(createStateFile(join(folder(t), 'state.json')))
  assert.deepEqual(problems, [])
  await store.close()
})

test('a write that fails is told of, and leaves nothing beside the file', async (t) => {
  const path = folder(t)
  const file = join(path, 'state.json')
  // A folder in the place of the file: nothing can be renamed to it, by root either.
  mkdirSync(file)
  const { store, source, problems } = start(createStateFile(file))
  assert.match(problems[0] ?? '', /state\.json cannot be read: EISDIR/)
  source.deliver({ upserts: [web] })
  await store.close()
  assert.match(
    problems.at(-1) ?? '',
    /state\.json cannot be written: EISDIR.*: free space, or check/,
  )
  assert.deepEqual(readdirSync(path), ['state.json'])
})

test('two generations that write at once leave a whole file', async (t) => {
  const path = folder(t)
  const file = join(path, 'state.json')
  const many = Array.from({ length: 300 }, (_, n) => enrolment(`p${n}`))
  const state = (version: string, count: number) => ({
    node: 'n1',
    version,
    complete: true,
    resources: many.slice(0, count),
    addresses: [],
  })
  const files = [createStateFile(file), createStateFile(file)]
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.all(
      files.map(async (each, index) => each.save(state(`v${index}`, 300 - index * 299))),
    )
    const loaded = createStateFile(file).load()
    assert.ok(loaded.ok)
    assert.equal(loaded.value?.resources.length, loaded.value?.version === 'v0' ? 300 : 1)
  }
  assert.deepEqual(readdirSync(path), ['state.json'])
})

test('what a killed writer left is removed, what is being written is not', (t) => {
  const path = folder(t)
  const [old, fresh] = [join(path, 'state.json.a.new'), join(path, 'state.json.b.new')]
  writeFileSync(old, '{')
  writeFileSync(fresh, '{')
  utimesSync(old, new Date(0), new Date(0))
  createStateFile(join(path, 'state.json')).load()
  assert.deepEqual(readdirSync(path), ['state.json.b.new'])
})
