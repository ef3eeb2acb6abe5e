/**
 * `npm run bench -- NAME [--json] [--seed N] [--short] [--save]`, and what a bench adds to that
 *
 * A bench is a file `bench/NAME.ts` that exports `run` (and `description`), see
 * `types.ts`. Exit codes: 0 ran; 1 threw, or a full run read by
 * people missed a bar (with `--json` the reader judges, and npm adds no line of its own); 2 was called wrongly.
 */
import { readdir, writeFile, mkdir } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { missed, renderTable } from './table.ts'
import type { Bench, BenchReport, OwnOption } from './types.ts'

const RUNNER_FILES = new Set(['main', 'table', 'types'])
const DEFAULT_SEED = 1
const OWN_OPTIONS: Readonly<Record<OwnOption, string>> = { traces: '[--traces DIR]', plot: '[--plot FILE]' }

async function benchNames (): Promise<string[]> {
  const entries = await readdir(import.meta.dirname, { withFileTypes: true })

  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => entry.name.slice(0, -'.ts'.length))
    .filter(name => !RUNNER_FILES.has(name))
    .sort()
}

async function load (name: string): Promise<Bench> {
  const bench = await import(new URL(`./${name}.ts`, import.meta.url).href) as Partial<Bench>

  if (typeof bench.run !== 'function') {
    throw new TypeError(`bench/${name}.ts exports no function "run"`)
  }

  return bench as Bench
}

async function list (): Promise<void> {
  const names = await benchNames()
  console.log('Usage: npm run bench -- NAME [--json] [--seed N] [--short] [--save]\n')
  console.log(names.length === 0 ? 'There are no benches.' : 'Benches:')

  for (const name of names) {
    const { description = '', options = [] } = await load(name)
    console.log(`  ${name.padEnd(12)} ${[description, ...options.map(option => OWN_OPTIONS[option])].join(' ')}`.trimEnd())
  }
}

function wrongUse (message: string): never {
  console.error(message)
  process.exit(2)
}

interface Arguments {
  readonly name?: string
  readonly json: boolean
  readonly short: boolean
  readonly save: boolean
  readonly seed: number
  readonly own: Readonly<Partial<Record<OwnOption, string>>>
}

function parse (): Arguments {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        short: { type: 'boolean', default: false },
        save: { type: 'boolean', default: false },
        seed: { type: 'string' },
        traces: { type: 'string' },
        plot: { type: 'string' }
      }
    })
    const seed = values.seed == null ? DEFAULT_SEED : Number(values.seed)

    if (!Number.isSafeInteger(seed) || seed < 0) {
      wrongUse(`--seed must be an integer from 0, not "${values.seed}"`)
    }

    if (positionals.length > 1) {
      wrongUse(`One bench at a time, not ${positionals.length}: ${positionals.join(', ')}`)
    }

    if (values.save && values.short) {
      wrongUse('--save keeps figures that documents quote: not those of a --short run')
    }

    const { json, short, save, traces, plot } = values
    return { name: positionals[0], json, short, save, seed, own: { traces, plot } }
  } catch (err) {
    wrongUse(err instanceof Error ? err.message : String(err))
  }
}

const { name, json, short, save, seed, own } = parse()

if (name == null) {
  await list()
  process.exit(0)
}

const names = await benchNames()

if (!names.includes(name)) {
  wrongUse(`There is no bench "${name}". There are: ${names.join(', ')}`)
}

const bench = await load(name)

for (const option of Object.keys(own) as OwnOption[]) {
  if (own[option] != null && bench.options?.includes(option) !== true) {
    wrongUse(`The bench "${name}" has no option --${option}`)
  }
}

const started = performance.now()
const result = await bench.run({ seed, short, save, ...own, log: line => { console.log(line) } })
const seconds = (performance.now() - started) / 1000

console.log(`\n${name}, seed ${seed}${short ? ', short' : ''}, ${seconds.toFixed(1)} s\n`)
console.log(renderTable(result))

const report: BenchReport = {
  bench: name,
  ratios: result.ratios,
  absolute: result.absolute,
  env: {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    seed,
    date: new Date().toISOString()
  }
}

if (save) {
  const folder = new URL('./results/', import.meta.url)
  await mkdir(folder, { recursive: true })
  await writeFile(new URL(`${name}.json`, folder), `${JSON.stringify(report, null, 2)}\n`)
  console.log(`\nsaved to bench/results/${name}.json`)
}

const misses = missed(result)

if (misses.length > 0) {
  console.log(`\nmissed: ${misses.join(', ')}${short ? ' (a short run proves nothing about figures)' : ''}`)
}

if (json) {
  console.log(JSON.stringify(report))
}

// Sockets of a node that a bench forgot must not keep the runner alive; the exit code says what the figures did
process.exit(misses.length > 0 && !short && !json ? 1 : 0)
