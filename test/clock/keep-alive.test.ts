import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MODULE = new URL('../../src/clock/keep-alive.ts', import.meta.url).href
const CLOCK = new URL('../../src/clock/system-clock.ts', import.meta.url).href

async function run (script: string): Promise<string> {
  return (await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])).stdout
}

it('a process waits for a clock\'s timer only while it is kept alive, and ends after that', async () => {
  const wait = `import { systemClock } from '${CLOCK}'; import { keepAlive } from '${MODULE}'`
  expect(await run(`${wait}; systemClock.sleep(20).then(() => console.log('over'))`)).toBe('')
  expect(await run(`${wait}; const end = keepAlive(); systemClock.sleep(20).then(() => { console.log('over'); end() })`)).toBe('over\n')
})
