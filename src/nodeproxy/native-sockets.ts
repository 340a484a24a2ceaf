/**
 * Plain socket calls that the addon offers to preflight and to tests, which must see what an app
 * sees. Sockets are non-blocking and close-on-exec; where a number comes back, a negative one is
 * -errno.
 */
export interface NativeSockets {
  /**
   * A network namespace of its own with loopback up and these addresses on it: its descriptor.
   * Nothing else names it, so it ends with its last descriptor, also when the process is killed.
   */
  netnsCreate(addresses: readonly string[]): number
  /** A stream socket inside the namespace; protocol 0 or 262 (IPPROTO_MPTCP). */
  socketOpen(netnsFd: number, family: 4 | 6, protocol: number): number
  socketBind(fd: number, address: string, port: number): number
  socketListen(fd: number, backlog: number): number
  socketConnect(fd: number, address: string, port: number): number
  socketAccept(fd: number): number
  /** accept(2) with the peer that it names itself; throws with code 'EAGAIN' when there is none. */
  socketAcceptFrom(fd: number): SocketEndpoint & { readonly fd: number }
  /** getsockname(2). */
  socketLocal(fd: number): SocketEndpoint
  /** getpeername(2). */
  socketPeer(fd: number): SocketEndpoint
  socketSend(fd: number, bytes: Uint8Array): number
  /** Bytes received into `buffer`; 0 at the end of the stream. */
  socketReceive(fd: number, buffer: Uint8Array): number
  /** Bytes that wait to be received, as ioctl(FIONREAD) tells them. */
  socketUnread(fd: number): number
  /** Bytes of memory that the kernel charges to what waits to be received (sk_rmem_alloc). */
  socketCharged(fd: number): number
  socketSetOption(fd: number, level: number, option: number, value: Uint8Array): number
  socketSetBlocking(fd: number, blocking: boolean, call: 'fcntl' | 'ioctl'): number
  /** splice(2) without waiting; one of the two must be a pipe, or it gives -EINVAL. */
  socketSplice(fromFd: number, toFd: number, bytes: number): number
}

export interface SocketEndpoint {
  readonly address: string
  readonly port: number
}
