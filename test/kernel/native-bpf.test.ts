// The addon's BPF part against the real kernel, with programs that have nothing of the mesh.
import assert from 'node:assert/strict'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { attachTypes } from '../../src/nodeproxy/preflight/attach-types.ts'
import { type BpfLoadOptions, loadNative } from '../../src/nodeproxy/native.ts'
import { defer, descriptors, scratchBpffs, scratchCgroup, scratchDir } from './support/scratch.ts'
import { EAGAIN, ECONNREFUSED, EPERM, until } from './support/sockets.ts'

const native = loadNative()
const path = join(import.meta.dirname, '../../build/bpf/fixture-addon.bpf.o')
/** The verifier refuses it. */
const skip = ['out_of_bounds']

const ENOENT = -2
const E2BIG = -7
const EEXIST = -17

function load(t: TestContext, options: BpfLoadOptions = {}) {
  const object = native.bpfLoad(path, { skip, ...options })
  defer(t, () => object.close())
  return {
    object,
    map: (name: string): number => object.maps[name] ?? assert.fail(`no map ${name}`),
    program: (name: string): number => object.programs[name] ?? assert.fail(`no program ${name}`),
  }
}

function closeAfter(t: TestContext, ...fds: number[]): void {
  defer(t, () => fds.forEach((fd) => native.closeFd(fd)))
}

function u32(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer)
}

function u64(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer)
}

function words64(bytes: Uint8Array): bigint[] {
  return [...new BigUint64Array(bytes.slice().buffer)]
}

test('an object gives its maps and programs by name, without those skipped', (t) => {
  const { object } = load(t)
  const maps = ['generations', 'mapped', 'pair_control', 'per_cpu', 'queued', 'ring']
  assert.deepEqual(Object.keys(object.maps).sort(), [...maps, 'small_hash', 'socks'])
  assert.ok('add_one' in object.programs)
  assert.ok(!('out_of_bounds' in object.programs))
})

test('a rejected program is named with the last lines of the verifier, and nothing stays', () => {
  const before = descriptors().length
  assert.throws(
    () => native.bpfLoad(path, {}),
    (error: Error & { code?: string; program?: string; log?: string }) => {
      assert.equal(error.code, 'EACCES')
      assert.equal(error.program, 'out_of_bounds')
      assert.match(error.message, /fixture-addon\.bpf\.o on kernel \d+\.\d+/)
      assert.match(error.message, /program 'out_of_bounds' was rejected by the verifier/)
      assert.match(error.message, /run `sluice preflight`/)
      assert.match(error.message, /R\d invalid mem access 'map_value_or_null'/, error.log)
      assert.ok(error.message.split('\n').length <= 20, error.message)
      assert.match(error.log ?? '', /BEGIN PROG LOAD LOG/)
      return true
    },
  )
  assert.equal(descriptors().length, before)
})

test('files that are no objects are refused with the reason', (t) => {
  const absent = '/nonexistent/x.bpf.o'
  assert.throws(() => native.bpfLoad(absent, {}), /x\.bpf\.o: No such file.*npm run build/)
  const garbage = join(scratchDir(t), 'garbage.bpf.o')
  writeFileSync(garbage, 'not an object')
  assert.throws(() => native.bpfLoad(garbage, {}), /cannot open BPF object .*garbage/)
})

test('wrong arguments throw before anything is done', () => {
  const wrong = native as unknown as Record<string, (...args: unknown[]) => unknown>
  assert.throws(() => wrong['bpfMapLookup']?.('3', u32(0), u64(0n)), /argument 1 must be a number/)
  assert.throws(() => wrong['bpfMapLookup']?.(-1, u32(0), u64(0n)), /must be a file descriptor/)
  assert.throws(() => wrong['bpfMapLookup']?.(3, [0], u64(0n)), /must be a Uint8Array/)
  assert.throws(() => wrong['bpfLoad']?.(path, { reuse: { a: 'b' } }), /reuse\.a must be a number/)
  assert.throws(() => wrong['bpfLoad']?.(path, { skip: [1] }), /array of strings/)
})

