import { DEFAULT_AFFINITY } from './affinity.ts'
import { DEFAULT_HEDGE } from './hedge-budget.ts'
import { DEFAULT_LOOKUP } from './lookup.ts'
import { DEFAULT_NEGATIVE } from './negative-cache.ts'
import { DEFAULT_SELECT } from './select.ts'
import { DEFAULT_LIMITS } from './slots.ts'
import { DEFAULT_TIMEOUTS } from './timeouts.ts'
import { checkOverrides } from './privacy-overrides.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import type { AffinityParams } from './affinity.ts'
import type { HedgeParams } from './hedge-budget.ts'
import type { LookupParams } from './lookup.ts'
import type { NegativeParams } from './negative-cache.ts'
import type { SelectParams } from './select.ts'
import type { SlotLimits } from './slots.ts'
import type { TimeoutParams } from './timeouts.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { PrivacyOverrides } from '../interface/privacy-preset.ts'
import type { RetrieveOptions } from '../interface/routing.ts'

export interface RoundParams {
  /** Rounds over the known providers: after these a read fails, deadline or not */
  readonly max: number
  /** Pause before the second round in ms, doubled for each further one */
  readonly pause: number
  /** Attempts of one read in all */
  readonly maxAttempts: number
}

export const DEFAULT_ROUNDS: RoundParams = { max: 3, pause: 500, maxAttempts: 96 }

export interface ContentRoutingInit {
  /** @default 'open' */
  mode?: PrivacyMode
  /** Switches of the mode that are set otherwise: see docs/privacy-model.md. A single read in another mode has that as it is. */
  privacy?: PrivacyOverrides
  /** Milliseconds for one retrieval. @default 30_000 */
  timeout?: number
  /** Stories kept for `explain`. @default 1_000 */
  stories?: number
  select?: Partial<SelectParams>
  timeouts?: Partial<TimeoutParams>
  hedge?: Partial<HedgeParams>
  limits?: Partial<SlotLimits>
  negative?: Partial<NegativeParams>
  affinity?: Partial<AffinityParams>
  lookup?: Partial<LookupParams>
  rounds?: Partial<RoundParams>
}

export interface RoutingParams {
  readonly mode: PrivacyMode
  readonly privacy: PrivacyOverrides
  readonly timeout: number
  readonly stories: number
  readonly select: SelectParams
  readonly timeouts: TimeoutParams
  readonly hedge: HedgeParams
  readonly limits: SlotLimits
  readonly negative: NegativeParams
  readonly affinity: AffinityParams
  readonly lookup: LookupParams
  readonly rounds: RoundParams
}

/** Long enough for a cold DHT lookup and a transfer, short enough for a browser to wait */
export const DEFAULT_TIMEOUT = 30_000
export const DEFAULT_STORIES = 1_000

/** A day: beyond it a timer is a mistake in units */
const MAX_MS = 86_400_000

type Range = readonly [min: number, max: number, integer?: boolean]

const RANGES: Readonly<Record<string, Readonly<Record<string, Range>>>> = {
  select: {
    priorWeight: [0.001, 100],
    exploration: [0, 10],
    curiosity: [0, 10],
    staleWeight: [0, 1e6],
    priorSd: [0.01, 10],
    coldLatency: [0.1, MAX_MS],
    coldThroughput: [0.001, 1e9],
    comfortableInFlight: [1, 1e6],
    busyFactor: [1, 1e6],
    unknownPatience: [1, 1e6, true]
  },
  timeouts: {
    floor: [1, MAX_MS],
    ceiling: [1, MAX_MS],
    unknown: [1, MAX_MS],
    connect: [1, MAX_MS],
    stall: [1, MAX_MS]
  },
  hedge: {
    share: [0, 1],
    burst: [0, 1e6],
    initial: [0, 1e6],
    quantile: [0.5, 0.999],
    minDelay: [0, MAX_MS],
    coldDelay: [1, MAX_MS],
    blindDelay: [1, MAX_MS],
    maxConcurrent: [1, 64, true],
    reserve: [0, 1e6],
    shadowShare: [0, 1],
    exploreShare: [0, 1],
    exploreBurst: [0, 1e6]
  },
  limits: {
    global: [1, 1e6, true],
    perProvider: [1, 1e6, true],
    perClient: [1, 1e6, true],
    queue: [1, 1e7, true]
  },
  negative: { base: [0, MAX_MS], max: [0, MAX_MS], limit: [1, 1e7, true] },
  affinity: { roots: [1, 1e6, true], providers: [1, 256, true], links: [1, 1e7, true] },
  lookup: { maxProviders: [1, 1e4, true], timeout: [1, MAX_MS], linger: [0, MAX_MS] },
  rounds: { max: [1, 100, true], pause: [1, MAX_MS], maxAttempts: [1, 1e4, true] }
}

