import { describe, expect, it } from 'vitest'
import { HolePunching } from '../../../src/exchange/lease/hole-punching.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'

function dcutr (tag = '@libp2p/dcutr'): { [Symbol.toStringTag]: string, running: boolean, isStarted (): boolean, start (): Promise<void>, stop (): Promise<void> } {
  return {
    [Symbol.toStringTag]: tag,
    running: true,
    isStarted () { return this.running },
    async start () { this.running = true },
    async stop () { this.running = false }
  }
}

describe('hole punching of a node', () => {
  it('rests, and goes on where the node still runs', async () => {
    const [service, other] = [dcutr(), dcutr('@libp2p/identify')]
    const libp2p = { status: 'started', services: { hole: service, other } }
    const punching = new HolePunching(() => libp2p, silentLogger)
    expect(punching.active).toBe(true)
    await punching.pause()
    await punching.pause()
    expect([service.running, other.running, punching.size, punching.active]).toEqual([false, true, 1, false])
    await punching.resume()
    expect([service.running, punching.size, punching.active]).toEqual([true, 0, true])

    await punching.pause()
    libp2p.status = 'stopped'
    await punching.resume()
    expect(service.running).toBe(false)
  })

  it('is left alone where it does not run, or there is no node', async () => {
    const service = dcutr()
    service.running = false
    const punching = new HolePunching(() => ({ services: { service } }), silentLogger)
    await punching.pause()
    await punching.resume()
    expect(service.running).toBe(false)

    const none = new HolePunching(() => { throw new Error('not started') }, silentLogger)
    await none.pause()
    await none.resume()
    expect([none.size, none.active]).toEqual([0, false])
  })
})
