import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../src/interface/errors.ts'
import { checkComponents, checkOptionNames } from '../../src/interface/option-names.ts'

const NAMES = ['maxPeers', 'peerAllowlist', 'webhook']
const message = (run: () => void): string => {
  try {
    run()
  } catch (err) {
    expect(err).toBeInstanceOf(InvalidOptionError)
    return (err as Error).message
  }
  return ''
}

describe('names of options', () => {
  it('that there are not are told of, with those that there are and the one that was probably meant', () => {
    expect(message(() => { checkOptionNames('a collector', { peerAllowList: [] }, NAMES) })).toBe('a collector has no option "peerAllowList", it has maxPeers, peerAllowlist, webhook; did you mean peerAllowlist?')
    expect(message(() => { checkOptionNames('a collector', { maxPeers: 1, zzzzzz: undefined }, NAMES) })).toBe('a collector has no option "zzzzzz", it has maxPeers, peerAllowlist, webhook')
  })

  it('of options, given a level too high, are told of where they belong', () => {
    expect(message(() => { checkOptionNames('a monitor', { allow: [] }, NAMES, { deeper: ['webhook.url', 'webhook.allow'] }) })).toMatch(/; did you mean webhook\.allow\?$/)
    expect(message(() => { checkOptionNames('a monitor', { maxPeer: [] }, NAMES, { deeper: ['webhook.allow'] }) })).toMatch(/; did you mean maxPeers\?$/)
  })

  it('that are taken and not told of are in no message', () => {
    expect(message(() => { checkOptionNames('a node', { inner: 1 }, NAMES, { untold: ['inner'] }) })).toBe('')
    expect(message(() => { checkOptionNames('a node', { outer: 1 }, NAMES, { untold: ['inner'] }) })).not.toContain('inner')
  })

  it('and values are not shown: they may be secrets', () => {
    expect(message(() => { checkOptionNames('a service', ['s3cret'], NAMES) })).toBe('the options of a service must be an object, got an array')
    expect(message(() => { checkComponents('a service', 's3cret', NAMES, () => '') })).toBe('the components of a service must be an object, got a string')
    expect(message(() => { checkOptionNames('a service', { token: 's3cret' }, NAMES) })).not.toContain('s3cret')
  })

  it.each([null, undefined, 1, 'x', true, [], ['maxPeers'], () => {}])('%o is no object of options', value => {
    expect(message(() => { checkOptionNames('a collector', value, NAMES) })).toMatch(/^the options of a collector must be an object, got /)
    expect(message(() => { checkComponents('a collector', value, NAMES, () => '') })).toMatch(/^the components of a collector must be an object, got /)
  })

  it('are those that there are, or an InvalidOptionError says so, whatever they are', () => {
    fc.assert(fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.string(), fc.constantFrom('__proto__', 'constructor', '\u001b[2J')), fc.anything()), init => {
      const isKnown = Object.keys(init).every(name => NAMES.includes(name))
      const told = message(() => { checkOptionNames('a collector', init, NAMES) })
      expect(told === '').toBe(isKnown)
      // eslint-disable-next-line no-control-regex -- what must not be there
      expect(told).not.toMatch(/[\u0000-\u001f]/)
    }))
  })
})

describe('options among the components', () => {
  const usage = (option: string): string => `new Thing({}, { ${option} })`

  it('are refused, and so are those that are mistyped', () => {
    expect(message(() => { checkComponents('a thing', { maxPeers: 5 }, NAMES, usage) })).toBe('"maxPeers" is no component of a thing: options come after the components, as in new Thing({}, { maxPeers })')
    expect(message(() => { checkComponents('a thing', { maxPeer: 5 }, NAMES, usage) })).toBe('"maxPeer" is no component of a thing, but like its option maxPeers: options come after the components, as in new Thing({}, { maxPeers })')
  })

  it('are all that is refused: whoever has more than is needed hands on all of it', () => {
    expect(message(() => { checkComponents('a thing', { peerId: 1, logger: 2, connectionManager: 3 }, NAMES, usage) })).toBe('')
  })
})
