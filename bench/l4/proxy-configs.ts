/** One forwarding rule of a peer proxy: listen there, connect to that. */
export interface Forward {
  readonly listenAddress: string
  readonly listenPort: number
  readonly targetAddress: string
  readonly targetPort: number
}

/**
 * One thread, no logging, buffers and time-outs that never matter here: as lean as its users run
 * it. Both run inside the pod's network namespace where Sluice's sockets are too, so the legs are
 * the same ones.
 */
export function haproxyConfig(forwards: readonly Forward[]): string {
  const head = `global
  nbthread 1
  maxconn 9000
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
`
  const listeners = forwards.map(
    (f, index) => `listen l${index}
  bind ${f.listenAddress}:${f.listenPort}
  server s ${f.targetAddress}:${f.targetPort}
`,
  )
  return head + listeners.join('')
}

/** `modulePath`: Debian builds the stream module as a shared object; '' where it is built in. */
export function nginxConfig(
  forwards: readonly Forward[],
  modulePath: string,
  stateDir: string,
): string {
  const servers = forwards.map(
    (f) =>
      `  server { listen ${f.listenAddress}:${f.listenPort} backlog=4096;` +
      ` proxy_pass ${f.targetAddress}:${f.targetPort}; }\n`,
  )
  return `${modulePath === '' ? '' : `load_module ${modulePath};\n`}user root;
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid ${stateDir}/nginx.pid;
error_log ${stateDir}/error.log crit;
events { worker_connections 19000; }
stream {
  tcp_nodelay on;
  proxy_half_close on;
  proxy_timeout 10m;
${servers.join('')}}
`
}
