import { describe, expect, it } from 'vitest'
import { answered, nameDisclosure } from '../../../src/exchange/lease/disclosed-names.ts'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { nullLedger } from '../../../src/privacy/null-ledger.ts'

function disclosure (): Disclosure {
  return nameDisclosure(new Disclosure(nullLedger, { observer: 'http:a.example', form: 'cid', transport: 'http', audience: 'one' }, { request: 'r', purpose: 'read', at: 0 }))
}

describe('a name that is looked up', () => {
  it('was asked for where there is an answer', async () => {
    const told = disclosure()
    expect(await answered(told, Promise.resolve('8.8.8.8'))).toBe('8.8.8.8')
    expect(told).toMatchObject({ observer: 'party:dns', form: 'hostname', state: 'sent' })
  })

  it.each([
    ['ENOTFOUND', 'sent'],
    ['ENODATA', 'sent'],
    ['EAI_AGAIN', 'unknown'],
    [undefined, 'unknown']
  ])('and was not found with %s: %s', async (code, state) => {
    const told = disclosure()
    const error = Object.assign(new Error('no address'), { code })
    await expect(answered(told, Promise.reject(error))).rejects.toBe(error)
    expect(told.state).toBe(state)
  })
})
