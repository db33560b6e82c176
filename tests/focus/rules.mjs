// rules.mjs MODEL CSV [--list] - holds a FOCUS export against the rules of the requirements model that
// the FinOps Foundation's validator uses (JSON), and says of each rule what became of it:
//
//     pass ID      it was evaluated and holds
//     FAIL ID      it does not; exit status 1
//     note ID      a SHOULD that does not hold: no failure
//     n/a  ID      it does not apply here: why
//     text ID      the model has it in words only: checked by us where it can be, and how
//
// The last line counts them.  --list prints every rule, else only what is not "pass".
//
// The model is a tree: a composite holds if all (AND) or one (OR) of its rules hold for a row, and
// its condition limits the rows of everything below it.  "MUST NOT CheckNotValue(x, null)" says that x
// must not be null: the check is what has to hold, whatever the keyword.
import fs from 'node:fs';
import { parseCsv } from './csv.mjs';

const [modelPath, csvPath] = process.argv.slice(2);
const list = process.argv.includes('--list');
const model = JSON.parse(fs.readFileSync(modelPath, 'utf8'));
const rules = model.ModelRules;

// What this data set is of: the others of ApplicabilityCriteria do not hold for calls of language
// models as an archive has them.
const supports = new Set(['ACCOUNT_NAMING_SUPPORTED', 'MULTIPLE_PRICING_CATEGORIES_SUPPORTED', 'NEGOTIATED_PRICING_SUPPORTED',
    'PUBLIC_PRICE_LIST_SUPPORTED', 'USAGE_MEASUREMENT_SUPPORTED', 'UNIT_PRICING_SUPPORTED', 'SUB_ACCOUNT_SUPPORTED', 'REGION_SUPPORTED',
    'TAGGING_SUPPORTED']);

// --- the file ---

const bytes = fs.readFileSync(csvPath);
const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes); // StringHandling: valid Unicode
const [header, ...lines] = parseCsv(text);
const columns = new Set(header);
const data = lines.map((cells, i) => {
    if (cells.length !== header.length) throw new Error(`line ${i + 2}: ${cells.length} fields, not ${header.length}`);
    return Object.fromEntries(header.map((name, k) => [name, cells[k]]));
});
if (data.length === 0) throw new Error('no rows: nothing would be checked');

// --- exact decimals: [digits, how many of them are behind the point] ---

const numeric = /^-?(?:\d+|\d*\.\d+)(?:E-?\d+)?$/;
function decimal(s) {
    let [m, e] = s.split('E');
    const negative = m.startsWith('-');
    if (negative) m = m.slice(1);
    let [whole, part = ''] = m.split('.');
    let digits = BigInt((whole + part) || '0'), scale = part.length - Number(e ?? 0);
    if (scale < 0) { digits *= 10n ** BigInt(-scale); scale = 0; }
    return { digits: negative ? -digits : digits, scale };
}
function equal(a, b) {
    const scale = Math.max(a.scale, b.scale);
    return a.digits * 10n ** BigInt(scale - a.scale) === b.digits * 10n ** BigInt(scale - b.scale);
}
const product = (a, b) => ({ digits: a.digits * b.digits, scale: a.scale + b.scale });

// --- what checks do to a row ---

const isNull = (v) => v === null || v === undefined;
const same = (cell, value) => (isNull(value) ? isNull(cell) : !isNull(cell) && (cell === String(value) ||
    (numeric.test(cell) && numeric.test(String(value)) && equal(decimal(cell), decimal(String(value))))));
