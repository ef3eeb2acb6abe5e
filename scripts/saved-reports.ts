import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { BenchReport } from '../bench/types.ts'

const RESULTS = new URL('../bench/results/', import.meta.url)

/** The newest saved run of each bench, by its name; none before the first `--save` */
export function savedReports (): Map<string, BenchReport> {
  const files = existsSync(RESULTS) ? readdirSync(RESULTS).filter(file => file.endsWith('.json')) : []

  return new Map(files.sort().map(file => {
    return [file.slice(0, -'.json'.length), JSON.parse(readFileSync(new URL(file, RESULTS), 'utf8')) as BenchReport]
  }))
}
