/**
 * `npm run test:faults [-- FILTER…] [--minutes N] [options of vitest]`: the suite of faults, with `--minutes` for the
 * soak, which vitest would refuse. Exits as vitest does; 2: called wrongly.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/** A week: who wants more can start it again */
const MAX_MINUTES = 10_080

function wrongUse (message: string): never {
  console.error(message)
  process.exit(2)
}

const rest: string[] = []
let minutes: string | undefined
const given = process.argv.slice(2)

for (let i = 0; i < given.length; i++) {
  const argument = given[i] as string

  if (argument === '--minutes' || argument.startsWith('--minutes=')) {
    minutes = argument === '--minutes' ? given[++i] ?? '' : argument.slice('--minutes='.length)
  } else {
    rest.push(argument)
  }
}

if (minutes != null && !(/^\d+(\.\d+)?$/.test(minutes) && Number(minutes) >= 0.2 && Number(minutes) <= MAX_MINUTES)) {
  wrongUse(`--minutes must be a number from 0.2 to ${MAX_MINUTES}, not "${minutes.replace(/\p{C}/gu, '?').slice(0, 40)}"`)
}

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const child = spawn(process.execPath, [vitest, 'run', '--project', 'faults', '--passWithNoTests', ...rest], {
  stdio: 'inherit',
  env: { ...process.env, ...(minutes == null ? {} : { PORTOLAN_SOAK_MINUTES: minutes }) }
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => { child.kill(signal) })
}

child.on('error', err => { wrongUse(`vitest cannot be started: ${err.message}`) })
child.on('close', (code, signal) => { process.exit(code ?? 128 + (signal == null ? 1 : constants.signals[signal])) })
