import { describe, expect, it } from 'vitest'
import { machineTime } from './rules/time.ts'
import { formatViolations, listSources, parse, readRepositoryFile, roomOf } from './support/source-tree.ts'

/** Files that need the machine's own time, each with the reason. A file in this list that needs it no more fails. */
const LIBRARY_TIME: Readonly<Record<string, string>> = {
  'src/config/external-memory.ts': 'hears of collections of garbage, and asks no clock',
  'src/gateway/process-metrics.ts': 'measures the process itself: its age and the delay of its event loop',
  'src/testing/virtual-clock.ts': 'lets promises and real sockets settle between two virtual moments'
}

const sources = listSources().filter(file => roomOf(file) !== 'clock').map(file => parse(file, readRepositoryFile(file)))

describe('time and chance', () => {
  it('come from the machine only in src/clock', () => {
    const violations = sources.flatMap(machineTime)
    expect(formatViolations(violations.filter(({ file }) => LIBRARY_TIME[file] == null))).toEqual([])
    expect(Object.keys(LIBRARY_TIME).filter(file => !violations.some(violation => violation.file === file))).toEqual([])
  })

  it('are used there', () => {
    const used = listSources().filter(file => roomOf(file) === 'clock').flatMap(file => machineTime(parse(file, readRepositoryFile(file))))
    expect(used.length).toBeGreaterThan(0)
  })
})

describe('the time rule itself', () => {
  it.each([
    'Date.now()', 'new Date()', 'new Date', 'Date()', 'Math.random()', 'const { length } = [Math.random]', 'performance.now()', 'globalThis.performance.now()',
    'setTimeout(() => {}, 1)', 'globalThis.setTimeout(() => {}, 1)', 'const f = setInterval', 'setImmediate(() => {})', 'AbortSignal.timeout(5)',
    'process.hrtime.bigint()', "import { setTimeout as sleep } from 'node:timers/promises'"
  ])('sees %s', text => {
    expect(machineTime(parse('src/routing/a.ts', text)).length).toBeGreaterThan(0)
  })

  it.each([
    'new Date(clock.wall())', 'Date.parse(text)', 'Math.floor(1)', 'clock.now()', 'clock.timeout(5)', 'random.next()', 'clearTimeout(timer)', 'type T = typeof setTimeout'
  ])('leaves %s alone', text => {
    expect(machineTime(parse('src/routing/a.ts', text))).toEqual([])
  })
})
