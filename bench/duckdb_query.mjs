// duckdb_query.mjs MODULES SQL-FILE THREADS RUNS OUT - runs a query in DuckDB and prints the best
// time in microseconds and the peak memory it added to node's own, in KiB; the rows go to OUT, a line
// each, fields separated by '|'.  MODULES is where tests/interop/run installed DuckDB.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, sqlFile, threads, runs, out] = process.argv.slice(2)
const require = createRequire(pathToFileURL(join(resolve(modules), 'package.json')))
const { DuckDBInstance } = require('@duckdb/node-api')

const before = process.resourceUsage().maxRSS
const connection = await (await DuckDBInstance.create(':memory:', { threads })).connect()
const statements = readFileSync(sqlFile, 'utf8').split(';\n').filter(s => s.trim())
const query = statements.pop()
for (const statement of statements) await connection.run(statement)
let best = Infinity
let rows
for (let i = 0; i < Number(runs); i++) {
  const start = process.hrtime.bigint()
  rows = (await connection.runAndReadAll(query)).getRows()
  best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000)
}
writeFileSync(out, rows.map(row => row.map(v => v ?? '').join('|') + '\n').join(''))
console.log(`${Math.round(best)} ${process.resourceUsage().maxRSS - before}`)
