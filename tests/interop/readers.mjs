// readers - the sums of every column of a ledger as other Parquet readers see them, in the shape
// that tests/ledger_sample.c prints: {rows, columns: [{name, nulls, sum or bytes, weighted}]}.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { tableFromIPC } from 'apache-arrow'
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { readParquet } from 'parquet-wasm'

const WEIGHTS = 1009

// The first 48 bits of a text's SHA-256; texts repeat, so they are kept.
const numbers = new Map()
function textNumber(text) {
  let number = numbers.get(text)
  if (number === undefined) {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 12)
    number = { bytes: BigInt(Buffer.byteLength(text)), hash: BigInt('0x' + hash) }
    if (numbers.size > 200000) numbers.clear()
    numbers.set(text, number)
  }
  return number
}

class Column {
  constructor(name, isText) {
    Object.assign(this, { name, isText, row: 0, nulls: 0, plain: 0n, weighted: 0n })
  }
  add(value) {
    const weight = BigInt(this.row++ % WEIGHTS + 1)
    if (value === null || value === undefined) {
      this.nulls++
    } else if (this.isText) {
      if (typeof value !== 'string') throw new Error(`${this.name}: ${typeof value}`)
      const { bytes, hash } = textNumber(value)
      this.plain += bytes
      this.weighted += hash * weight
    } else {
      const number = BigInt(value)
      this.plain += number
      this.weighted += number * weight
    }
  }
  result() {
    return { name: this.name, nulls: this.nulls, [this.isText ? 'bytes' : 'sum']: `${this.plain}`,
      weighted: `${this.weighted}` }
  }
}

// hyparquet makes dates and floating-point numbers of timestamps and decimals, which cannot hold
// them: take the integers.
export async function hyparquetSums(path) {
  const file = await asyncBufferFromFile(path)
  const metadata = await parquetMetadataAsync(file)
  const leaves = metadata.schema.slice(1)
  const texts = new Map(leaves.map(e => [e.name, e.logical_type?.type === 'STRING' ||
    e.converted_type === 'UTF8']))
  for (const leaf of leaves) {
    if (!texts.get(leaf.name)) {
      delete leaf.converted_type
      delete leaf.logical_type
    }
  }
  const columns = []
  for (const { name } of leaves) {
    const column = new Column(name, texts.get(name))
    const chunks = [] // they arrive in any order
    await parquetRead({ file, metadata, compressors, columns: [name],
      onChunk: chunk => { chunks.push(chunk) } })
    for (const { columnData, rowStart } of chunks.sort((a, b) => a.rowStart - b.rowStart)) {
      if (rowStart !== column.row) throw new Error(`${name}: chunk at row ${rowStart}`)
      for (const value of columnData) column.add(value)
    }
    columns.push(column.result())
  }
  return { rows: Number(metadata.num_rows), columns }
}

// Arrow's own vectors turn timestamps into milliseconds and decimals into words: read the buffers.
function integers(chunk, type) {
  const values = chunk.values
  if (`${type}`.startsWith('Decimal')) {
    const words = new BigInt64Array(values.buffer, values.byteOffset, values.length / 2)
    return row => words[2 * row] // 128 bits, of which ours take the lower half
  }
  return row => values[row]
}

export function wasmSums(path) {
  const table = tableFromIPC(readParquet(readFileSync(path)).intoIPCStream())
  const columns = table.schema.fields.map((field, c) => {
    const vector = table.getChildAt(c)
    const isText = `${field.type}` === 'Utf8'
    const isBool = `${field.type}` === 'Bool'
    const column = new Column(field.name, isText)
    for (const chunk of vector?.data ?? []) {
      const integer = isText || isBool ? undefined : integers(chunk, field.type)
      const view = isText || isBool ? vector.slice(column.row, column.row + chunk.length) : undefined
      for (let row = 0; row < chunk.length; row++) {
        if (!chunk.getValid(row)) column.add(null)
        else column.add(integer ? integer(row) : view.get(row))
      }
    }
    return column.result()
  })
  return { rows: table.numRows, columns }
}

const WEIGHT = `(file_row_number % ${WEIGHTS} + 1)`

function duckdbTerms(name, type) {
  const c = `"${name}"`
  if (type === 'VARCHAR') {
    const hash = `('0x' || substr(sha256(${c}), 1, 12))::BIGINT::HUGEINT`
    return [`sum(strlen(${c})::HUGEINT)`, `sum(${hash} * ${WEIGHT})`]
  }
  const number = type === 'BOOLEAN' ? `${c}::INT::HUGEINT`
    : type.startsWith('TIMESTAMP') ? `epoch_us(${c})::HUGEINT`
      : type === 'DECIMAL(18,12)' ? `(${c}::DECIMAL(38,12) * 1000000000000)::HUGEINT`
        : `${c}::HUGEINT`
  return [`sum(${number})`, `sum(${number} * ${WEIGHT})`]
}

export async function duckdbSums(connection, path) {
  const from = `FROM read_parquet('${path}', file_row_number = true)`
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * EXCLUDE (file_row_number) ${from}`)
  const fields = described.getRowObjects()
  const terms = fields.flatMap(f => [`count(*) - count("${f.column_name}")`,
    ...duckdbTerms(f.column_name, f.column_type).map(t => `coalesce(${t}, 0)::VARCHAR`)])
  const reader = await connection.runAndReadAll(`SELECT count(*), ${terms.join(', ')} ${from}`)
  const [rows, ...values] = reader.getRows()[0]
  const columns = fields.map((f, i) => ({ name: f.column_name, nulls: Number(values[3 * i]),
    [f.column_type === 'VARCHAR' ? 'bytes' : 'sum']: values[3 * i + 1],
    weighted: values[3 * i + 2] }))
  return { rows: Number(rows), columns }
}
