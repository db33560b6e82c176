// mutate.mjs CSV COLUMN [VALUE] - the same file with VALUE in COLUMN of its first row (nothing: null), or
// without the column if VALUE is "-".  To see that what breaks a rule is found.
import fs from 'node:fs';
import { formatCsv, parseCsv } from './csv.mjs';

const [path, column, value = ''] = process.argv.slice(2);
const rows = parseCsv(fs.readFileSync(path, 'utf8'));
const at = rows[0].indexOf(column);
if (at < 0) throw new Error(`no column ${column}`);
if (value === '-') for (const row of rows) row.splice(at, 1);
else rows[1][at] = value === '' ? null : value;
process.stdout.write(formatCsv(rows));
