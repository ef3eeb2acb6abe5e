import { describe, expect, it } from 'vitest'
import { DIALLING, DialDisclosure } from '../../src/interface/dial-disclosure.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'
import type { Dialling } from '../../src/interface/dial-disclosure.ts'

function dial (): DialDisclosure {
  return new DialDisclosure(new Disclosure({ intended () {}, settled () {} }, { observer: 'p2p:a', form: 'none', transport: 'dial', audience: 'one' }, { request: 'r', purpose: 'read', at: 0 }))
}

/** What a transport asks for before it connects */
function asks (...dials: readonly DialDisclosure[]): Dialling {
  const detail: Dialling = {}
  dials.forEach(({ onProgress }) => { onProgress({ type: DIALLING, detail }) })
  return detail
}

describe('that somebody connects', () => {
  it('is said by the connection, though whoever began the dial has left and only others wait', () => {
    const first = dial()
    const asked = asks(first)
    first.failed(true)
    expect(first.disclosure.state).toBe('intended')
    asked.disclosure?.sent()
    asked.over?.()
    expect(first.disclosure.state).toBe('sent')
  })

  it('is unknown when the last address has failed and nobody was reached, whoever hears of it first', () => {
    const one = dial()
    const [first, second] = [asks(one), asks(one)]
    one.failed(true)
    first.over?.()
    expect(one.disclosure.state).toBe('intended')
    second.over?.()
    expect(one.disclosure.state).toBe('unknown')

    const other = dial()
    asks(other).over?.()
    other.failed(true)
    expect(other.disclosure.state).toBe('unknown')
  })

  it('is not said by whoever joined the dial of another, nor where nothing was tried', () => {
    const [first, joined, denied] = [dial(), dial(), dial()]
    const asked = asks(first, joined)
    joined.onProgress({ type: 'dial-queue:already-in-dial-queue' })
    expect(asked.disclosure).toBe(first.disclosure)
    first.reached()
    joined.reached()
    denied.failed(false)
    expect([first, joined, denied].map(({ disclosure }) => disclosure.state)).toEqual(['sent', 'not-sent', 'not-sent'])
  })
})
