import assert from 'node:assert/strict'
import test from 'node:test'
import { renderVerdict, summarise } from '../../../src/cli/preflight-table.ts'
import { describeTerminal, wrap } from '../../../src/cli/terminal.ts'
import { failure, verdictWith } from './verdicts.ts'

const plain = { color: false, columns: 100 }

test('each check is one line with its mark, in the order of asking', () => {
  const text = renderVerdict(verdictWith({ redirect: failure('nothing arrived') }), plain)
  const lines = text.split('\n')
  assert.ok(lines.some((line) => /^√ connect4 rewrites a destination +fine$/.test(line)))
  assert.ok(
    lines.some((line) => /^‼ Bytes move from socket to socket +nothing arrived$/.test(line)),
  )
  assert.ok(text.indexOf('connect4') < text.indexOf('sk_lookup'))
})

test('what is bad has its effect and its fix below it, what is well has not', () => {
  const lines = renderVerdict(verdictWith({ cgroup2: failure('not mounted') }), plain).split('\n')
  const at = lines.findIndex((line) => line.startsWith('× cgroup2'))
  assert.match(lines[at + 1] ?? '', /^ {4}effect: Hooks have nowhere to be attached/)
  assert.match(
    lines.slice(at).find((line) => line.startsWith('    fix:')) ?? '',
    /mount -t cgroup2/,
  )
  const good = lines.findIndex((line) => line.startsWith('√ CAP_BPF'))
  assert.match(lines[good + 1] ?? '', /^√ /)
})

test('what could not be asked is gathered in one place', () => {
  const text = renderVerdict(
    verdictWith({ addon: failure('not built'), btf: undefined, bpffs: undefined }),
    plain,
  )
  assert.match(text, /^- Not probed, because what they need is missing \(2\)$/m)
  assert.match(text, /^ {4}btf, bpffs$/m)
})

test('features that are off say what that costs; what follows from interception says so', () => {
  const text = renderVerdict(
    verdictWith({ 'hook-connect4': failure('rejected'), 'data-path': failure('no') }),
    plain,
  )
  assert.match(
    text,
    /‼ interception is off\n {4}cost: {3}no pod .*\n {4}needs: {2}hook-connect4, data-path/,
  )
  assert.match(text, /‼ mptcp is off\n.*\n {4}needs: {2}interception\n/)
})

test('the last line is the verdict in one sentence', () => {
  assert.equal(summarise(verdictWith({})), 'Sluice runs here with every feature.')
  assert.equal(
    summarise(verdictWith({ accounting: failure('0 bytes') })),
    'Sluice runs here, without: accelerateAuto, ' +
      'accelerateFull, blockingDetection, spliceDetection.',
  )
  assert.equal(summarise(verdictWith({ bpffs: failure('no') })), 'Sluice cannot run here: bpffs.')
})

test('colour is for terminals of people who did not refuse it', () => {
  const tty = { isTTY: true, columns: 120 }
  assert.deepEqual(describeTerminal(tty, {}), { color: true, columns: 120 })
  assert.equal(describeTerminal(tty, { NO_COLOR: '1' }).color, false)
  assert.equal(describeTerminal(tty, { NO_COLOR: '' }).color, true)
  assert.equal(describeTerminal(tty, { TERM: 'dumb' }).color, false)
  assert.equal(describeTerminal({}, {}).color, false)
  const escape = String.fromCharCode(27)
  const coloured = renderVerdict(verdictWith({}), { color: true, columns: 100 })
  assert.ok(coloured.includes(`${escape}[32m√`))
  assert.ok(!renderVerdict(verdictWith({}), plain).includes(escape))
})

test('no line is longer than the terminal, but for words that are', () => {
  const verdict = verdictWith({
    cgroup2: failure('a '.repeat(200)),
    bpffs: failure('b '.repeat(90)),
  })
  for (const line of renderVerdict(verdict, { color: false, columns: 90 }).split('\n')) {
    assert.ok(line.length <= 90, line)
  }
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three'])
  assert.deepEqual(wrap('unbreakable', 4), ['unbreakable'])
  assert.deepEqual(wrap('', 4), [])
})
