import type { NetworkAddress, Workload } from '../../model/resources.ts'

/** What policy and telemetry want to know of a workload, wherever it runs. */
export type WorkloadFacts = Omit<Workload, 'addresses' | 'locality' | 'node' | 'ready'>

/**
 * What the workloads of one owner share. It is kept as text: one string instead of an object with
 * twenty. What else a workload has is a few bytes.
 */
export type Profile = readonly [
  /** Without their ends, which are the workload's own. */
  uid: string,
  name: string,
  /** Null: nothing but the uid is known. */
  shared: Omit<WorkloadFacts, 'type' | 'uid' | 'name'> | null,
  /** Of its addresses; or the addresses, where they are not of the usual kind. */
  network: string | readonly NetworkAddress[],
]

/** @param cut how many characters at the end of uid and name are the workload's own */
export function profileText(
  { uid, name, ...workload }: WorkloadFacts,
  cut: number,
  network: Profile[3],
): string {
  const { type: _, ...shared } = workload
  return textOf([withoutEnd(uid, cut), withoutEnd(name, cut), shared, network])
}

export function unknownProfileText(uid: string, cut: number): string {
  return textOf([withoutEnd(uid, cut), '', null, ''])
}

function textOf(profile: Profile): string {
  return JSON.stringify(profile)
}

export function parseProfile(text: string): Profile {
  return JSON.parse(text) as Profile
}

/** The first of its texts, without reading the others. */
export function uidOfProfile(text: string): string {
  const end = text.indexOf('",')
  const first = text.slice(1, end + 1)
  // A quote or backslash of its own is escaped: then it is read whole.
  return first.includes('\\') ? parseProfile(text)[0] : first.slice(1, -1)
}

/** Whether it is that of a workload with this uid, without reading all of it. */
export function isProfileOf(text: string, uid: string, cut: number): boolean {
  return text.startsWith(`[${JSON.stringify(withoutEnd(uid, cut))},`)
}

function withoutEnd(text: string, cut: number): string {
  return text.slice(0, text.length - cut)
}

/** Undefined where nothing but the uid is known. */
export function factsOf([uid, name, shared]: Profile, suffix: string): WorkloadFacts | undefined {
  if (shared === null) return undefined
  return { type: 'workload', uid: uid + suffix, name: name + suffix, ...shared }
}
