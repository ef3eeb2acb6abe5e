/** What the examples have in common: libp2p nodes on loopback that know nobody, and a protocol to talk over */
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { Connection, Libp2p } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

export const ECHO = '/example/echo/1.0.0'

/** Listens on loopback, and sends back what it is sent */
export async function echoNode (options: Libp2pOptions = {}): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify() },
    ...options
  })
  await node.handle(ECHO, async stream => {
    for await (const bytes of stream) {
      stream.send(bytes)
    }
    await stream.close()
  })
  return node
}

/**
 * Asks once, and waits for the answer, which is as long as the question. The stream is closed after it and not before: an end
 * that comes together with the question can be there before the other side listens for it, and js-libp2p does not tell it again.
 */
export async function ask (connection: Connection, text = 'hello', protocol = ECHO): Promise<void> {
  const question = new TextEncoder().encode(text)
  const stream = await connection.newStream(protocol)
  stream.send(question)
  let missing = question.byteLength
  for await (const bytes of stream) {
    missing -= bytes.byteLength
    if (missing <= 0) {
      break
    }
  }
  if (missing > 0) {
    throw new Error('the answer is cut short')
  }
  await stream.close()
}

/** Who they are to each other is told in the background, within moments */
export async function until (what: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await what()); waited += 20) {
    if (waited > 15_000) {
      throw new Error('what the example waits for did not happen')
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

export async function stopAll (nodes: readonly Libp2p[]): Promise<void> {
  await Promise.all(nodes.map(async node => { await node.stop() }))
}
