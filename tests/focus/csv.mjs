// csv.mjs - RFC 4180, with null for a field of nothing and "" for one of quotes.
export function parseCsv(text) {
    const rows = [];
    let row = [], field = '', quoted = false, was = false;
    for (let i = 0; i < text.length; i++) {
        const c = text[i];
        if (quoted) {
            if (c !== '"') field += c;
            else if (text[i + 1] === '"') { field += '"'; i++; }
            else quoted = false;
        } else if (c === '"' && field === '') { quoted = was = true; }
        else if (c === ',') { row.push(was || field !== '' ? field : null); field = ''; was = false; }
        else if (c === '\n') { row.push(was || field !== '' ? field : null); rows.push(row); row = []; field = ''; was = false; }
        else field += c;
    }
    if (field !== '' || row.length) throw new Error('the last line does not end');
    return rows;
}

const field = (v) => (v === null ? '' : /[",\n]/.test(v) || v === '' ? `"${v.replaceAll('"', '""')}"` : v);
export const formatCsv = (rows) => rows.map((row) => `${row.map(field).join(',')}\n`).join('');
