import { describe, expect, it } from 'vitest'
import { readingDigests, readsItsOwnWay, unheeded } from '../../src/cli/reading-options.ts'
import { loadConfig } from '../../src/config/load.ts'

const PASSWORD = 'hunter2hunter2'
const file = (value: object): { name: string, text: string } => ({ name: 'a.json', text: JSON.stringify(value) })

describe('what a running node does not heed', () => {
  it('is nothing where nobody said how to read, or said what the node was started with, wherever that was said', () => {
    const there = readingDigests(loadConfig({ flags: { mode: 'strict', timeout: '60s' } }))
    expect(unheeded(loadConfig(), there)).toBeUndefined()
    expect(unheeded(loadConfig({ environment: { PORTOLAN_MODE: 'strict' }, file: file({ routing: { timeout: '1m' } }) }), there)).toBeUndefined()
    // what is no matter of reads
    expect(unheeded(loadConfig({ environment: { PORTOLAN_PORT: '1', PORTOLAN_STORE: '/a' } }), there)).toBeUndefined()
  })

  it('names each option and where it was said, and the flags that would be heeded', () => {
    const there = readingDigests(loadConfig())
    expect(unheeded(loadConfig({ environment: { PORTOLAN_MODE: 'strict' }, file: file({ routing: { timeout: '1m' } }) }), there)).toBe('the running node reads as it was started, not with routing.mode of the environment variable PORTOLAN_MODE, nor with routing.timeout of the file a.json; --mode, --timeout on the command line would read past it')
    // no flag of the commands that read
    expect(unheeded(loadConfig({ environment: { PORTOLAN_HEDGES: 'off' } }), there)).toBe('the running node reads as it was started, not with privacy.hedges of the environment variable PORTOLAN_HEDGES')
  })

  it('is everything that was said where the node has not told how it reads', () => {
    expect(unheeded(loadConfig({ environment: { PORTOLAN_MODE: 'balanced' } }))).toContain('routing.mode')
    expect(unheeded(loadConfig({ environment: { PORTOLAN_MODE: 'balanced' } }), { 'routing.mode': 7 })).toContain('routing.mode')
  })

  it('is not asked where a flag has the read go past the node', () => {
    expect(readsItsOwnWay(loadConfig({ flags: { mode: 'strict' } }))).toBe(true)
    expect(readsItsOwnWay(loadConfig({ flags: { store: '/a' }, environment: { PORTOLAN_MODE: 'strict' } }))).toBe(false)
  })

  it('is told without writing down what addresses may hold', () => {
    const digests = readingDigests(loadConfig({ flags: { provider: [`https://user:${PASSWORD}@gateway.example`] } }))
    expect(JSON.stringify(digests)).not.toContain(PASSWORD)
    expect(digests['routing.providers']).not.toBe(readingDigests(loadConfig())['routing.providers'])
  })
})
