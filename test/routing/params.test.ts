import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../src/interface/errors.ts'
import { DEFAULT_STORIES, DEFAULT_TIMEOUT, checkRetrieveOptions, routingParams } from '../../src/routing/params.ts'
import type { RetrieveOptions } from '../../src/interface/routing.ts'
import type { ContentRoutingInit } from '../../src/routing/params.ts'

const GROUPS = ['select', 'timeouts', 'hedge', 'limits', 'negative', 'affinity', 'lookup', 'rounds'] as const

/** Every option of every group, by the names the defaults have */
const OPTIONS = GROUPS.flatMap(group => Object.keys(routingParams()[group]).map(name => [group, name] as const))

const caught = (fn: () => void): Error | undefined => {
  try {
    fn()
    return undefined
  } catch (err) {
    return err as Error
  }
}

const refusal = (init: unknown): Error | undefined => caught(() => { routingParams(init as ContentRoutingInit) })
const callRefusal = (options: unknown): Error | undefined => caught(() => { checkRetrieveOptions(options as RetrieveOptions) })

const noNumber = fc.oneof(fc.string(), fc.boolean(), fc.bigInt(), fc.array(fc.integer()), fc.constantFrom(null, NaN, {}, '5'))

describe('routingParams', () => {
  it('has the documented defaults', () => {
    const params = routingParams()
    expect(params).toMatchObject({ mode: 'open', timeout: 30_000, stories: 1_000 })
    expect([DEFAULT_TIMEOUT, DEFAULT_STORIES]).toEqual([30_000, 1_000])
    expect(params.negative).toMatchObject({ base: 15_000, max: 60_000 })
    expect(params.hedge).toMatchObject({ share: 0.1, quantile: 0.9 })
  })

  it('accepts its own defaults, whole or in part', () => {
    const defaults = routingParams()
    expect(routingParams(defaults)).toEqual(defaults)
    for (const [group, name] of OPTIONS) {
      const values = defaults[group] as unknown as Record<string, number>
      expect(routingParams({ [group]: { [name]: values[name] } })).toEqual(defaults)
    }
    expect(routingParams({ limits: undefined })).toEqual(defaults)
  })

  it('lets one option be changed and leaves the others', () => {
    const params = routingParams({ mode: 'strict', timeout: 5, limits: { global: 3 } })
    expect(params.mode).toBe('strict')
    expect(params.timeout).toBe(5)
    expect(params.limits).toEqual({ ...routingParams().limits, global: 3 })
  })

  it.each(OPTIONS)('refuses a %s.%s that is no number, or far out of range, naming option, range and value', (group, name) => {
    fc.assert(fc.property(fc.oneof(noNumber, fc.constantFrom(-1, -Infinity, Infinity, 1e15)), value => {
      const error = refusal({ [group]: { [name]: value } })
      expect(error).toBeInstanceOf(InvalidOptionError)
      expect(error?.message).toMatch(new RegExp(`${group}\\.${name} to be an? (integer|number) from [0-9.]+ to [0-9.]+, got `))
    }), { numRuns: 20 })
  })

  it.each([
    [{ timeout: 0 }, 'timeout'],
    [{ timeout: 1e9 }, 'timeout'],
    [{ timeout: '5' }, 'timeout'],
    [{ stories: 1.5 }, 'stories'],
    [{ stories: 0 }, 'stories'],
    [{ mode: 'paranoid' }, 'paranoid'],
    [{ limits: { global: 1.5 } }, 'limits.global'],
    [{ rounds: { max: 0 } }, 'rounds.max'],
    [{ hedge: { quantile: 0.4 } }, 'hedge.quantile'],
    [{ hedge: { quanitle: 0.9 } }, 'hedge.quanitle'],
    [{ limits: null }, 'limits'],
    [{ timeut: 5 }, 'timeut'],
    // names that every object has from its prototype
    [{ constructor: 5 }, 'Unknown option constructor'],
    [{ valueOf: {} }, 'Unknown option valueOf'],
    [{ limits: { toString: 5 } }, 'Unknown option limits.toString'],
    [{ limits: { constructor: 5 } }, 'Unknown option limits.constructor'],
    [{ select: 5 }, 'select'],
    [{ negative: { base: 60_000, max: 1_000 } }, 'negative'],
    [{ timeouts: { floor: 5_000, ceiling: 100 } }, 'timeouts']
  ])('refuses %o', (init, name) => {
    const error = refusal(init)
    expect(error?.name).toBe('InvalidOptionError')
    expect(error?.message).toContain(name)
  })
})

describe('checkRetrieveOptions', () => {
  it('accepts what the contract allows', () => {
    fc.assert(fc.property(fc.record({
      timeout: fc.integer({ min: 1, max: 86_400_000 }),
      mode: fc.constantFrom('open', 'balanced', 'strict'),
      priority: fc.integer({ min: -1e6, max: 1e6 }),
      client: fc.string(),
      maxBlockSize: fc.integer({ min: 1, max: 2 ** 30 }),
      offline: fc.boolean(),
      skipNegativeCache: fc.boolean(),
      store: fc.boolean(),
      providers: fc.array(fc.string()),
      signal: fc.constant(new AbortController().signal),
      onProgress: fc.constant(() => {})
    }, { requiredKeys: [] }), options => {
      expect(callRefusal(options)).toBeUndefined()
    }))
  })

  it.each(['timeout', 'priority', 'maxBlockSize'])('refuses a %s that is no number', name => {
    fc.assert(fc.property(noNumber.filter(value => value !== null), value => {
      const error = callRefusal({ [name]: value })
      expect(error?.name).toBe('InvalidOptionError')
      expect(error?.message).toContain(name)
    }), { numRuns: 20 })
  })

  it.each([
    [{ timeout: 0 }, 'timeout'],
    [{ timeout: 86_400_001 }, 'timeout'],
    [{ maxBlockSize: 0 }, 'maxBlockSize'],
    [{ maxBlockSize: 1.5 }, 'maxBlockSize'],
    [{ priority: Infinity }, 'priority'],
    [{ mode: 'loud' }, 'loud'],
    [{ providers: 'http://a.example' }, 'providers'],
    [null, 'options'],
    ['fast', 'options']
  ])('refuses %o', (options, name) => {
    const error = callRefusal(options)
    expect(error?.name).toBe('InvalidOptionError')
    expect(error?.message).toContain(name)
  })
})

describe('options', () => {
  it.each([[Object.create(null)], [{ toString: 0 }], [{ toString () { throw new Error('boom') } }], [Symbol('s')], ['\u001b[2J\n']])('that cannot be printed are refused by name: %#', value => {
    for (const error of [refusal({ limits: { global: value } }), refusal({ mode: value }), callRefusal({ timeout: value })]) {
      expect(error?.name).toBe('InvalidOptionError')
      // eslint-disable-next-line no-control-regex
      expect(error?.message).not.toMatch(/[\u0000-\u001f]/)
    }
  })
})
