/** What of a request decides where it goes. */
export interface RequestHead {
  /** As it was sent. */
  readonly method: string
  /** Up to the `?`, as on the wire; `*` and the empty path of CONNECT are none of a route's. */
  readonly path: string
  /** After the first `?`; undefined: there is none. */
  readonly query: string | undefined
  /** Host, or what stands for it, with the port where one was sent. */
  readonly authority: string
  readonly scheme: 'http' | 'https'
  /** @param name in lower case @returns the lines of that name, joined by `, ` */
  header(name: string): string | undefined
}
