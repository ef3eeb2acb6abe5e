import fc from 'fast-check'
import { expect, it } from 'vitest'
import { permittedAddresses } from '../../src/provider/permitted-addresses.ts'

const nowhere = (): Error => new Error('nowhere')
const refusing = (refused: ReadonlySet<string>) => (address: string): void => {
  if (refused.has(address)) {
    throw new Error(`${address} is refused`)
  }
}

it('are those that are not refused, in their order; the first refusal where there are none', () => {
  fc.assert(fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd').map(address => ({ address, family: 4 }))), fc.array(fc.constantFrom('a', 'b', 'c', 'd')), (addresses, names) => {
    const refused = new Set(names)
    const kept = addresses.filter(({ address }) => !refused.has(address))
    const ask = (): unknown => permittedAddresses(addresses, refusing(refused), nowhere)

    if (kept.length > 0) {
      expect(ask()).toEqual(kept)
    } else {
      expect(ask).toThrow(addresses.length === 0 ? 'nowhere' : `${addresses[0]?.address} is refused`)
    }
  }))
})
