import { respServer } from '../../cache/shared/resp-server.ts'
import type { RespServer } from '../../cache/shared/resp-server.ts'
import type { Channel, Sightings } from './sightings.ts'
import type { Socket } from 'node:net'

export type RespConduct = 'good' | 'silent' | 'reset' | 'error'

/** A second level of a cache that writes down what it is asked for */
export async function respSpy ({ sightings, conduct = () => 'good', keyPrefix = 'portolan:1:' }: { sightings: Sightings, conduct?: () => RespConduct, keyPrefix?: string }): Promise<RespServer> {
  const server = await respServer()
  const host = server.url.slice('redis://'.length)
  const observer = `party:redis://${host}`

  const place = `tcp:${new URL(server.url).port}`
  const channels = new WeakMap<Socket, Channel>()

  // whoever connects and leaves without a word was there all the same
  server.met = socket => {
    const channel = sightings.channel(place, 'any')
    channels.set(socket, channel)
    sightings.see(channel, place, 'dial', 'none')
  }
  server.answer = ([command = '', key = ''], socket) => {
    if (!['GETRANGE', 'SET', 'DEL'].includes(command)) {
      return undefined
    }
    const channel = channels.get(socket) ?? sightings.channel(place, 'any')
    sightings.see(channel, observer, 'redis', 'multihash', key.slice(keyPrefix.length))

    switch (conduct()) {
      case 'silent':
        // whoever waits for an answer leaves one day
        socket.once('close', () => { sightings.broke(channel, 'node') })
        return 'nothing'
      case 'reset':
        sightings.broke(channel, 'spy')
        socket.resetAndDestroy()
        return 'nothing'
      case 'error':
        return '-ERR not now\r\n'
      default:
        return undefined
    }
  }
  return server
}
