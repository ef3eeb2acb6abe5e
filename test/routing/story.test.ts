import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Explanation } from '../../src/routing/story.ts'
import { MAX_EVENTS, Timeline } from '../../src/routing/timeline.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { ProviderId } from '../../src/interface/provider.ts'
import type { AttemptSummary } from '../../src/routing/timeline.ts'

const CID = 'bafkreiabc'

function attempt (n: number, init: Partial<AttemptSummary> = {}): AttemptSummary {
  return { attempt: n, provider: `http:p${n}.example`, transport: 'http', reason: 'first', because: 'the only one left', startedAt: 0, bytes: 0, ...init }
}

/** Everything that moves a cursor, rings, colours, hides or reverses text */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

const hostileUnit = fc.oneof(
  fc.constantFrom('\n', '\r', '\u001b[2J', '\u001b]0;pwned\u0007', '\u009b31m', '\u202e', '\u2028', '\u2066', '\u0000', '\u007f', '\u200b'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 3 })
)
const hostile = fc.string({ unit: hostileUnit, maxLength: 40 })

describe('Explanation', () => {
  it('reads like a timeline', async () => {
    const clock = new VirtualClock()
    const timeline = new Timeline(CID, clock)
    timeline.found.set('http:p1.example', 'dht')
    timeline.add('discovery', 'dht named 2 providers in 5 ms')
    await clock.advance(5)
    timeline.add('skip', 'banned', { provider: 'http:liar.example' })
    timeline.attempts.push(attempt(1, { startedAt: 5, connectedAt: 6.25, endedAt: 1_055, outcome: 'stalled', message: 'no answer within 1050 ms' }))
    timeline.attempts.push(attempt(2, { reason: 'hedge', because: 'cheapest of 2; usually 40 ms', startedAt: 55, connectedAt: 60, firstByteAt: 100, endedAt: 110, outcome: 'delivered', bytes: 2_048 }))
    timeline.joined = 3
    await clock.advance(105)
    timeline.end('delivered', 'http:p2.example delivered 2048 bytes, verified')
    expect(String(new Explanation(timeline))).toBe([
      'bafkreiabc: delivered after 110 ms (discovery 55 ms, connecting 5.0 ms, waiting 40 ms, transfer 10 ms)',
      '    0.0 ms  discovery  dht named 2 providers in 5 ms',
      '    5.0 ms  skip       http:liar.example: banned',
      '    5.0 ms  ask #1     http:p1.example over http (first choice: the only one left)',
      '     55 ms  ask #2     http:p2.example over http (hedge: cheapest of 2; usually 40 ms)',
      '    110 ms  done       http:p2.example delivered 2048 bytes, verified',
      '    110 ms  end #2     delivered 2.0 KiB in 55 ms, verified',
      '   1055 ms  end #1     stalled after 1050 ms: no answer within 1050 ms',
      'cost: 2 requests, 2.0 KiB, shared by 3 callers'
    ].join('\n'))
  })

  it('says the same to programs', () => {
    const timeline = new Timeline(CID, new VirtualClock())
    timeline.found.set('http:p1.example', 'dht')
    timeline.attempts.push(attempt(1, { startedAt: 1.23456, endedAt: 9.87654, outcome: 'invalid', bytes: 100 }))
    timeline.attempts.push(attempt(2, { startedAt: 10, endedAt: 20, outcome: 'delivered', bytes: 50 }))
    timeline.end('delivered', 'done')
    const story = JSON.parse(JSON.stringify(new Explanation(timeline))) as ReturnType<Explanation['toJSON']>
    expect(story).toMatchObject({
      cid: CID,
      startedAt: '2026-01-01T00:00:00.000Z',
      result: 'delivered',
      phases: { discovery: 10, connecting: 0, waiting: 0, transfer: 10 },
      found: [{ provider: 'http:p1.example', source: 'dht' }],
      attempts: [{ outcome: 'invalid', startedAt: 1.23, endedAt: 9.88 }, { outcome: 'delivered' }],
      cost: { requests: 2, bytes: 150, wasted: 100, callers: 1 }
    })
  })

  it('is what a console prints', () => {
    const explanation = new Explanation(new Timeline(CID, new VirtualClock()))
    expect(inspect(explanation)).toBe(String(explanation))
    expect(String(explanation)).toContain('still running')
  })

  it('lets no word of a provider, a router or a fetcher move the cursor, colour, hide or break a line', () => {
    fc.assert(fc.property(hostile, hostile, hostile, hostile, (what, id, because, message) => {
      const timeline = new Timeline(CID, new VirtualClock())
      timeline.add('discovery', what, { provider: `p2p:${id}` })
      timeline.attempts.push(attempt(1, { provider: `p2p:${id}` as ProviderId, because, message, outcome: 'refused', endedAt: 1 }))
      timeline.end('failed', what)
      const text = String(new Explanation(timeline))
      expect(UNPRINTABLE.exec(text)).toBeNull()
      expect(text.split('\n')).toHaveLength(6)
    }))
  })

  it('cuts what a provider has to say', () => {
    const timeline = new Timeline(CID, new VirtualClock())
    timeline.attempts.push(attempt(1, { message: 'x'.repeat(1e6), outcome: 'refused', endedAt: 1 }))
    expect(String(new Explanation(timeline)).length).toBeLessThan(1_000)
  })

  it('stays readable: what exceeds the limit is counted', () => {
    const timeline = new Timeline(CID, new VirtualClock())
    for (let i = 0; i < MAX_EVENTS + 30; i++) {
      timeline.add('discovery', `line ${i}`)
    }
    expect(timeline.events).toHaveLength(MAX_EVENTS)
    expect(String(new Explanation(timeline))).toContain('… and 30 more lines')
    expect(new Explanation(timeline).toJSON().dropped).toBe(30)
  })

  it('ends once', async () => {
    const clock = new VirtualClock()
    const timeline = new Timeline(CID, clock)
    timeline.end('timeout', 'the deadline passed')
    await clock.advance(10)
    timeline.end('delivered', 'too late')
    expect(new Explanation(timeline).toJSON()).toMatchObject({ result: 'timeout', took: 0, events: [{ phase: 'failed', what: 'the deadline passed' }] })
  })
})
