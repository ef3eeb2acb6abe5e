import { buildKubo } from '../test/interop/kubo/build.ts'
import { cancels } from './exchange/cancels.ts'
import { carVsBlocks } from './exchange/car-vs-blocks.ts'
import { range } from './exchange/range.ts'
import { slowReader } from './exchange/slow-reader.ts'
import { LINE_PACE, transfers } from './exchange/transfers.ts'
import type { Tally } from './exchange/cancels.ts'
import type { Pairing, Transfers, TransfersInit } from './exchange/transfers.ts'
import type { Bar, BenchOptions, BenchResult } from './types.ts'

export const description = 'Blocks over bitswap, on loopback and onto disk: our node beside Kubo and plain Helia, and what peers learn meanwhile'

const MIB = 1024 * 1024

/** Of a leaf of what is read over HTTP: what is measured is waiting, not bytes */
const CAR_CHUNK = 16_384

/** Of which the Kubo ones are absent where there is no Kubo */
const BARS: Readonly<Record<string, Bar & { kubo?: true }>> = {
  fromKubo1M: { min: 1, kubo: true },
  fromKubo256K: { min: 1, kubo: true },
  fromKubo1MNoise: { min: 0.85, kubo: true },
  toKubo1M: { min: 0.9, kubo: true },
  self1M: { min: 1, kubo: true },
  heliaRatio: { min: 5 },
  ttfb: { max: 0.6, kubo: true },
  threeProviders: { min: 1 },
  threeProvidersBytes: { max: 1.05 },
  threeLimited: { min: 2 },
  threeLimitedBytes: { max: 1.05 },
  cancelRate: { min: 1 },
  cancelSample: { min: 500 },
  broadcast: { max: 0 },
  carVsBlocks: { min: 10 },
  range: { max: 8 },
  slowReader: { min: 0.9 },
  slowReaderRssMiB: { max: 64 }
}

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  const { path: kubo, reason } = await buildKubo({ log })
  if (kubo == null) {
    log(`The Kubo ratios are absent: ${reason}`)
  }

  const size = (short ? 8 : 64) * MIB
  const rounds = short ? 1 : 5
  const ratios: Record<string, number> = {}
  const absolute: Record<string, unknown> = {}
  const race = async (chunkSize: number, security: TransfersInit['security'], pairings: readonly Pairing[]): Promise<Transfers> => {
    const result = await transfers({ file: { seed, size, chunkSize }, security, pairings, rounds, kubo, log })
    for (const [pairing, { mbps, firstByteMs }] of result.figures) {
      const key = `${pairing}${chunkSize === MIB ? '1M' : '256K'}${security === 'noise' ? 'Noise' : ''}`
      absolute[`${key}MBps`] = mbps
      absolute[`${key}FirstByteMs`] = firstByteMs
    }
    return result
  }
  const ratio = (name: string, { figures }: Transfers, over: Pairing, under: Pairing, figure: 'mbps' | 'firstByteMs' = 'mbps'): void => {
    const [a, b] = [figures.get(over)?.[figure], figures.get(under)?.[figure]]
    if (a != null && b != null) {
      ratios[name] = a / b
    }
  }

  const large = await race(MIB, 'tls', ['kuboFromKubo', 'ownFromKubo', 'kuboFromOwn', 'ownFromOwn', 'heliaFromHelia'])
  ratio('fromKubo1M', large, 'ownFromKubo', 'kuboFromKubo')
  ratio('toKubo1M', large, 'kuboFromOwn', 'kuboFromKubo')
  ratio('self1M', large, 'ownFromOwn', 'kuboFromKubo')
  ratio('heliaRatio', large, 'ownFromOwn', 'heliaFromHelia')
  ratio('ttfb', large, 'ownFromKubo', 'kuboFromKubo', 'firstByteMs')
  const small = await race(MIB / 4, 'tls', ['kuboFromKubo', 'ownFromKubo'])
  ratio('fromKubo256K', small, 'ownFromKubo', 'kuboFromKubo')
  const noise = await race(MIB, 'noise', ['kuboFromKubo', 'ownFromKubo'])
  ratio('fromKubo1MNoise', noise, 'ownFromKubo', 'kuboFromKubo')
  // whoever is fastest is busy with one: what two more add is what it costs to have them
  const many = await race(MIB, 'tls', ['ownFromOne', 'ownFromThree', 'ownFromOneLimited', 'ownFromThreeLimited'])
  ratio('threeProviders', many, 'ownFromThree', 'ownFromOne')
  ratio('threeLimited', many, 'ownFromThreeLimited', 'ownFromOneLimited')
  for (const [name, pairing] of [['threeProvidersBytes', 'ownFromThree'], ['threeLimitedBytes', 'ownFromThreeLimited']] as const) {
    ratios[name] = many.bytes.get(pairing) ?? NaN
  }
  absolute.threeLimitedShares = many.shares
  absolute.threeLimitedLineMBps = LINE_PACE / 1e6
  log(`of three lines of ${LINE_PACE / 1e6} MB/s each brought this share of the file: ${many.shares?.map(share => share.toFixed(2)).join(', ')}`)
  absolute.threeProvidersAre = kubo == null ? 'ours' : 'Kubo'

  const told = await cancels({ seed, aborted: short ? 50 : 300, elsewhere: short ? 25 : 250, open: short ? 50 : 250 })
  ratios.cancelRate = share(told.aborted, told.elsewhere)
  ratios.cancelSample = told.aborted.wanted + told.elsewhere.wanted
  ratios.broadcast = told.broadcast
  absolute.cancelsAborted = tallyText(told.aborted)
  absolute.cancelsElsewhere = tallyText(told.elsewhere)
  absolute.broadcastOpen = told.broadcastOpen
  absolute.readsInModeOpen = told.open
  absolute.bystanderLines = told.bystanderLines
  log(`cancels of aborted wants: ${tallyText(told.aborted)}, of those satisfied elsewhere: ${tallyText(told.elsewhere)}; ${told.bystanderLines} lines reached bystanders, ${told.broadcastOpen} wants while ${told.open} blocks were read in mode open`)

  // the DAG of which the next blocks are known one after the other; of the flat one the figures are printed
  for (const shape of ['deep', 'flat'] as const) {
    const { car, prefetch, helia, heliaConcurrency, requests } = await carVsBlocks({ seed, shape, chunkSize: CAR_CHUNK, rounds: short ? 1 : 3 })
    ratios[shape === 'deep' ? 'carVsBlocks' : 'carVsBlocksFlat'] = helia / car
    ratios[shape === 'deep' ? 'blocksVsHelia' : 'blocksVsHeliaFlat'] = helia / prefetch
    const name = `car${shape === 'deep' ? 'Deep' : 'Flat'}`
    Object.assign(absolute, { [`${name}Ms`]: car, [`${name}PrefetchMs`]: prefetch, [`${name}HeliaMs`]: helia, [`${name}HeliaConcurrency`]: heliaConcurrency, [`${name}Requests`]: requests })
    log(`250 blocks over HTTP, 25 ms a request, ${shape}: ${car.toFixed(0)} ms as a CAR (${requests} requests), ${prefetch.toFixed(0)} ms block by block, Helia's session ${helia.toFixed(0)} ms`)
  }

  const fileSize = (short ? 128 : 1024) * MIB
  for (const chunkSize of [MIB, MIB / 4]) {
    const { fetched, sent, ms } = await range({ seed, size: fileSize, chunkSize })
    ratios.range = Math.max(ratios.range ?? 0, fetched, sent)
    absolute[`range${chunkSize / 1024}KFetched`] = fetched
    absolute[`range${chunkSize / 1024}KSent`] = sent
    absolute[`range${chunkSize / 1024}KMs`] = ms
    log(`1 KiB at the middle of ${fileSize / MIB} MiB, leaves of ${chunkSize / 1024} KiB: ${fetched} blocks fetched, ${sent} sent, ${ms.toFixed(0)} ms`)
  }

  const slow = await slowReader({ seed, size, chunkSize: MIB }, rounds)
  ratios.slowReader = slow.alone / slow.beside
  ratios.slowReaderRssMiB = slow.rss / MIB
  absolute.slowReaderRss = slow.rss
  absolute.slowReaderAloneMs = slow.alone
  absolute.slowReaderBesideMs = slow.beside

  return { ratios, absolute, bars: Object.fromEntries(Object.entries(BARS).filter(([, bar]) => kubo != null || bar.kubo == null)) }
}

function share (...tallies: readonly Tally[]): number {
  return tallies.reduce((sum, { cancelled }) => sum + cancelled, 0) / tallies.reduce((sum, { wanted }) => sum + wanted, 0)
}

function tallyText ({ wanted, cancelled }: Tally): string {
  return `${cancelled} of ${wanted}`
}
