import { globSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { both, type Program } from './echo-programs.ts'
import { compileGo, script } from './programs.ts'

const python = (file: string) => ['python3', script(`compat/${file}`)]

/** What nginx passes uploads on to; the Python server, inside the same pod. */
export const UPLOAD_PORT = 7300

/**
 * Servers and clients of the paths in test/lab/programs/compat/README.md. nginx has one file of
 * `bytes` bytes to send.
 */
export function httpPrograms(bytes: number): readonly Program[] {
  const { run: curl } = both('curl', python('curl.py'))
  const { serve: httpServer } = both('python', python('http_server.py'))
  return [
    { name: 'python http.server', ready: /ready/, serve: httpServer },
    {
      name: 'nginx',
      serve: (port, folder) => nginx(port, folder, bytes),
      asksFionread: true,
    },
    both('go net/http', [compileGo('compat/http.go')]),
    { name: 'curl', run: curl },
  ]
}

/** Servers with a client that only they have. */
export function serviceOfTheirOwn(): readonly Program[] {
  const client = (file: string) => both(file, python(file)).run
  const open = ['--bind', '0.0.0.0', '--protected-mode', 'no', '--save', '']
  return [
    {
      name: 'redis',
      serve: (port, folder) => ['redis-server', '--port', `${port}`, '--dir', folder, ...open],
      run: client('redis.py'),
      turnsBlocking: true, // redis-cli
    },
    {
      name: 'postgresql',
      ready: /ready/,
      serve: (port, folder) => {
        const data = join(folder, `postgres-${port}`)
        return [...python('postgres.py'), 'serve', `${port}`, postgresPrograms(), data]
      },
      run: client('postgres.py'),
    },
    {
      name: 'iperf3',
      // A connection that says nothing would be its client.
      ready: /listening/,
      serve: (port) => ['iperf3', '-s', '-p', `${port}`, '--forceflush'],
      run: client('iperf.py'),
    },
  ]
}

/** Debian keeps the server's programs out of PATH, one folder a version. */
function postgresPrograms(): string {
  const folder = globSync('/usr/lib/postgresql/*/bin').sort().at(-1)
  if (folder === undefined) throw new Error('there is no PostgreSQL; `scripts/setup` installs it')
  return folder
}

function nginx(port: number, folder: string, bytes: number): readonly string[] {
  const home = join(folder, `nginx-${port}`)
  mkdirSync(join(home, 'bytes'), { recursive: true })
  const pattern = Uint8Array.from({ length: 65_536 }, (_, at) => (at * 31 + (at >> 8)) & 255)
  writeFileSync(join(home, 'bytes', `${bytes}`), Buffer.alloc(bytes, pattern))
  const file = join(home, 'nginx.conf')
  writeFileSync(
    file,
    `user root;
worker_processes 1;
daemon off;
pid ${home}/nginx.pid;
error_log ${home}/error.log crit;
events { worker_connections 1000; }
http {
  access_log off;
  sendfile on;
  client_max_body_size 0;
  client_body_temp_path ${home}/uploads;
  server {
    listen ${port};
    listen [::]:${port};
    location /bytes/ { root ${home}; }
    location /sum { proxy_pass http://127.0.0.1:${UPLOAD_PORT}; proxy_http_version 1.1; }
  }
}
`,
  )
  return ['nginx', '-c', file]
}
