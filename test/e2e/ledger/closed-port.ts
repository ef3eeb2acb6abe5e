import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

export interface ClosedPort {
  readonly port: number
  close (): Promise<void>
}

/** A port that was given to somebody else in between */
const TRIES = 10

/**
 * A port of loopback at which nobody listens, and nobody will: it is the near end of a
 * connection of ours. One that is merely free is given to the next program that wants
 * any, which then answers whoever was to be refused.
 */
export async function closedPort (): Promise<ClosedPort> {
  const far = createServer(socket => { socket.on('error', () => { socket.destroy() }).resume() })
  const { port: farPort } = await listening(far)

  for (let left = TRIES; ; left--) {
    const free = createServer()
    const { port } = await listening(free)
    await closed(free)
    const near = connect({ host: '127.0.0.1', port: farPort, localPort: port })

    try {
      await once(near, 'connect')
    } catch (error) {
      if (left > 1) {
        continue
      }
      await closed(far)
      throw error
    }
    near.on('error', () => { near.destroy() })
    return { port, close: async () => { await given(near, far) } }
  }
}

async function given (near: Socket, far: Server): Promise<void> {
  near.destroy()
  await closed(far)
}

async function listening (server: Server): Promise<AddressInfo> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address() as AddressInfo
}

async function closed (server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await closed
}
