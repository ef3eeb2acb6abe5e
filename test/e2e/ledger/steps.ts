import type { Dice } from './dice.ts'
import type { Stage } from './stage.ts'
import type { World } from './world.ts'
import type { RetrieveOptions } from '../../../src/interface/routing.ts'

/** Milliseconds for a read in which somebody may be silent */
const PATIENCE = 1_500

/** The same where nobody fails: a busy machine is no reason to give up */
export const CALM_PATIENCE = 20_000

/** One of the things that may be done with a node, as the dice of this step say */
export async function step (stage: Stage, dice: Dice): Promise<void> {
  const { spies, mode } = stage
  const what = dice.below(12)
  const cid = dice.pick(spies.blocks)

  if (what === 0) {
    await stage.announce(dice.some(spies.blocks, 1 + dice.below(3)), AbortSignal.timeout(PATIENCE))
  } else if (what <= 2) {
    await stage.asked(cid, dice)
  } else if (what <= 4) {
    await file(stage, dice)
  } else if (what === 5) {
    await session(stage, dice)
  } else if (what === 6) {
    // several readers, of whom some leave
    const options = hinted(spies, dice)
    await Promise.all(Array.from({ length: 3 }, () => ({ ...options, ...leaving(spies, dice) })).map(async options => stage.retrieve(cid, options)))
  } else if (what === 7) {
    await stage.get(cid, AbortSignal.timeout(PATIENCE))
  } else {
    await stage.retrieve(cid, { ...hinted(spies, dice), ...leaving(spies, dice), ...dice.chance(0.2) && mode === 'open' ? { mode: dice.pick(['open', 'balanced', 'strict']) } : {} })
  }
}

/** Whom a reader names, if anybody */
function hinted ({ gateways, peers, dead, named }: World, dice: Dice): Pick<RetrieveOptions, 'providers'> {
  const byName = (dice.chance(0.5) ? 'alpha' : 'beta') + '.spies.test'
  const all = [
    ...gateways.map(({ url }) => url),
    ...named ? [`http://${byName}:${gateways[0]?.port ?? 0}`] : [],
    ...peers.map(({ address }) => address),
    ...peers.slice(0, named ? 2 : 0).map(({ address }) => address.replace('/ip4/127.0.0.1/', '/dns4/peer.spies.test/')),
    // nobody says where: it is looked for
    ...peers.map(({ id }) => id),
    dead,
    `/ip4/127.0.0.1/tcp/${new URL(dead).port}/p2p/${peers[2]?.id ?? ''}`
  ]
  return dice.chance(0.75) ? { providers: dice.some(all, 1 + dice.below(3)) } : {}
}

/** When a reader has had enough */
function leaving ({ faults }: World, dice: Dice): Pick<RetrieveOptions, 'signal' | 'timeout'> {
  if (faults === 0) {
    return { timeout: CALM_PATIENCE }
  }
  return {
    timeout: dice.chance(0.2) ? 50 + dice.below(200) : PATIENCE,
    ...dice.chance(0.3) ? { signal: AbortSignal.timeout(1 + dice.below(60)) } : {}
  }
}

async function file (stage: Stage, dice: Dice): Promise<void> {
  const file = dice.pick(stage.spies.files)
  const range = dice.chance(0.5) ? { offset: dice.below(file.bytes.length), length: 1 + dice.below(60_000) } : {}
  const until = dice.chance(0.3) ? 1 + dice.below(4) : Infinity
  await stage.content(file, { ...range, ...hinted(stage.spies, dice), ...leaving(stage.spies, dice) }, until)
}

async function session (stage: Stage, dice: Dice): Promise<void> {
  const { spies } = stage
  const file = dice.pick(spies.files)
  const cids = [file.root, ...dice.some(file.others, 3)]
  await stage.session(file, cids, { ...hinted(spies, dice), timeout: PATIENCE, prefetch: dice.chance(0.5) }, () => leaving(spies, dice))
}
