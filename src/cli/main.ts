#!/usr/bin/env node
import process from 'node:process'
import { nodeVersionProblem } from './node-version.ts'

const problem = nodeVersionProblem(process.version)

if (problem == null) {
  // loaded only now: what it imports does not even parse on an older Node
  const { accountExternalMemory } = await import('../config/external-memory.ts')
  const { run } = await import('./run.ts')
  accountExternalMemory()
  process.exitCode = await run(process.argv.slice(2))
} else {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 1
}