// UnitFormat: units, "<count> <units>", "<units>/<interval>", "<unit>-<time units>".
const unit = /^(?:[1-9]\d* )?[A-Z][A-Za-z]*(?: [A-Z][A-Za-z]*)*(?:[-/](?:\d+ )?[A-Z][A-Za-z]*)?$/;
const currencies = new Set(Intl.supportedValuesOf('currency'));
function keyValues(v) {
    let o;
    try { o = JSON.parse(v); } catch { return false; }
    if (o === null || typeof o !== 'object' || Array.isArray(o)) return false;
    const names = [...v.matchAll(/"((?:[^"\\]|\\.)*)"\s*:/g)].length;
    return names === Object.keys(o).length && Object.values(o).every((x) => x === null || typeof x !== 'object');
}
// Formats and types say nothing of null.
const orNull = (f) => (row, c) => isNull(row[c.ColumnName]) || f(row[c.ColumnName]);
const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const isDateTime = (v) => dateTime.test(v) && new Date(v).toISOString() === v.replace('Z', '.000Z');
const checks = {
    CheckValue: (row, c) => same(row[c.ColumnName], c.Value),
    CheckNotValue: (row, c) => !same(row[c.ColumnName], c.Value),
    CheckSameValue: (row, c) => row[c.ColumnAName] === row[c.ColumnBName],
    CheckNotSameValue: (row, c) => row[c.ColumnAName] !== row[c.ColumnBName],
    CheckGreaterOrEqualThanValue: orNull((v) => numeric.test(v) && decimal(v).digits >= 0n), // of 0 only
    CheckDecimalValue: orNull((v) => numeric.test(v)),
    CheckNationalCurrency: orNull((v) => currencies.has(v)),
    TypeDecimal: orNull((v) => numeric.test(v)),
    TypeString: orNull((v) => typeof v === 'string'),
    TypeDateTime: orNull(isDateTime),
    FormatDateTime: orNull(isDateTime),
    FormatNumeric: orNull((v) => numeric.test(v)),
    FormatString: orNull((v) => v.trim() !== ''),
    FormatUnit: orNull((v) => unit.test(v)),
    FormatCurrency: orNull((v) => /^[A-Z]{3}$/.test(v) && currencies.has(v)),
    FormatKeyValue: orNull(keyValues),
    ColumnByColumnEqualsColumnValue: (row, c) => {
        const cells = [row[c.ColumnAName], row[c.ColumnBName], row[c.ResultColumnName]];
        if (cells.some((v) => isNull(v) || !numeric.test(v))) return false;
        const [a, b, result] = cells.map(decimal);
        return equal(product(a, b), result);
    },
};
for (const name of ['CheckGreaterOrEqualThanValue'])
    if (JSON.stringify(rules).match(new RegExp(`"${name}"[^}]*"Value": ?(?!0)`))) throw new Error(`${name} of something but 0`);

const distinct = new Map();
function distinctCount(c, row) {
    const id = `${c.ColumnAName}\0${c.ColumnBName}`;
    if (!distinct.has(id)) {
        const of = new Map();
        for (const r of data) {
            const a = r[c.ColumnAName];
            of.set(a, (of.get(a) ?? new Set()).add(r[c.ColumnBName]));
        }
        distinct.set(id, of);
    }
    return distinct.get(id).get(row[c.ColumnAName]).size === c.ExpectedCount;
}

// --- what the model says in words, and can be checked all the same ---

const oursLast = () => header.slice(header.findIndex((c) => c.startsWith('x_'))).every((c) => c.startsWith('x_'));
// What cannot even be read does not hold.
const each = (f) => () => {
    try {
        return data.every(f);
    } catch {
        return false;
    }
};
const inText = {
    'DateTimeFormat-A-001-M': each((r) => Object.entries(r).every(([c, v]) => !/Period(Start|End)$/.test(c) || v.endsWith('Z'))),
    'ColumnHandling-A-001-M': () => header.every((c) => /^(?:x_)?[A-Z][A-Za-z0-9]*$/.test(c)),
    'ColumnHandling-A-003-M': () => header.every((c) => /^(?:x_)?[A-Za-z0-9]+$/.test(c)),
    'ColumnHandling-A-005-O': () => header.every((c) => c.length <= 50),
    'ColumnHandling-A-010-M': () => header.every((c) => c.startsWith('x_') || known.has(c)),
    'ColumnHandling-A-012-O': oursLast,
    'ColumnHandling-A-013-O': oursLast,
    'NullHandling-A-002-M': each((r) => Object.values(r).every((v) => v === null || (v.trim() !== '' && !/^(null|n\/a|none|not applicable)$/i.test(v)))),
    'StringHandling-A-007-M': each((r) => Object.values(r).every((v) => v === null || v.trim() !== '')),
    'BillingPeriodStart-C-004-M': each((r) => r.BillingPeriodStart <= r.ChargePeriodStart),
    'BillingPeriodEnd-C-004-M': each((r) => r.BillingPeriodEnd >= r.ChargePeriodEnd),
    'ChargePeriodStart-C-004-M': each((r) => r.ChargePeriodStart < r.ChargePeriodEnd),
    'ChargePeriodEnd-C-004-M': each((r) => r.ChargePeriodStart < r.ChargePeriodEnd),
    'ConsumedQuantity-C-008-C': each((r) => r.ConsumedQuantity === null || numeric.test(r.ConsumedQuantity)),
    'PricingQuantity-C-009-C': each((r) => equal(product(decimal(r.ContractedUnitPrice), decimal(r.PricingQuantity)), decimal(r.ContractedCost)) &&
        equal(product(decimal(r.ListUnitPrice), decimal(r.PricingQuantity)), decimal(r.ListCost))),
    'ContractedCost-C-009-C': each((r) => equal(product(decimal(r.ContractedUnitPrice), decimal(r.PricingQuantity)), decimal(r.ContractedCost))),
    'ResourceName-C-004-C': each((r) => r.ResourceId || !r.ResourceName),
    'SkuPriceDetails-C-017-C': each((r) => r.SkuPriceDetails === null || Object.keys(JSON.parse(r.SkuPriceDetails)).every((k) => k.startsWith('x_'))),
    'ChargeClass-C-003-C': each((r) => r.ChargeClass === null),
    'PricingCategory-C-008-C': each((r) => r.PricingCategory !== 'Standard' || r.ListUnitPrice !== null),
    'Tags-C-006-M': each((r) => r.Tags === null || Object.values(JSON.parse(r.Tags)).every((v) => v !== null)),
};
const known = new Set(Object.values(rules).filter((r) => r.EntityType === 'Column').map((r) => r.Reference));

