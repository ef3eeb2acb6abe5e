import { createServer } from 'node:http'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { blockKey } from '../../src/block/key.ts'
import { carQuery, carSections } from '../../src/testing/car-sections.ts'
import type { CarQuery } from '../../src/testing/car-sections.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface CarExchange {
  readonly res: ServerResponse
  /** What an honest server would send: the header, then one section per block */
  readonly sections: AsyncGenerator<Uint8Array>
  readonly query: CarQuery
}

/** How a server answers a request for a CAR */
export type CarAnswer = (exchange: CarExchange) => Promise<void>

export interface CarRequest {
  readonly query: CarQuery
  /** Body bytes given to the socket */
  sent: number
  /** The exchange is over; true when the client ended it */
  readonly closed: Promise<boolean>
  readonly res: ServerResponse
}

/** Serves every block of a file as it should, and CARs as it is told */
export interface CarServer {
  readonly url: string
  readonly cars: readonly CarRequest[]
  /** Single blocks that were asked for, by key */
  readonly blocks: readonly string[]
  close (): Promise<void>
}

const TYPE = { 'content-type': 'application/vnd.ipld.car; version=1; order=dfs; dups=n' }

export async function carServer (file: SampleFile, answer: CarAnswer = honest): Promise<CarServer> {
  const cars: CarRequest[] = []
  const blocks: string[] = []
  const server = createServer((req, res) => {
    const cid = CID.parse((req.url ?? '').split(/[/?]/)[2] ?? '')
    const query = carQuery(req.url ?? '')

    if (query == null) {
      const bytes = file.blocks.get(blockKey(cid))
      blocks.push(blockKey(cid))
      res.writeHead(bytes == null ? 404 : 200, { 'content-type': 'application/vnd.ipld.raw' }).end(bytes)
      return
    }

    const request: CarRequest = { query, sent: 0, res, closed: new Promise(resolve => { res.on('close', () => { resolve(!res.writableFinished) }) }) }
    cars.push(request)
    const write = res.write.bind(res)
    res.write = ((chunk: Uint8Array) => {
      request.sent += chunk.byteLength
      return write(chunk)
    }) as typeof res.write
    const sections = carSections(cid, async cid => file.blocks.get(blockKey(cid)), query)
    answer({ res, sections, query }).catch((err: unknown) => { res.destroy(err as Error) })
  })
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cars,
    blocks,
    async close () {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

/** Writes, and waits until there is room for more; false when nobody listens any longer */
export async function send (res: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  if (!res.headersSent) {
    res.writeHead(200, TYPE)
  }
  if (!res.destroyed && !res.write(bytes)) {
    await new Promise<void>(resolve => {
      const done = (): void => {
        res.off('drain', done)
        res.off('close', done)
        resolve()
      }
      res.on('drain', done)
      res.on('close', done)
    })
  }
  return !res.destroyed
}

export const honest: CarAnswer = async ({ res, sections }) => {
  for await (const section of sections) {
    if (!await send(res, section)) {
      return
    }
  }
  res.end()
}

/** The header and so many blocks as they should be, then something else */
export function after (count: number, then: CarAnswer): CarAnswer {
  return async exchange => {
    for (let i = 0; i <= count; i++) {
      const { value } = await exchange.sections.next()
      await send(exchange.res, value as Uint8Array)
    }
    await then(exchange)
  }
}

export function section (...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
  return new Uint8Array(Buffer.concat([varint.encodeTo(length, new Uint8Array(varint.encodingLength(length))), ...parts]))
}
