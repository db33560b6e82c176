// check.mjs WEIR FOLDER - runs the providers' own clients against `weir replay serve`, once directly
// and once with `weir proxy run` between them: what they print must be the same, and the archive must
// hold each call as the clients saw it.
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const [weir, folder] = process.argv.slice(2)
const here = dirname(fileURLToPath(import.meta.url))
const run = promisify(execFile)
const PROGRAMS = ['openai', 'anthropic', 'gemini', 'bedrock', 'ollama', 'aisdk']
const SECRETS = ['sk-made-up', 'sk-ant-made-up', 'AKIAMADEUP']
const CLIENT_MS = 30_000
const started = []
let passed = 0
let failed = 0

function report(what, problem) {
  console.log(`${problem ? 'not ok' : 'ok'} - ${what}${problem ? `: ${problem}` : ''}`)
  if (problem) failed++
  else passed++
}

// Starts weir and returns what pattern finds in one of its lines.
async function start(args, stream, pattern) {
  const child = spawn(weir, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(child)
  const other = stream === 'stdout' ? 'stderr' : 'stdout'
  child[other].on('data', data => process.stderr.write(data))
  return new Promise((resolve, reject) => {
    const all = []
    child.once('exit', code => reject(new Error(`weir ${args[0]} ended (${code}): ${all.join('\n')}`)))
    createInterface({ input: child[stream] }).on('line', line => {
      all.push(line)
      const found = pattern.exec(line)
      if (found) resolve({ child, found: found[1] })
    })
  })
}

async function stop(child) {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = await ended
  if (code !== 0) throw new Error(`weir ended with ${code}`)
}

const stats = async url => (await fetch(`${url}/__weir/stats`)).json()

// The lines each client's program prints.
async function transcripts(url, ...args) {
  const all = {}
  for (const name of PROGRAMS) {
    try {
      const { stdout } = await run(process.execPath, ['--no-warnings', join(here, `${name}.mjs`), url,
        ...args], { timeout: CLIENT_MS, maxBuffer: 16 << 20 })
      all[name] = stdout.trim().split('\n')
    } catch (error) {
      report(`${name} ${args[0] ?? 'direct'}`, `${error.message}\n${error.stdout}\n${error.stderr}`)
      all[name] = []
    }
  }
  return all
}

function writeConfig(upstream) {
  const path = join(folder, 'weir.yaml')
  const names = { openai: 'openai', anthropic: 'anthropic', gemini: 'gemini', bedrock: 'bedrock',
    ollama: 'ollama' }
  writeFileSync(path, ['listen: {address: "127.0.0.1:0", workers: 1}',
    'archive: {path: ./archive}', 'upstreams:', ...Object.entries(names).map(([name, api]) =>
      `  ${name}: {url: "${upstream}", api: ${api}, proxy: none}`), ''].join('\n'))
  return path
}

// A provider that fails, one way after another: refusals, connections that end, a stream whose first
// event is an error, silence.
async function startFaulty() {
  const refuse = (status, headers = {}) => (request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end('{"error":{"message":"out of order","type":"server_error"}}')
  }
  const faults = [refuse(500), refuse(503, { 'retry-after': '1' }), refuse(529), refuse(502),
    (request, response) => response.destroy(), () => {},
    (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      setTimeout(() => response.destroy(), 20)
    }]
  let calls = 0
  const server = createServer((request, response) => {
    const fault = faults[calls++ % faults.length]
    request.resume().on('end', () => fault(request, response))
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}`, calls: () => calls,
    stop: () => { server.closeAllConnections(); server.close() } }
}

// Each provider twice: the first fails, the second is the stand-in.
function writeFallbacks(faulty, upstream) {
  const path = join(folder, 'fallback', 'weir.yaml')
  const names = ['openai', 'anthropic', 'gemini', 'bedrock', 'ollama']
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, ['listen: {address: "127.0.0.1:0", workers: 1}',
    'archive: {path: ./archive}', 'upstreams:', ...names.flatMap(name => [
      `  ${name}: {url: "${faulty}", api: ${name}, proxy: none}`,
      `  ${name}-b: {url: "${upstream}", api: ${name}, proxy: none}`]),
    'policy:', '  mode: enforce', '  routes:', ...names.map(name => `    - {match: {api: ${name}}, ` +
      `targets: [{upstream: ${name}}, {upstream: ${name}-b}], ` +
      'timeouts: {head: 2s, first_token: 2s}}'), ''].join('\n'))
  return path
}

// With the first provider out of order, the clients print what they print without weir.
async function checkFallbacks(url, direct) {
  const faulty = await startFaulty()
  const { child: proxy, found: address } = await start(
    ['proxy', 'run', writeFallbacks(faulty.url, url)], 'stderr', /event=listening address=(\S+)/)
  const proxied = await transcripts(`http://${address}`, 'proxy')
  for (const name of PROGRAMS)
    for (const [i, line] of direct[name].entries())
      report(`${name} prints the same with its provider out of order: ${JSON.parse(line).name}`,
        proxied[name][i] === line ? '' : `\n${proxied[name][i]}\ninstead of\n${line}`)
  report('the provider out of order was asked', faulty.calls() > 0 ? '' : 'it was not')
  await stop(proxy)
  faulty.stop()
}

// Rows of CSV with a header, as objects; an empty field is no member.
function parseCsv(text) {
  const rows = [[]]
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end === '\n') rows.push([])
  }
  const [header, ...body] = rows.slice(0, -1)
  return body.map(row => Object.fromEntries(row.map((field, i) => [header[i], field])
    .filter(([, field]) => field !== '')))
}

const COLUMNS = { provider: 'provider', api: 'api', model: 'model', status: 'status',
  stream: 'stream', error_class: 'error_class', input: 'input_tokens', output: 'output_tokens',
  cached: 'cached_input_tokens', reasoning: 'reasoning_tokens' }

// What of a call the archive has otherwise.
function difference(call, row) {
  if (!row) return 'is not in the archive'
  return Object.entries(COLUMNS)
    .filter(([name, column]) => call[name] !== undefined && `${call[name]}` !== row[column])
    .map(([name, column]) => `${name} is ${call[name]}, in the archive ${row[column]}`).join('; ')
}

function checkArchive(archive, lines, counted) {
  const weirs = (...args) => execFileSync(weir, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  weirs('capture', 'seal', '--archive', archive)
  weirs('capture', 'verify', '--archive', archive)
  const rows = parseCsv(weirs('capture', 'export', '--archive', archive, '--format', 'csv'))
    .filter(row => row.part === '0').sort((a, b) => a.exchange_id < b.exchange_id ? -1 : 1)
  const listed = JSON.parse(weirs('capture', 'ls', '--archive', archive, '--format', 'json'))
  const count = (listed.exchanges ?? listed).length
  report('the archive has as many calls as the stand-in counted', count === counted ? ''
    : `${count}, but ${counted} came in`)
  let at = 0
  for (const [name, line] of lines) {
    const { name: what, calls } = JSON.parse(line)
    const problems = calls.map(call => difference(call, rows[at++])).filter(Boolean)
    report(`the archive has ${name}: ${what}`, problems.join('; '))
  }
  report('every call in the archive is a client\'s', at === rows.length ? ''
    : `${rows.length} rows, ${at} calls`)
  const text = weirs('capture', 'export', '--archive', archive, '--format', 'jsonl')
  const signature = /Signature=(?!weir:)[^"]*/.exec(text)
  report('no credential is in the archive',
    [...SECRETS.filter(secret => text.includes(secret)), ...(signature ?? [])].join(', '))
}

async function main() {
  mkdirSync(folder, { recursive: true })
  const exchanges = join(folder, 'exchanges.jsonl')
  writeFileSync(exchanges, execFileSync(process.execPath, [join(here, 'fixture.mjs')]))
  const { child: provider, found: url } = await start(['replay', 'serve', '--exchanges', exchanges],
    'stdout', /^listening on (.*)$/)
  const direct = await transcripts(url)
  const before = await stats(url)
  report('every request was the one expected', before.same === before.requests ? ''
    : JSON.stringify(before))

  const { child: proxy, found: address } = await start(['proxy', 'run', writeConfig(url)], 'stderr',
    /event=listening address=(\S+)/)
  const proxied = await transcripts(`http://${address}`, 'proxy')
  const after = await stats(url)
  const lines = []
  for (const name of PROGRAMS) {
    report(`${name} makes ${direct[name].length} calls`, direct[name].length > 2 ? '' : 'too few')
    for (const [i, line] of direct[name].entries()) {
      report(`${name} prints the same with weir: ${JSON.parse(line).name}`,
        proxied[name][i] === line ? '' : `\n${proxied[name][i]}\ninstead of\n${line}`)
      lines.push([name, line])
    }
  }
  report('every request came through as it was', after.same === after.requests ? ''
    : JSON.stringify(after))
  await stop(proxy)
  checkArchive(join(folder, 'archive'), lines, after.requests - before.requests)
  await checkFallbacks(url, direct)
  await stop(provider)
}

try {
  await main()
} catch (error) {
  report('the run', error.stack)
}
for (const child of started) child.kill('SIGKILL')
console.log(`sdk: ${passed} passed, ${failed} failed, 0 skipped`)
process.exit(failed ? 1 : 0)
