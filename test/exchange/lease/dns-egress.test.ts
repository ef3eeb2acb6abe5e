import { createSocket } from 'node:dgram'
import { describe, expect, it, onTestFinished } from 'vitest'
import { textResolver } from '../../../src/exchange/lease/dns-egress.ts'
import { never } from './nodes.ts'
import { disclose } from '../../support/disclosures.ts'

/** A name server on loopback that knows these TXT records, each in the pieces it is made of; undefined says nothing at all */
async function nameServer (answer: (name: string) => string[][] | 'unknown' | 'failed' | undefined): Promise<{ address: string, asked: Promise<string> }> {
  const socket = createSocket('udp4')
  const asked = Promise.withResolvers<string>()

  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const name = labels.join('.')
    asked.resolve(name)
    const records = answer(name)
    if (records == null) {
      return
    }

    const list = typeof records === 'string' ? [] : records
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(records === 'unknown' ? 0x8183 : records === 'failed' ? 0x8182 : 0x8180, 2)
    header.writeUInt16BE(list.length, 6)
    header.writeUInt16BE(0, 8)
    header.writeUInt16BE(0, 10)
    const answers = list.map(pieces => {
      const data = Buffer.concat(pieces.map(piece => Buffer.from([piece.length, ...Buffer.from(piece)])))
      const head = Buffer.from([0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 0xff])
      return Buffer.concat([head, data])
    })
    socket.send(Buffer.concat([header, query.subarray(12, at + 5), ...answers]), from.port, from.address)
  })
  await new Promise<void>(resolve => { socket.bind(0, '127.0.0.1', resolve) })
  onTestFinished(() => { socket.close() })
  return { address: `127.0.0.1:${socket.address().port}`, asked: asked.promise }
}

describe('TXT records', () => {
  it('are read whole, in whatever pieces they come', async () => {
    const { address, asked } = await nameServer(() => [['dnsaddr=/ip4/8.8.8.8', '/tcp/4001'], ['other']])

    expect((await textResolver([address])('_dnsaddr.boot.example', { signal: never, disclosure: disclose() })).toSorted()).toEqual(['dnsaddr=/ip4/8.8.8.8/tcp/4001', 'other'])
    expect(await asked).toBe('_dnsaddr.boot.example')
  })

  it.each([['unknown' as const], [[] as string[][]]])('that do not exist are none (%j)', async answer => {
    const { address } = await nameServer(() => answer)
    expect(await textResolver([address])('none.example', { signal: never, disclosure: disclose() })).toEqual([])
  })

  it('that a server fails to give are an error', async () => {
    const { address } = await nameServer(() => 'failed')
    await expect(textResolver([address])('bad.example', { signal: never, disclosure: disclose() })).rejects.toMatchObject({ code: 'ESERVFAIL' })
  })

  it('are not waited for by whoever leaves', async () => {
    const { address, asked } = await nameServer(() => undefined)
    const controller = new AbortController()
    const failed = expect(textResolver([address])('silent.example', { signal: controller.signal, disclosure: disclose() })).rejects.toMatchObject({ code: 'ECANCELLED' })
    await asked
    controller.abort()

    await failed
    await expect(textResolver([address])('silent.example', { signal: controller.signal, disclosure: disclose() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})
