import { respServer } from '../../cache/shared/resp-server.ts'
import type { RespServer } from '../../cache/shared/resp-server.ts'
import type { Sightings } from './sightings.ts'

export type RespConduct = 'good' | 'silent' | 'reset' | 'error'

/** A second level of a cache that writes down what it is asked for */
export async function respSpy ({ sightings, conduct = () => 'good', keyPrefix = 'portolan:1:' }: { sightings: Sightings, conduct?: () => RespConduct, keyPrefix?: string }): Promise<RespServer> {
  const server = await respServer()
  const host = server.url.slice('redis://'.length)
  const observer = `party:redis://${host}`

  // whoever connects and leaves without a word was there all the same
  server.met = () => { sightings.see(`tcp:${new URL(server.url).port}`, 'dial', 'none') }
  server.answer = ([command = '', key = ''], socket) => {
    if (!['GETRANGE', 'SET', 'DEL'].includes(command)) {
      return undefined
    }
    sightings.see(observer, 'redis', 'multihash', key.slice(keyPrefix.length))

    switch (conduct()) {
      case 'silent':
        socket.once('close', () => { sightings.broke(observer) })
        return 'nothing'
      case 'reset':
        sightings.broke(observer)
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
