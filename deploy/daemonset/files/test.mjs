import { lookup } from 'node:dns/promises'

const { NAMESPACE } = process.env
const get = async (host, port, path) => {
  const name = host.includes(':') ? `[${host}]` : host
  const signal = AbortSignal.timeout(5_000)
  const answer = await fetch(`http://${name}:${port}${path}`, { signal })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${host}:${port}${path} answers ${answer.status}: ${text.trim()}`)
  return text
}
const failures = []
const check = async (what, run) => {
  try {
    console.log(`√ ${what}: ${await run()}`)
  } catch (error) {
    failures.push(what)
    console.log(`× ${what}: ${error.message}${error.cause ? `: ${error.cause.message}` : ''}`)
  }
}

await check('the operator is ready', async () =>
  (await get(`sluice-operator.${NAMESPACE}.svc`, 15014, '/ready')).trim(),
)
let proxies = []
await check('proxies are ready', async () => {
  proxies = await lookup(`sluice-nodeproxy.${NAMESPACE}.svc`, { all: true })
  return `${proxies.length} nodes`
})
for (const { address } of proxies) {
  await check(`the proxy ${address} is fed by the operator`, async () => {
    await get(address, 15020, '/ready')
    const metrics = await get(address, 15020, '/metrics')
    if (!/^sluice_config_connected 1$/m.test(metrics)) throw new Error('it is not connected to it')
    return 'connected'
  })
}
process.exitCode = failures.length === 0 ? 0 : 1
