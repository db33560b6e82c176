// page.mjs WEIR FOLDER BROWSER SAMPLE - makes reports and pages of migrate and looks at them: html-validate on the bytes;
// axe, light and dark, in a browser that may run no script of the page; every section on a
// screenshot that is not blank; nothing asked of the network; and the page's figures against JSON.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inflateSync } from 'node:zlib'
import { HtmlValidate } from 'html-validate'
import { chromium } from 'playwright-core'

const [weir, folder, executablePath, sample] = process.argv.slice(2)
const here = dirname(fileURLToPath(import.meta.url))
const axe = readFileSync(join(here, 'node_modules/axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
let passed = 0
let failed = 0

function check(what, problem) {
  console.log(`${problem ? 'not ok' : 'ok'} - ${what}${problem ? `: ${problem}` : ''}`)
  if (problem) failed++
  else passed++
}

function run(...args) {
  return execFileSync(weir, args, { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 26 })
}

// Two months with everything in them: latencies, names that look like markup, a price error, a gap.
function makeTraffic() {
  const rows = ['started_at,app,team,business_unit,model,input_tokens,output_tokens,cost_usd,duration_ms,first_token_ms']
  const apps = [['chat', 'cx', 'care'], ['<img src=x onerror=alert(1)>', 'r&d', '"new"'], ['Größe', 'écrits', '中文'], ['search', 'cx', 'care']]
  const models = ['gpt-4.1', 'gpt-4.1-mini', 'gpt-5', 'gpt-5-mini', 'gpt-4o', 'gpt-4o-mini', 'o3-mini', "o'reilly`$(x)\""]
  for (let month = 7; month <= 9; month++)
    for (let hour = 0; hour < 31 * 24; hour++) {
      const time = new Date(Date.UTC(2026, month - 1, 1, hour))
      if (time.getUTCMonth() !== month - 1 || (month === 9 && hour >= 300 && hour < 320)) continue
      for (let i = 0; i < 2 + (month === 9 && hour > 200 ? 2 : 0); i++) {
        const n = hour * 7 + i * 3 + month
        const wrong = month === 9 && hour === 250 && i === 0
        rows.push([new Date(time.getTime() + i * 60000).toISOString(), ...apps[n % apps.length],
          models[n % models.length], 1000 + n % 977, 100 + n % 89,
          wrong ? '5000' : ((1 + n % 13) / 1000).toFixed(6), 900 + n % 1700, 200 + n % 350]
          .map((x) => `"${String(x).replaceAll('"', '""')}"`).join(','))
      }
    }
  writeFileSync(join(folder, 'traffic.csv'), `${rows.join('\n')}\n`)
}

// How many different colours a screenshot has, of every 7th pixel: rows of a PNG, unfiltered.
function colours(png) {
  const width = png.readUInt32BE(16)
  const bytes = png[25] === 6 ? 4 : 3
  const parts = []
  for (let at = 8; at < png.length;) {
    const size = png.readUInt32BE(at)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + size))
    at += size + 12
  }
  const raw = inflateSync(Buffer.concat(parts))
  const line = width * bytes
  const seen = new Set()
  let above = Buffer.alloc(line)
  for (let at = 0; at + line < raw.length; at += line + 1) {
    const row = Buffer.from(raw.subarray(at + 1, at + 1 + line))
    for (let i = 0; i < line; i++) {
      const a = i >= bytes ? row[i - bytes] : 0
      const b = above[i]
      const c = i >= bytes ? above[i - bytes] : 0
      const p = a + b - c
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)]
      const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c
      row[i] = (row[i] + [0, a, b, (a + b) >> 1, paeth][raw[at]]) & 255
    }
    for (let i = 0; i + 2 < line; i += 7 * bytes) seen.add(row.readUIntBE(i, 3))
    above = row
  }
  return seen.size
}

async function validate(name, file) {
  const report = await new HtmlValidate({ extends: ['html-validate:recommended', 'html-validate:a11y'] }).validateFile(file)
  const wrong = report.results.flatMap((r) => r.messages.map((m) => `${m.line}:${m.column} ${m.ruleId} ${m.message}`))
  check(`${name}: html-validate has nothing to say`, wrong.slice(0, 5).join('; '))
}

async function accessible(name, page) {
  await page.evaluate(axe)
  const result = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), TAGS)
  const wrong = result.violations.map((v) => `${v.id} at ${v.nodes[0].html.slice(0, 80)}`)
  check(`${name}: axe finds no violation in ${result.passes.length} rules`, wrong.join('; ') || (result.passes.length < 20 && 'too few rules ran'))
}

