import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultStore, readConfig } from '../../src/config/file.ts'
import { loadConfig } from '../../src/config/load.ts'
import { defineSchema, schema } from '../../src/config/schema.ts'
import { readValue } from '../../src/config/value.ts'
import { InvalidOptionError } from '../../src/interface/errors.ts'
import type { OptionDefinition } from '../../src/config/schema.ts'

const entries = Object.entries<OptionDefinition>(schema)

function file (value: unknown): { name: string, text: string } {
  return { name: 'test.json', text: JSON.stringify(value) }
}

describe('the schema', () => {
  it.each(entries)('%s: the default is in its own range, and the names are well formed', (key, option) => {
    expect(readValue(key, option, option.default, 'the default')).toEqual(option.default)
    expect(option.env).toMatch(/^PORTOLAN_[A-Z0-9_]+$/)
    expect(option.flag ?? 'none').toMatch(/^[a-z0-9-]+$/)
    expect(option.reason).not.toBe('')
    expect(option.description).toMatch(/\.$/)
  })

  it('refuses a name that is used twice', () => {
    const option: OptionDefinition = { type: 'boolean', default: false, reason: 'r', description: 'd.', env: 'PORTOLAN_A' }
    expect(() => defineSchema({ a: option, b: option })).toThrow(InvalidOptionError)
  })

  it('says of each switch that is on what it is to switch it off, since its flag would do nothing else', () => {
    const option: OptionDefinition = { type: 'boolean', default: true, reason: 'r', description: 'd.', env: 'PORTOLAN_A', flag: 'a' }
    expect(() => defineSchema({ a: option })).toThrow(/switchedOff/)
    expect(() => defineSchema({ a: { ...option, switchedOff: 'Not d.' } })).not.toThrow()
    expect(() => defineSchema({ a: { ...option, default: false, switchedOff: 'Not d.' } })).toThrow(/switchedOff/)
  })

  it('binds nothing but loopback and names nobody by default', () => {
    const { values } = loadConfig()
    expect(values['gateway.host']).toBe('127.0.0.1')
    expect(values['control.host']).toBe('127.0.0.1')
    expect(values['routing.mode']).toBe('balanced')
    expect([values['routing.providers'], values['libp2p.bootstrap'], values['libp2p.listen']]).toEqual([[], [], []])
  })
})

describe('precedence', () => {
  const flags = { port: '1' }
  const environment = { PORTOLAN_GATEWAY_PORT: '2' }
  const text = file({ gateway: { port: 3 } })

  it.each([
    [{ flags, environment, file: text }, 1, 'flag'],
    [{ environment, file: text }, 2, 'environment'],
    [{ file: text }, 3, 'file'],
    [{}, 8480, 'default']
  ] as const)('%j gives %d from the %s', (sources, port, origin) => {
    const { values, origins } = loadConfig(sources)
    expect(values['gateway.port']).toBe(port)
    expect(origins['gateway.port']).toBe(origin)
  })

  it('an empty environment variable counts as not set', () => {
    expect(loadConfig({ environment: { PORTOLAN_GATEWAY_PORT: '' } }).values['gateway.port']).toBe(8480)
  })
})

describe('values', () => {
  it.each([
    ['timeout', '500ms', 500], ['timeout', '30s', 30_000], ['timeout', '1.5 m', 90_000], ['timeout', '250', 250],
    ['max-block-size', '512KiB', 524_288], ['max-block-size', '1MB', 1_000_000], ['max-block-size', '4096', 4096]
  ])('--%s %s is %d', (flag, text, expected) => {
    const { values } = loadConfig({ flags: { [flag]: text } })
    expect(flag === 'timeout' ? values['routing.timeout'] : values['block.maxSize']).toBe(expected)
  })

  it('splits lists in the environment, takes arrays elsewhere', () => {
    expect(loadConfig({ environment: { PORTOLAN_PROVIDERS: 'https://a.example, https://b.example' } }).values['routing.providers'])
      .toEqual(['https://a.example', 'https://b.example'])
    expect(loadConfig({ flags: { provider: ['https://a.example'] } }).values['routing.providers']).toEqual(['https://a.example'])
  })

  it.each([
    [{ flags: { port: '65536' } }, /gateway\.port \(from --port\) must be a whole number from 0 to 65535, not "65536"/],
    [{ flags: { port: '80x' } }, /gateway\.port/],
    [{ flags: { prot: '80' } }, /--prot is not an option; did you mean --port\?/],
    [{ environment: { PORTOLAN_MODE: 'private' } }, /routing\.mode \(from the environment variable PORTOLAN_MODE\) must be one of open, balanced, strict, not "private"/],
    [{ file: file({ gateway: { port: '8480 ' + 'x'.repeat(200) } }) }, /gateway\.port \(from the file test\.json\).{0,160}\.\.\.$/],
    [{ file: file({ gateway: { prot: 1 } }) }, /test\.json has an unknown key gateway\.prot; did you mean gateway\.port\?/],
    [{ file: file({ gateway: 1 }) }, /unknown key gateway/],
    [{ file: file({ gateway: { port: { deep: 1 } } }) }, /unknown key gateway\.port\.deep/],
    [{ file: file([1]) }, /must hold an object/],
    [{ file: { name: 'test.json', text: '{' } }, /test\.json is not JSON/],
    [{ file: { name: 'test.json', text: '{"__proto__":{"port":1}}' } }, /unknown key __proto__\.port/],
    [{ flags: { store: 'a\0b' } }, /store\.path/],
    [{ flags: { 'max-block-size': 'NaN' } }, /block\.maxSize/],
    [{ flags: { timeout: '-1' } }, /routing\.timeout/],
    [{ flags: { provider: [''] } }, /routing\.providers/]
  ])('%j is refused, and the error says why', (sources, message) => {
    expect(() => loadConfig(sources)).toThrow(InvalidOptionError)
    expect(() => loadConfig(sources)).toThrow(message)
  })

  it('warns about an unknown PORTOLAN_ variable, and only about those', () => {
    const { warnings } = loadConfig({ environment: { PORTOLAN_GATEWAY_PROT: '1', PATH: '/bin', PORTOLAN_CONFIG: 'x' } })
    expect(warnings).toEqual(['the environment variable PORTOLAN_GATEWAY_PROT is not an option of portolan; did you mean PORTOLAN_GATEWAY_PORT?'])
  })

  it('never shows a secret', () => {
    const secret = defineSchema({ 'a.token': { type: 'integer', default: 1, min: 0, max: 9, reason: 'r', description: 'd.', env: 'PORTOLAN_A', flag: 'a', secret: true } })
    expect(() => loadConfig({ flags: { a: 'hunter2' } }, secret)).toThrow(/not \(not shown\)$/)
  })
})