test('maps are shared by reuse, and a map of another shape is refused by name', (t) => {
  const first = load(t)
  const reuse = { small_hash: first.map('small_hash') }
  const second = load(t, { reuse, maxEntries: { small_hash: 1000 } })
  assert.equal(native.bpfMapUpdate(first.map('small_hash'), u32(1), u64(5n), 0), 0)
  const value = u64(0n)
  assert.equal(native.bpfMapLookup(second.map('small_hash'), u32(1), value), 0)
  assert.deepEqual(words64(value), [5n])
  assert.equal(native.bpfMapInfo(second.map('small_hash')).maxEntries, 4)
  assert.throws(
    () => native.bpfLoad(path, { skip, reuse: { small_hash: first.map('mapped') } }),
    /cannot reuse map 'small_hash'.*type is 2, the object file says 1/,
  )
})

test('max_entries is set by name', (t) => {
  const { map } = load(t, { maxEntries: { small_hash: 77, no_such_map: 5 } })
  assert.equal(native.bpfMapInfo(map('small_hash')).maxEntries, 77)
})

test('entries: results are errnos, sizes are checked', (t) => {
  const hash = load(t).map('small_hash')
  const value = u64(0n)
  assert.equal(native.bpfMapLookup(hash, u32(1), value), ENOENT)
  assert.equal(native.bpfMapDelete(hash, u32(1)), ENOENT)
  for (const key of [1, 2, 3, 4]) {
    assert.equal(native.bpfMapUpdate(hash, u32(key), u64(BigInt(key)), 0), 0)
  }
  assert.equal(native.bpfMapUpdate(hash, u32(1), u64(9n), 1), EEXIST)
  assert.equal(native.bpfMapUpdate(hash, u32(5), u64(5n), 0), E2BIG)
  assert.equal(native.bpfMapLookup(hash, u32(3), value), 0)
  assert.deepEqual(words64(value), [3n])
  assert.equal(native.bpfMapDelete(hash, u32(3)), 0)
  assert.throws(() => native.bpfMapLookup(hash, u32(1, 2), value), /key has 8 bytes.*needs 4/)
  assert.throws(() => native.bpfMapLookup(hash, u32(1), u32(1)), /value has 4 bytes.*needs 8/)
  assert.throws(() => native.bpfMapInfo(0), /map descriptor 0/)
})

test('a dump has every entry once, whatever the size', (t) => {
  const count = 20_000
  const hash = load(t, { maxEntries: { small_hash: count } }).map('small_hash')
  assert.equal(native.bpfMapDump(hash).count, 0)
  const keys = Uint32Array.from({ length: count }, (_, key) => key)
  const values = BigUint64Array.from(keys, (key) => BigInt(key) * 3n)
  const written = [new Uint8Array(keys.buffer), new Uint8Array(values.buffer)] as const
  assert.equal(native.bpfMapUpdateBatch(hash, ...written, count), 0)
  const dump = native.bpfMapDump(hash)
  assert.equal(dump.count, count)
  const seen = new Uint32Array(dump.keys.slice().buffer)
  const got = new BigUint64Array(dump.values.slice().buffer)
  assert.equal(new Set(seen).size, count)
  assert.ok(seen.every((key, index) => got[index] === BigInt(key) * 3n))
})

test('per-CPU arrays: a value is that of all CPUs', (t) => {
  const map = load(t).map('per_cpu')
  const { valueSize, copiedValueSize } = native.bpfMapInfo(map)
  assert.equal(valueSize, 4)
  assert.equal(copiedValueSize % 8, 0)
  const value = new Uint8Array(copiedValueSize).fill(0)
  new DataView(value.buffer).setUint32(copiedValueSize - 8, 42, true)
  assert.equal(native.bpfMapUpdate(map, u32(1), value, 0), 0)
  const dump = native.bpfMapDump(map)
  assert.equal(dump.count, 2)
  assert.deepEqual(dump.values.slice(copiedValueSize), value)
})

