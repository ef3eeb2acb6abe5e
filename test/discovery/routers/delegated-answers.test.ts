import { describe, expect, it } from 'vitest'
import { KeptAnswers, isBridge, isFresh, isRescue } from '../../../src/discovery/routers/delegated-answers.ts'
import type { KeptAnswer } from '../../../src/discovery/routers/delegated-answers.ts'
import type { Provider } from '../../../src/interface/provider.ts'

const provider = (size: number): Provider => ({ id: 'p2p:a', addresses: ['x'.repeat(size)], protocols: [], source: 'r', fallback: false, domains: [] })
const answer = (changes: Partial<KeptAnswer> = {}): KeptAnswer => ({ providers: [provider(10)], at: 0, freshness: { fresh: 1_000, whileRevalidating: 2_000, ifError: 4_000 }, ...changes })

describe('kept answers', () => {
  it('are bounded by their number and by their bytes', () => {
    const few = new KeptAnswers({ now: () => 0 }, { entries: 3 })
    const small = new KeptAnswers({ now: () => 0 }, { bytes: 100_000 })
    for (let i = 0; i < 100; i++) {
      few.set(`${i}`, answer())
      small.set(`${i}`, answer({ providers: [provider(5_000)] }))
    }
    expect(few.size).toBe(3)
    expect(small.size).toBeGreaterThan(10)
    expect(small.bytes).toBeLessThanOrEqual(100_000)
    small.set('huge', answer({ providers: [provider(50_000)] }))
    expect(small.get('huge')).toBeUndefined()
    expect(small.get('99')).toBeDefined()
  })

  it('are used as long as they say', () => {
    const kept = answer()
    const at = (now: number): boolean[] => [isFresh(kept, now), isBridge(kept, now), isRescue(kept, now)]
    expect([at(999), at(1_000), at(2_999), at(3_000), at(4_999), at(5_000)]).toEqual([[true, true, true], [false, true, true], [false, true, true], [false, false, true], [false, false, true], [false, false, false]])
  })

  it('go when neither their age nor a tag makes them worth anything', () => {
    let now = 0
    const answers = new KeptAnswers({ now: () => now })
    const useless = { fresh: 0, whileRevalidating: 0, ifError: 0 }
    answers.set('useless', answer({ freshness: useless }))
    answers.set('tagged', answer({ freshness: useless, tag: '"a"' }))
    answers.set('old', answer())
    expect([answers.get('useless'), answers.size]).toEqual([undefined, 2])
    now = 5_000
    expect(answers.get('old')).toBeUndefined()
    expect(answers.get('tagged')).toBeDefined()
    answers.delete('tagged')
    expect(answers.size).toBe(0)
  })
})
