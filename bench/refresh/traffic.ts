import { NAMES } from './contestants.ts'
import type { Contestant, ContestantName } from './contestants.ts'
import type { DhtNetwork } from '../../src/testing/dht/dht-network.ts'

export interface Traffic {
  /** Questions of the DHT, and the pings by which kad-dht verifies whom it takes into its table */
  readonly messages: number
  readonly pings: number
  readonly dials: number
}

const PING = '/ipfs/ping/1.0.0'

/** What one contestant of each kind has sent since `begin`: the mean of them */
export function watchTraffic (network: DhtNetwork, all: readonly Contestant[]): { begin (): void, counts (): Record<ContestantName, Traffic> } {
  const asked = new Map<string, number>()
  const pinged = new Map<string, number>()
  let dials = new Map<string, number>()

  network.memory.watch(({ from, protocol }) => {
    const count = protocol === network.protocol ? asked : protocol === PING ? pinged : undefined
    count?.set(from, (count.get(from) ?? 0) + 1)
  })

  const mean = (name: ContestantName, of: (id: string) => number): number => {
    const values = all.filter(contestant => contestant.name === name).map(({ node }) => of(node.id))
    return values.reduce((sum, value) => sum + value, 0) / values.length
  }
  const traffic = (name: ContestantName): Traffic => ({
    messages: mean(name, id => (asked.get(id) ?? 0) + (pinged.get(id) ?? 0)),
    pings: mean(name, id => pinged.get(id) ?? 0),
    dials: mean(name, id => network.memory.sent(id).dials - (dials.get(id) ?? 0))
  })

  return {
    begin () {
      asked.clear()
      pinged.clear()
      dials = new Map(all.map(({ node }) => [node.id, network.memory.sent(node.id).dials]))
    },
    counts: () => Object.fromEntries(NAMES.map(name => [name, traffic(name)])) as Record<ContestantName, Traffic>
  }
}
