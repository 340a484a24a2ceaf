import assert from 'node:assert/strict'
import test from 'node:test'
import { parseEntry } from '../../../../src/lab/demo/conntrack.ts'

test('an entry of a ClusterIP is translated', () => {
  const entry = parseEntry(
    '    [NEW] ipv4     2 tcp      6 120 SYN_SENT src=10.244.1.2 dst=10.96.0.10 sport=46548 ' +
      'dport=80 [UNREPLIED] src=10.244.2.2 dst=10.244.1.2 sport=8080 dport=46548',
  )
  assert.deepEqual(entry, {
    from: '10.244.1.2',
    to: '10.96.0.10',
    translated: true,
    portClash: false,
    flow: '10.244.1.2 46548 10.96.0.10 80',
  })
})

test('an entry between two pods is plain', () => {
  const entry = parseEntry(
    '    [NEW] ipv6     10 tcp      6 120 SYN_SENT src=fd00::1 dst=fd00::2 sport=1 dport=2 ' +
      '[UNREPLIED] src=fd00::2 dst=fd00::1 sport=2 dport=1',
  )
  assert.equal(entry?.translated, false)
})

test('a server port that was changed is a translation, a client port is a clash', () => {
  const sent = 'src=10.0.0.1 dst=10.0.0.2 sport=5 dport=80'
  const server = parseEntry(`${sent} src=10.0.0.2 dst=10.0.0.1 sport=8080 dport=5`)
  assert.deepEqual([server?.translated, server?.portClash], [true, false])
  const client = parseEntry(`${sent} src=10.0.0.2 dst=10.0.0.1 sport=80 dport=6`)
  assert.deepEqual([client?.translated, client?.portClash], [false, true])
})

test('other lines are no entries', () => {
  assert.equal(
    parseEntry('conntrack v1.4.7 (conntrack-tools): 3 flow events have been shown.'),
    undefined,
  )
})
