// What CI runs in each guest: what differs by kernel, once. All of test/kernel takes too long where
// the CPU is emulated; `npm run test:kernels` does it.
import type { TestMessage } from './guest-message.ts'

export interface ChosenTests {
  readonly file: string
  /** Whole names; each has to run and pass. */
  readonly tests: readonly string[]
}

/** Both guests together. Three times what they take on two idle cores without KVM. */
export const SHORT_FORM_LIMIT_MS = 14 * 60_000

export const shortForm: readonly ChosenTests[] = [
  {
    file: 'test/kernel/native-bpf.test.ts',
    tests: [
      'a rejected program is named with the last lines of the verifier, and nothing stays',
      'cgroup links: created, updated, detached; a pinned one outlives its descriptor',
      'sockmap programs attach and detach',
      'tracepoints: attached where they are, -ENOENT where not',
      'ring records arrive in order, all of them, and none after close',
    ],
  },
  {
    file: 'test/kernel/connect.test.ts',
    tests: [
      'a connect over IPv4 reaches the proxy, unseen by the app',
      'a connect over IPv6 reaches the proxy, unseen by the app',
      'a connect over v4-mapped reaches the proxy, unseen by the app',
      'an MPTCP connect over IPv4 reaches the proxy, unseen by the app',
      'TCP fast open: the first bytes arrive with the SYN',
      'UDP, Unix sockets and loopback are untouched',
      'a server starts on any port, whatever the proxy holds there',
    ],
  },
  {
    file: 'test/kernel/lookup.test.ts',
    tests: [
      'IPv4 from outside is handed to the proxy with both addresses as sent',
      'IPv6 from outside is handed to the proxy with both addresses as sent',
      'an announced IPv4 leg reaches the app, which sees its client, with SYN cookies too',
      'an announced IPv6 leg reaches the app, which sees its client, with SYN cookies too',
      "the kubelet's IPv4 probes reach the app directly, from their own address",
      'with the proxy dead, a SYN takes the choice of the namespace',
      'accept(2) itself gives the true client, to a dual-stack server too',
    ],
  },
  {
    file: 'test/kernel/sockhash.test.ts',
    tests: [
      'auto: sockets that do not block enter, and only app to proxy is redirected',
      'full: both directions are redirected, once the server is known not to block',
      'full: an MPTCP listener, as Go has by default, takes part like any other',
      'entries end with their sockets',
    ],
  },
  {
    file: 'test/kernel/verdict.test.ts',
    tests: [
      'bytes that went by TCP are read before any is redirected',
      'into an app only over the limit by TCP, and back when it has read',
      'a pair sends directly only when nothing is left on the way through the proxy',
      'a target that has gone is no target: its bytes go by TCP',
      'half-close: the end of the stream comes after the redirected bytes',
    ],
  },
  {
    file: 'test/kernel/options.test.ts',
    tests: [
      'zero-copy is refused on sockets in the sockhash, and on those alone',
      'full: a splice(2) reader is seen, reported, and its next sockets stay out',
    ],
  },
  {
    file: 'test/kernel/ktls.test.ts',
    tests: [
      'auto: accelerated sockets get no kTLS, and carry on without',
      'auto: sockets that are left out have kTLS, byte for byte',
    ],
  },
  {
    file: 'test/kernel/reactor-hooks.test.ts',
    tests: ['auto: every byte goes through the proxy, once and in order'],
  },
  {
    file: 'test/kernel/generations.test.ts',
    tests: ['one generation that beats is enough, without any the proxy is dead'],
  },
  {
    file: 'test/kernel/pods.test.ts',
    tests: ['leaving the mesh: existing connections go on, new ones go direct'],
  },
  {
    file: 'test/kernel/keeper-pairs.test.ts',
    tests: ['a connection whose proxy may have held bytes is reset on both sides'],
  },
  {
    file: 'test/kernel/acceleration.test.ts',
    tests: ['auto is served exactly where FIONREAD counts what the proxy sends'],
  },
  {
    file: 'test/kernel/lifecycle.test.ts',
    tests: [
      'a newer verdict program reaches sockets that are in the sockhash already',
      'an update that fails half-way brings back what ran before',
      'another layout takes over by one write',
      'uninstall takes every hook away at once',
    ],
  },
]

/** Chosen tests of which nothing was heard. */
export function unheard(
  chosen: readonly ChosenTests[],
  tests: readonly TestMessage[],
): readonly string[] {
  const heard = new Set(tests.map(({ file, name }) => `${file}: ${name}`))
  return chosen
    .flatMap(({ file, tests: names }) => names.map((name) => `${file}: ${name}`))
    .filter((test) => !heard.has(test))
}
