import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it, vi } from 'vitest'
import { closedPort } from './closed-port.ts'
import { httpSpy } from './http-spy.ts'
import { respSpy } from './resp-spy.ts'
import { seedsOf } from './seeds.ts'
import { Sightings } from './sightings.ts'

it('a closed port refuses whoever connects, and stays ours', async () => {
  const closed = await closedPort()
  const refused = async (): Promise<unknown> => once(connect(closed.port, '127.0.0.1'), 'connect')

  await expect(refused()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  // a connection has it: nothing that asks for any port is given this one
  await expect(refused()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await closed.close()
})

it.each(['redis', 'http'] as const)('a spy that speaks %s sees who connects and is gone before a word', async kind => {
  const sightings = new Sightings()
  const spy = kind === 'redis' ? await respSpy({ sightings }) : await httpSpy({ sightings, blocks: new Map() })
  const { port } = new URL(spy.url)

  try {
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    socket.resetAndDestroy()
    await vi.waitUntil(() => sightings.seen.length > 0)
    expect(sightings.seen).toMatchObject([{ observer: `tcp:${port}`, transport: 'dial', form: 'none' }])
  } finally {
    await spy.close()
  }
})

it('seeds are whole numbers, and the same two where none is named', () => {
  expect(seedsOf(undefined)).toEqual(seedsOf(' '))
  expect(seedsOf(undefined)).toHaveLength(2)
  expect(seedsOf('5, 6')).toEqual([5, 6])
  for (const wrong of ['five', '5,', '1.5', '-1']) {
    expect(() => seedsOf(wrong)).toThrow(TypeError)
  }
})