// --- the tree ---

// Of each rule: rows it was evaluated for, the first that failed, why it was not evaluated.
const seen = new Map();
const state = (id) => seen.get(id) ?? seen.set(id, { rows: 0, failed: null, why: null, or: false }).get(id);

const columnsOf = (c) => [c.ColumnName, c.ColumnAName, c.ColumnBName, c.ResultColumnName].filter(Boolean);
function inapplicable(id) {
    const rule = rules[id];
    const lacking = rule.ApplicabilityCriteria.filter((c) => !supports.has(c));
    if (lacking.length) return `${lacking.join(', ')} does not hold`;
    const own = rule.ValidationCriteria.Requirement;
    if (rule.EntityType === 'Column' && !columns.has(rule.Reference)) return `no column ${rule.Reference}`;
    if (own.CheckFunction && own.CheckFunction !== 'ColumnPresent')
        for (const c of columnsOf(own)) if (!columns.has(c)) return `no column ${c}`;
    return null;
}

// Whether a check holds for a row; null: it says nothing.
function evaluate(check, row, or) {
    switch (check.CheckFunction) {
    case undefined: return null;
    case 'AND':
    case 'OR': {
        const any = check.CheckFunction === 'OR';
        const results = check.Items.map((c) => evaluate(c, row, or || any)).filter((r) => r !== null);
        if (results.length === 0) return null;
        return any ? results.some(Boolean) : results.every(Boolean);
    }
    case 'CheckModelRule': return hold(check.ModelRuleId, row, or);
    case 'ColumnPresent': return columns.has(check.ColumnName);
    case 'CheckDistinctCount': return distinctCount(check, row);
    default:
        if (!checks[check.CheckFunction]) throw new Error(`no check ${check.CheckFunction}`);
        return checks[check.CheckFunction](row, check);
    }
}

const mild = (rule) => /SHOULD|MAY|RECOMMENDED/.test(rule.ValidationCriteria.Keyword);
const permits = (rule) => rule.ValidationCriteria.Keyword === 'MAY';
// or: a failure is one of several ways out, and not yet one of the whole.
function hold(id, row, or = false) {
    const rule = rules[id], s = state(id), v = rule.ValidationCriteria;
    s.why = s.why ?? inapplicable(id);
    s.or ||= or;
    if (s.why) return null;
    if (v.Condition.CheckFunction && evaluate(v.Condition, row, or) === false) return null;
    const r = evaluate(v.Requirement, row, or);
    if (r === null) return null;
    s.rows++;
    if (!r && !or && s.failed === null) s.failed = row;
    return mild(rule) ? true : r;
}

for (const row of data) hold('CostAndUsage-D-000-M', row);

// Attributes are rules about every column: they hang on the dataset's dependencies, not on its tree.
for (const [id, rule] of Object.entries(rules))
    if (rule.EntityType === 'Attribute' && !seen.has(id))
        for (const row of data) hold(id, row);

const counts = { pass: 0, FAIL: 0, note: 0, 'n/a ': 0, text: 0 };
function say(what, id, more = '') {
    counts[what]++;
    if (list || what === 'FAIL' || what === 'note') console.log(`${what} ${id}${more ? `: ${more}` : ''}`);
}

const reached = (id) => seen.has(id);
for (const [id, rule] of Object.entries(rules)) {
    const s = state(id), v = rule.ValidationCriteria;
    const place = s.failed ? ` (line ${data.indexOf(s.failed) + 2})` : '';
    const why = s.why ?? inapplicable(id);
    if (why) say('n/a ', id, why);
    else if (permits(rule)) say('n/a ', id, 'a permission: nothing can break it');
    else if (!v.Requirement.CheckFunction) {
        if (!inText[id]) say('text', id, v.MustSatisfy.slice(0, 100));
        else if (inText[id]()) say('pass', id, 'in words; checked here');
        else say(mild(rule) ? 'note' : 'FAIL', id, v.MustSatisfy);
    } else if (s.failed) say(mild(rule) ? 'note' : 'FAIL', id, v.MustSatisfy + place);
    else if (s.rows > 0) say('pass', id, `${s.rows} rows${s.or ? ', one way of several' : ''}`);
    else say('n/a ', id, reached(id) ? 'its condition holds for no row' : 'no rule that applies asks for it');
}
console.log(`${Object.keys(rules).length} rules, ${data.length} rows: ${counts.pass} pass, ${counts.FAIL} fail, ${counts.note} notes, ` +
    `${counts['n/a ']} do not apply, ${counts.text} in words only`);
process.exit(counts.FAIL ? 1 : 0);