// Each section, and each chart by itself: of a size, and with more than the ground on it.
async function pictures(name, page, sections) {
  for (const id of sections) {
    const section = page.locator(`#${id}`)
    const box = await section.boundingBox()
    const png = await section.screenshot()
    const n = colours(png)
    check(`${name}: section ${id} is on the page`,
      (box.height < 60 && `only ${box.height} pixels high`) || (box.width < 300 && `only ${box.width} wide`) || (n < 4 && `${n} colours`))
  }
  const charts = await page.locator('svg').all()
  for (const [i, chart] of charts.entries()) {
    const box = await chart.boundingBox()
    const title = await chart.getAttribute('aria-labelledby')
    const n = colours(await chart.screenshot())
    check(`${name}: chart ${i + 1} is drawn`, (box.height < 100 && `only ${box.height} pixels high`) || (!title && 'no title') || (n < 4 && `${n} colours`))
  }
  return charts.length
}

// What stands in the page is what JSON says: each row's name and as many rows.
async function figures(name, page, json) {
  for (const section of json.sections.filter((s) => s.id !== 'summary')) {
    const rows = await page.locator(`#${section.id} tbody tr`).count()
    if (rows !== section.rows.length) {
      check(`${name}: ${section.id} has its rows`, `${rows} in the page, ${section.rows.length} in JSON`)
      return
    }
  }
  const names = await page.locator('#by_app tbody th').allTextContents()
  const wanted = json.sections.find((s) => s.id === 'by_app').rows.map((r) => r.app)
  check(`${name}: its rows are those of JSON`, JSON.stringify(names) !== JSON.stringify(wanted) && `${names} for ${wanted}`)
}

// What holds for every page, whatever is on it; more(page) looks at what is.
async function lookAt(browser, name, file, more = async () => {}) {
  await validate(name, file)
  for (const colorScheme of ['light', 'dark']) {
    const scripted = await browser.newContext({ colorScheme, bypassCSP: true, viewport: { width: 1200, height: 900 } })
    const page = await scripted.newPage()
    const asked = []
    const said = []
    page.on('request', (r) => asked.push(r.url()))
    page.on('console', (m) => said.push(m.text()))
    await page.goto(`file://${file}`)
    check(`${name}, ${colorScheme}: asks for nothing but itself`, asked.filter((u) => u !== `file://${file}`).join(' '))
    check(`${name}, ${colorScheme}: the browser has no complaint`, said.join('; '))
    await accessible(`${name}, ${colorScheme}`, page)
    await scripted.close()
    const plain = await browser.newContext({ colorScheme, javaScriptEnabled: false, viewport: { width: 1200, height: 900 } })
    const still = await plain.newPage()
    await still.goto(`file://${file}`)
    await more(`${name}, ${colorScheme}`, still)
    if (colorScheme === 'light') {
      const pdf = await still.pdf({ format: 'A4' })
      check(`${name}: prints`, pdf.length < 10000 && `${pdf.length} bytes of PDF`)
    }
    await still.setViewportSize({ width: 390, height: 800 })
    const wide = await still.locator('html').evaluate((e) => e.scrollWidth).catch(() => 0)
    check(`${name}, ${colorScheme}: fits a phone`, wide > 390 && `${wide} pixels wide`)
    await plain.close()
  }
}

async function look(browser, name, archive, month, wantedCharts) {
  const file = join(folder, `${name}.html`)
  run('analyze', 'report', '--archive', archive, '--month', month, '--output', file)
  const json = JSON.parse(run('analyze', 'report', '--archive', archive, '--month', month, '--format', 'json'))
  await lookAt(browser, name, file, async (which, page) => {
    const charts = await pictures(which, page, json.sections.map((s) => s.id))
    check(`${which}: has ${wantedCharts} charts`, charts !== wantedCharts && `${charts}`)
    await figures(which, page, json)
  })
}

// Pages of migrate, of the sample's plan.
async function lookAtMigration(browser) {
  for (const name of ['programme.yaml', 'weir.yaml'])
    copyFileSync(join(sample, name), join(folder, name))
  const ready = join(folder, 'ready.html')
  const { status: code } = spawnSync(weir, ['migrate', 'ready', '--output', ready], { cwd: folder })
  check('ready: the sample is not', code !== 40 && `exit code ${code}`)
  await lookAt(browser, 'ready', ready)
  const status = join(folder, 'status.html')
  run('migrate', 'status', '--html', status)
  await lookAt(browser, 'status', status)
}

run('capture', 'import', '--archive', 'demo', '--config', join(sample, 'weir.yaml'), join(sample, 'traffic.jsonl'))
makeTraffic()
run('capture', 'import', '--archive', 'months', '--map', 'generic', 'traffic.csv')
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
try {
  await look(browser, 'sample', 'demo', '2026-10', 2)
  await look(browser, 'months', 'months', '2026-09', 3)
  await look(browser, 'empty', 'demo', '2025-01', 0)
  await lookAtMigration(browser)
} finally {
  await browser.close()
}
console.log(`html: ${passed} passed, ${failed} failed, 0 skipped`)
process.exit(failed ? 1 : 0)