test('a sockhash, which knows no batches, is dumped too', (t) => {
  const map = load(t).map('socks')
  const netns = native.netnsCreate([])
  const listener = native.socketOpen(netns, 4, 0)
  closeAfter(t, netns, listener)
  native.socketBind(listener, '127.0.0.1', 0)
  native.socketListen(listener, 1)
  assert.equal(native.bpfMapUpdate(map, u64(7n), u64(BigInt(listener)), 0), 0)
  const { keys, values, count } = native.bpfMapDump(map)
  assert.equal(count, 1)
  assert.deepEqual(words64(keys), [7n])
  assert.deepEqual(words64(values), [native.socketCookie(listener)])
})

test('mapped memory is the map, and outlives its descriptor', (t) => {
  const object = native.bpfLoad(path, { skip })
  const fd = object.maps['mapped'] ?? assert.fail()
  const words = new BigUint64Array(native.bpfMapMmap(fd))
  assert.equal(words.length, 3)
  native.bpfMapUpdate(fd, u32(2), u64(11n), 0)
  assert.equal(words[2], 11n)
  words[0] = 12n
  const value = u64(0n)
  native.bpfMapLookup(fd, u32(0), value)
  assert.deepEqual(words64(value), [12n])
  const hash = object.maps['small_hash'] ?? assert.fail()
  assert.throws(() => native.bpfMapMmap(hash), /BPF_F_MMAPABLE/)
  object.close()
  object.close()
  words[1] = 13n
  assert.deepEqual([...words], [12n, 13n, 11n])
  t.diagnostic(`${words.length} words`)
})

test('pins: made, found, absent, and refused outside a bpf file system', (t) => {
  const { map } = load(t)
  const dir = scratchBpffs(t)
  native.bpfPin(map('small_hash'), join(dir, 'hash'))
  const again = native.bpfGetPinned(join(dir, 'hash'))
  defer(t, () => native.closeFd(again))
  assert.equal(native.bpfMapInfo(again).id, native.bpfMapInfo(map('small_hash')).id)
  assert.equal(native.bpfGetPinned(join(dir, 'absent')), ENOENT)
  const elsewhere = join(scratchDir(t), 'hash')
  assert.throws(() => native.bpfPin(map('small_hash'), elsewhere), /mount -t bpf/)
})

test('a program runs once and answers in its context', (t) => {
  const { program, map } = load(t)
  const context = u64(41n, 0n)
  assert.equal(native.bpfProgRun(program('add_one'), context), -7)
  assert.deepEqual(words64(context), [41n, 42n])
  const mapped = new BigUint64Array(native.bpfMapMmap(map('mapped')))
  assert.equal(mapped[1], 41n)
  assert.throws(() => native.bpfProgRun(map('mapped'), context), /cannot run program descriptor/)
})

test('cgroup links: created, updated, detached; a pinned one outlives its descriptor', (t) => {
  const { program } = load(t)
  const cgroup = scratchCgroup(t)
  const pin = join(scratchBpffs(t), 'link')
  const target = native.netnsCreate(['10.99.0.1'])
  defer(t, () => native.closeFd(target))
  const connect = (): number =>
    cgroup.inside(() => {
      const fd = native.socketOpen(target, 4, 0)
      const result = native.socketConnect(fd, '10.99.0.1', 1)
      native.closeFd(fd)
      return result
    })
  const dirFd = openDirectory(t, cgroup.dir)
  assert.notEqual(connect(), EPERM)
  const link = native.bpfLinkCreate(program('refuse'), dirFd, attachTypes.cgroupInet4Connect)
  assert.equal(connect(), EPERM)
  native.bpfPin(link, pin)
  native.closeFd(link)
  assert.equal(connect(), EPERM)
  const pinned = native.bpfGetPinned(pin)
  native.bpfLinkUpdate(pinned, program('allow'))
  assert.notEqual(connect(), EPERM)
  native.bpfLinkUpdate(pinned, program('refuse'))
  native.bpfLinkDetach(pinned)
  assert.notEqual(connect(), EPERM)
  native.closeFd(pinned)
  assert.throws(
    () => native.bpfLinkCreate(program('pass'), dirFd, attachTypes.cgroupInet4Connect),
    /cannot link program descriptor \d+ to descriptor \d+ as cgroup_inet4_connect.*EINVAL/,
  )
})

