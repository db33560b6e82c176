// ledger.mjs LEDGER-SAMPLE FOLDER - DuckDB, hyparquet and parquet-wasm read the ledgers that weir's
// writer makes in FOLDER and agree with it on every column, and weir's reader agrees on what DuckDB
// makes of them in each of its encodings and compressions.
import { execFileSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { duckdbSums, hyparquetSums, wasmSums } from './readers.mjs'

const [tool, folder] = process.argv.slice(2)
let passed = 0
let failed = 0

function report(what, problem) {
  console.log(`${problem ? 'not ok' : 'ok'} - ${what}${problem ? `: ${problem}` : ''}`)
  if (problem) failed++
  else passed++
}

// What differs first, in words; undefined if nothing does.
function difference(got, want) {
  if (got.rows !== want.rows) return `${got.rows} rows instead of ${want.rows}`
  if (got.columns.length !== want.columns.length) return `${got.columns.length} columns`
  const c = want.columns.findIndex((column, i) => !isDeepStrictEqual({ ...got.columns[i] }, column))
  if (c < 0) return undefined
  return `${JSON.stringify(got.columns[c])} instead of ${JSON.stringify(want.columns[c])}`
}

async function check(what, want, read) {
  try {
    report(what, difference(await read(), want))
  } catch (error) {
    report(what, `${error?.stack ?? error}`)
  }
}

function toolLines(...args) {
  const out = execFileSync(tool, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  return out.trim().split('\n').map(line => JSON.parse(line))
}

const toolSums = path => toolLines('sums', path)[0]

const instance = await DuckDBInstance.create(':memory:')
const connection = await instance.connect()

async function duckdbCopy(from, version, codec) {
  const to = `${from.replace(/\.parquet$/, '')}-${version}-${codec}.parquet`
  await connection.run(`COPY (SELECT * FROM read_parquet('${from}')) TO '${to}' ` +
    `(FORMAT parquet, COMPRESSION ${codec}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE 50000)`)
  return to
}

const ledgers = toolLines('write', folder)
if (ledgers.length === 0) report('sample ledgers', 'there are none')
for (const want of ledgers) {
  const path = want.file
  const name = basename(path)
  await check(`weir reads ${name}`, want, () => toolSums(path))
  await check(`DuckDB reads ${name}`, want, () => duckdbSums(connection, path))
  await check(`hyparquet reads ${name}`, want, () => hyparquetSums(path))
  await check(`parquet-wasm reads ${name}`, want, () => wasmSums(path))
  for (const version of ['V1', 'V2'])
    for (const codec of ['zstd', 'snappy', 'gzip', 'uncompressed'])
      await check(`weir reads ${name} as DuckDB writes it, ${version} ${codec}`, want,
        async () => toolSums(await duckdbCopy(path, version, codec)))
}

// Together, as an analyst would: all files of a folder in one query.
const all = await connection.runAndReadAll(
  `SELECT count(*), sum(output_tokens)::VARCHAR FROM read_parquet(['${ledgers.map(l => l.file).join("','")}'])`)
const sum = ledgers.reduce((total, l) =>
  total + BigInt(l.columns.find(c => c.name === 'output_tokens').sum), 0n)
report('DuckDB sums over all ledgers at once',
  all.getRows()[0][1] === `${sum}` ? undefined : `${all.getRows()[0][1]} instead of ${sum}`)

console.log(`interop: ${passed} passed, ${failed} failed, 0 skipped`)
process.exit(failed === 0 ? 0 : 1)