/** Fills in the defaults and refuses what is out of range, naming option, range and value */
export function routingParams (init: ContentRoutingInit = {}): RoutingParams {
  for (const [name, value] of Object.entries(init)) {
    if (!Object.hasOwn(RANGES, name) && !['mode', 'privacy', 'timeout', 'stories'].includes(name)) {
      throw new InvalidOptionError(`Unknown option ${name}; expected one of mode, privacy, timeout, stories, ${Object.keys(RANGES).join(', ')}`)
    }

    if (Object.hasOwn(RANGES, name) && value !== undefined && (value === null || typeof value !== 'object')) {
      throw new InvalidOptionError(`Expected ${name} to be an object of options, got ${quote(value)}`)
    }
  }

  const params = {
    mode: privacyMode(init.mode ?? 'open', 'mode'),
    privacy: checkOverrides(init.privacy),
    timeout: inRange('timeout', init.timeout ?? DEFAULT_TIMEOUT, [1, MAX_MS]),
    stories: inRange('stories', init.stories ?? DEFAULT_STORIES, [1, 1e6, true]),
    select: { ...DEFAULT_SELECT, ...init.select },
    timeouts: { ...DEFAULT_TIMEOUTS, ...init.timeouts },
    hedge: { ...DEFAULT_HEDGE, ...init.hedge },
    limits: { ...DEFAULT_LIMITS, ...init.limits },
    negative: { ...DEFAULT_NEGATIVE, ...init.negative },
    affinity: { ...DEFAULT_AFFINITY, ...init.affinity },
    lookup: { ...DEFAULT_LOOKUP, ...init.lookup },
    rounds: { ...DEFAULT_ROUNDS, ...init.rounds }
  }

  for (const [group, ranges] of Object.entries(RANGES)) {
    const values = params[group as 'select'] as unknown as Record<string, unknown>

    for (const name of Object.keys(values)) {
      const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined

      if (range == null) {
        throw new InvalidOptionError(`Unknown option ${group}.${name}; expected one of ${Object.keys(ranges).join(', ')}`)
      }

      inRange(`${group}.${name}`, values[name], range)
    }
  }

  ordered('negative.base', params.negative.base, 'negative.max', params.negative.max)
  ordered('timeouts.floor', params.timeouts.floor, 'timeouts.ceiling', params.timeouts.ceiling)
  return params
}

function ordered (low: string, lowValue: number, high: string, highValue: number): void {
  if (lowValue > highValue) {
    throw new InvalidOptionError(`Expected ${low} to be at most ${high}, got ${lowValue} and ${highValue}`)
  }
}

/** Characters of the name of a publisher: that of a domain has at most 253 */
const MAX_PUBLISHER = 256

/** Per-call options that are of one plain type */
const TYPES: Record<string, 'boolean' | 'string' | 'function'> = {
  onProgress: 'function',
  client: 'string',
  publisher: 'string',
  offline: 'boolean',
  store: 'boolean',
  skipNegativeCache: 'boolean'
}

/** Checks the per-call options */
export function checkRetrieveOptions (options: RetrieveOptions): void {
  if (options == null || typeof options !== 'object') {
    throw new InvalidOptionError(`Expected options to be an object, got ${quote(options)}`)
  }

  if (options.timeout != null) {
    inRange('timeout', options.timeout, [1, MAX_MS])
  }

  if (options.maxBlockSize != null) {
    inRange('maxBlockSize', options.maxBlockSize, [1, 2 ** 30, true])
  }

  if (options.priority != null) {
    inRange('priority', options.priority, [-1e6, 1e6])
  }

  if (options.mode != null) {
    privacyMode(options.mode, 'mode')
  }

  for (const [name, type] of Object.entries(TYPES)) {
    const value = options[name as keyof RetrieveOptions]

    const actual: string = typeof value

    if (value != null && actual !== type) {
      throw new InvalidOptionError(`Expected ${name} to be a ${type}, got ${actual}`)
    }
  }

  if (options.publisher != null && (options.publisher === '' || options.publisher.length > MAX_PUBLISHER)) {
    throw new InvalidOptionError(`Expected publisher to have 1 to ${MAX_PUBLISHER} characters, got ${options.publisher.length}`)
  }

  if (options.signal != null && (typeof options.signal.aborted !== 'boolean' || typeof options.signal.addEventListener !== 'function')) {
    throw new InvalidOptionError('Expected signal to be an AbortSignal')
  }

  if (options.providers != null && !Array.isArray(options.providers)) {
    throw new InvalidOptionError(`Expected providers to be an array, got ${typeof options.providers}`)
  }
}

function inRange (name: string, value: unknown, [min, max, integer = false]: Range): number {
  if (typeof value !== 'number' || Number.isNaN(value) || value < min || value > max || (integer && !Number.isInteger(value))) {
    throw new InvalidOptionError(`Expected ${name} to be ${integer ? 'an integer' : 'a number'} from ${min} to ${max}, got ${quote(value)}`)
  }

  return value
}

function privacyMode (value: unknown, name: string): PrivacyMode {
  if (value !== 'open' && value !== 'balanced' && value !== 'strict') {
    throw new InvalidOptionError(`Expected ${name} to be open, balanced or strict, got ${quote(value)}`)
  }

  return value
}