function openDirectory(t: TestContext, dir: string): number {
  const fd = openSync(dir, 'r')
  defer(t, () => closeSync(fd))
  return fd
}

test('netns links steer lookups of that namespace alone', async (t) => {
  const { program } = load(t)
  const hooked = native.netnsCreate([])
  const other = native.netnsCreate([])
  const link = native.bpfLinkCreate(program('drop'), hooked, attachTypes.skLookup)
  closeAfter(t, hooked, other, link)
  assert.equal(await connectWithin(t, hooked), ECONNREFUSED)
  assert.equal(await connectWithin(t, other), 0)
})

/** What a connection to a listener in that namespace comes to: 0 or an errno. */
async function connectWithin(t: TestContext, netns: number): Promise<number> {
  const listener = await native.netnsListen(netns, 4, 8)
  const client = native.socketOpen(netns, 4, 0)
  closeAfter(t, listener, client)
  native.socketConnect(client, '127.0.0.1', native.socketLocal(listener).port)
  return until('the outcome', () => {
    const accepted = native.socketAccept(listener)
    if (accepted >= 0) native.closeFd(accepted)
    const received = native.socketReceive(client, new Uint8Array(1))
    if (accepted >= 0 || received === 0) return { result: 0 }
    return received !== EAGAIN && { result: received }
  }).then(({ result }) => result)
}

test('sockmap programs attach and detach', (t) => {
  const { program, map } = load(t)
  native.bpfProgAttach(program('pass'), map('socks'), attachTypes.skMsgVerdict)
  native.bpfProgDetach(program('pass'), map('socks'), attachTypes.skMsgVerdict)
  assert.throws(
    () => native.bpfProgDetach(program('pass'), map('socks'), attachTypes.skMsgVerdict),
    /cannot detach program/,
  )
})

test('tracepoints: attached where they are, -ENOENT where not', (t) => {
  const { program, map } = load(t)
  const calls = new BigUint64Array(native.bpfMapMmap(map('mapped')))
  const attach = (name: string): number =>
    native.bpfAttachTracepoint(program('count_sched'), 'sched', name)
  assert.equal(attach('no_such_tracepoint'), ENOENT)
  const link = attach('sched_process_fork')
  assert.ok(link >= 0)
  const child = native.netnsCreate([]) // makes a thread
  native.closeFd(child)
  assert.ok((calls[2] ?? 0n) > 0n)
  native.closeFd(link)
})

test('ring records arrive in order, all of them, and none after close', async (t) => {
  const { program, map } = load(t)
  const seen: bigint[] = []
  const consumer = native.bpfRingConsumer(map('ring'), (record) => {
    seen.push(...words64(record))
    if (seen.length === 3000) consumer.close()
  })
  defer(t, () => consumer.close())
  for (let sent = 0; sent < 3000; ) {
    // The ring holds 4 KiB: fill it by halves.
    for (let i = 0; i < 100; i++) native.bpfProgRun(program('add_one'), u64(BigInt(sent++), 0n))
    await until('the records', () => seen.length === sent)
  }
  assert.ok(seen.every((value, index) => value === BigInt(index)))
  for (let i = 0; i < 10; i++) native.bpfProgRun(program('add_one'), u64(0n, 0n))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(seen.length, 3000)
})
