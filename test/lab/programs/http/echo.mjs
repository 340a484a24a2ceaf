// A server that says who it is and what it saw. usage: echo.mjs PORT NAME
import { createServer } from 'node:http'

const [, , port, name] = process.argv
createServer((request, response) => {
  request.resume()
  // Never answered: for whose time is over.
  if (request.url.endsWith('/silence')) return
  const { method, url, headers } = request
  response.setHeader('content-type', 'application/json')
  response.setHeader('x-drop', 'dropped')
  request.on('end', () => response.end(JSON.stringify({ name, method, url, headers })))
}).listen(Number(port), () => console.log('ready'))
