/** enum bpf_attach_type of include/uapi/linux/bpf.h: fixed by the kernel's ABI. */
export const attachTypes = {
  cgroupSockOps: 3,
  skMsgVerdict: 7,
  cgroupInet4Connect: 10,
  cgroupInet6Connect: 11,
  cgroupSetsockopt: 22,
  cgroupInet4Getpeername: 29,
  cgroupInet6Getpeername: 30,
  skLookup: 36,
} as const
