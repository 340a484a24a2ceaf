/** What the kernel reports, decoded. Times are CLOCK_MONOTONIC. */
export type KernelEvent =
  | {
      /** An app set a socket to blocking that could take part in acceleration; it has been taken out. */
      readonly kind: 'turnedBlocking'
      readonly atNs: bigint
      readonly socketCookie: bigint
      readonly netnsCookie: bigint
      readonly pid: number
    }
  | {
      /** An app read by splice(2) from a socket that takes redirected bytes: mode `full` does not suit it. */
      readonly kind: 'spliceUser'
      readonly atNs: bigint
      readonly socketCookie: bigint
      readonly netnsCookie: bigint
      readonly cgroupId: bigint
      readonly pid: number
    }
  | {
      /** A connect from a netns that is neither enrolled nor excluded. */
      readonly kind: 'unclassified'
      readonly atNs: bigint
      readonly netnsCookie: bigint
      readonly cgroupId: bigint
      readonly pid: number
      readonly address: string
      readonly port: number
    }
  | {
      /** An intercepted connect; only with settings.accessEvents. */
      readonly kind: 'connect'
      readonly atNs: bigint
      readonly socketCookie: bigint
      readonly netnsCookie: bigint
      readonly podId: number
      readonly pid: number
      readonly address: string
      readonly port: number
    }
