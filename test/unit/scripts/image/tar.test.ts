import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import test from 'node:test'
import { type TarEntry, tarChunks } from '../../../../scripts/image/tar.ts'

const pack = (entries: readonly TarEntry[], seconds = 0) =>
  Buffer.concat([...tarChunks(entries, seconds)])

/** What tar(1) makes of an archive. */
const list = (archive: Buffer) =>
  execFileSync('tar', ['--list', '--verbose', '--utc', '--full-time', '--file=-'], {
    input: archive,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
    .trim()
    .split('\n')
    .map((line) => line.replaceAll(/ +/g, ' '))

const file = (path: string, text: string, mode = 0o644): TarEntry => ({
  kind: 'file',
  path,
  mode,
  from: Buffer.from(text),
})

test('entries are sorted, of root and of one time, with the folders above them', () => {
  const archive = pack(
    [
      file('b/run', 'four', 0o755),
      { kind: 'folder', path: 'tmp', mode: 0o1777 },
      { kind: 'link', path: 'b/also', to: 'run' },
      file('a', ''),
    ],
    86_400,
  )
  assert.deepEqual(list(archive), [
    '-rw-r--r-- root/root 0 1970-01-02 00:00:00 a',
    'drwxr-xr-x root/root 0 1970-01-02 00:00:00 b/',
    'lrwxrwxrwx root/root 0 1970-01-02 00:00:00 b/also -> run',
    '-rwxr-xr-x root/root 4 1970-01-02 00:00:00 b/run',
    'drwxrwxrwt root/root 0 1970-01-02 00:00:00 tmp/',
  ])
})

test('the order of entries does not matter', () => {
  const entries = ['x/1', 'x/2', 'y', 'x-1'].map((path) => file(path, path))
  assert.ok(pack(entries).equals(pack(entries.toReversed())))
})

test('contents and names of any length come back', () => {
  for (const length of [1, 98, 99, 100, 101, 255]) {
    const name = 'é'.repeat(length / 2) + (length % 2 === 1 ? 'x' : '')
    for (const size of [0, 511, 512, 513]) {
      const archive = pack([file(`folder/${name}`, 'z'.repeat(size))])
      assert.equal(archive.length % 512, 0)
      const args = ['--extract', '--to-stdout', '--file=-', `folder/${name}`]
      const options = { input: archive, env: { ...process.env, LC_ALL: 'C.UTF-8' } }
      assert.equal(execFileSync('tar', args, options).length, size, `${length} ${size}`)
    }
  }
})

test('a path that is there twice is an error', () => {
  assert.throws(() => pack([file('a/b', '1'), file('a/b', '2')]), /a\/b is in the archive twice/)
})
