// Asks one request after the other over one connection, and says what came of each, a line each.
// usage: ask.mjs HOST PORT REQUESTS, which are JSON: [{path, method, headers, times}]
import { Agent, request } from 'node:http'

const [, , host, port, list] = process.argv
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

function ask({ path, method = 'GET', headers = {} }) {
  return new Promise((resolve) => {
    const sent = request({ agent, host, port, path, method, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (part) => (body += part))
      response.on('end', () => {
        let saw
        try {
          saw = JSON.parse(body)
        } catch {
          // An answer of the proxy itself.
        }
        resolve({ status: response.statusCode, headers: response.headers, body, saw })
      })
      response.on('error', (error) => resolve({ status: 0, headers: {}, body: error.message }))
    })
    sent.on('error', (error) => resolve({ status: 0, headers: {}, body: error.message }))
    sent.end()
  })
}

for (const one of JSON.parse(list)) {
  for (let turn = 0; turn < (one.times ?? 1); turn += 1) {
    console.log(JSON.stringify(await ask(one)))
  }
}
agent.destroy()
