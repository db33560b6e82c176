// duckdb_scan.mjs MODULES LEDGER - the grouped sum of bench_ledger.c in DuckDB with one thread: the
// best of five runs in microseconds, then requests, input and output tokens.  MODULES is where
// tests/interop/run installed DuckDB.
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, ledger] = process.argv.slice(2)
const require = createRequire(pathToFileURL(join(resolve(modules), 'package.json')))
const { DuckDBInstance } = require('@duckdb/node-api')

const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
const query = `SELECT team, model, count(*) AS requests, sum(input_tokens) AS input,
  sum(output_tokens) AS output FROM read_parquet('${ledger}') GROUP BY ALL`
let best = Infinity
let rows
for (let i = 0; i < 5; i++) {
  const start = process.hrtime.bigint()
  rows = (await connection.runAndReadAll(query)).getRows()
  best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000)
}
const total = column => rows.reduce((sum, row) => sum + BigInt(row[column]), 0n)
console.log(`${Math.round(best)} ${total(2)} ${total(3)} ${total(4)}`)