describe('whatever is thrown at it', () => {
  const onlyInvalidOption = (load: () => unknown): void => {
    try {
      load()
    } catch (err) {
      expect(err).toBeInstanceOf(InvalidOptionError)
    }
  }

  it('any file text gives a configuration or an InvalidOptionError', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), text => {
      onlyInvalidOption(() => loadConfig({ file: { name: 'f', text } }))
    }))
  })

  it('any value under any key gives one in range or an InvalidOptionError', () => {
    fc.assert(fc.property(fc.constantFrom(...entries), fc.anything(), ([key, option], value) => {
      onlyInvalidOption(() => {
        const read = readValue(key, option, value, 'a test')
        expect(readValue(key, option, read, 'a test')).toEqual(read)
        if (typeof read === 'number') {
          expect(read >= (option.min ?? 0) && read <= (option.max ?? 0)).toBe(true)
        }
      })
    }), { numRuns: 2000 })
  })

  it('any flags and any environment do too', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom(...entries.map(([, option]) => option.flag ?? '')))
    const variable = fc.oneof(fc.string(), fc.constantFrom(...entries.map(([, option]) => option.env)))

    fc.assert(fc.property(fc.dictionary(name, fc.anything()), fc.dictionary(variable, fc.string()), (flags, environment) => {
      onlyInvalidOption(() => loadConfig({ flags }))
      onlyInvalidOption(() => loadConfig({ environment }))
    }))
  })
})

describe('the file', () => {
  const made: string[] = []
  const directory = (): string => {
    const path = mkdtempSync(join(tmpdir(), 'portolan-config-'))
    made.push(path)
    return path
  }
  afterEach(() => {
    made.splice(0).forEach(path => { rmSync(path, { recursive: true }) })
  })

  it('is config.json in the store, when there is one', () => {
    const store = directory()
    expect(readConfig({ flags: { store } }).file).toBeUndefined()

    writeFileSync(join(store, 'config.json'), '{"gateway":{"port":9}}')
    const config = readConfig({ flags: { store } })
    expect(config.values['gateway.port']).toBe(9)
    expect(config.file).toBe(join(store, 'config.json'))
    expect(config.store).toBe(store)
  })

  it('may say where the store is only when it does not lie in it', () => {
    const store = directory()
    const path = join(store, 'config.json')
    writeFileSync(path, '{"store":{"path":"/somewhere"}}')

    expect(() => readConfig({ flags: {}, environment: { PORTOLAN_STORE: store } })).not.toThrow()
    expect(() => readConfig({ environment: { XDG_DATA_HOME: '/nowhere' }, config: path })).not.toThrow()
    expect(readConfig({ config: path }).store).toBe('/somewhere')
  })

  it('must exist when it is named, and be of a sane size', () => {
    const path = join(directory(), 'big.json')
    expect(() => readConfig({ config: path })).toThrow(/big\.json cannot be read/)
    writeFileSync(path, ' '.repeat(1_048_577))
    expect(() => readConfig({ environment: { PORTOLAN_CONFIG: path } })).toThrow(/larger than/)
  })

  it('the default store belongs to the user', () => {
    expect(defaultStore({ XDG_DATA_HOME: '/data' })).toBe('/data/portolan')
    expect(defaultStore({ XDG_DATA_HOME: 'relative' })).toBe(join(homedir(), '.portolan'))
    expect(readConfig({ flags: { store: '~/x' } }).store).toBe(join(homedir(), 'x'))
  })
})
