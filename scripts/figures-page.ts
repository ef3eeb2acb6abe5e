import type { BenchReport } from '../bench/types.ts'

interface Figure {
  readonly key: string
  readonly what: string
  readonly bar: string
}

interface BenchPage {
  readonly bench: string
  readonly intro: string
  readonly figures: readonly Figure[]
  /** The same figure for the peer, where the bench measures one */
  readonly peer?: { readonly name: string, readonly key: (key: string) => string }
  /** Absolute figures that are shown whole: arrays of records */
  readonly grids?: ReadonlyArray<{ readonly key: string, readonly title: string }>
}

const PAGES: readonly BenchPage[] = [
  {
    bench: 'selection',
    intro: `Drives \`ContentRoutingManager.retrieve\` over a simulated network on the virtual clock: 60 000 reads, about 8 in flight, 8 providers with
medians of 20 to 400 ms, each of which turns 8 times slower and back; some requests are stragglers, some are never answered. One oracle knows
which provider is the quickest at every moment, the other one also hedges at that provider's 95th percentile. *Stable*: each provider changes on average every
8 000 reads, 2 % stragglers, 1 % silence. *Churny*: every 800, 5 %, 3 %.`,
    figures: [
      { key: 'p50Stable', what: 'Median time of a read / that of the oracle, stable', bar: '≤ 1.10' },
      { key: 'p99Stable', what: '99th percentile / that of the hedging oracle, stable', bar: '≤ 1.5' },
      { key: 'p50Churny', what: 'Median / that of the oracle, churny', bar: '≤ 1.10' },
      { key: 'p99Churny', what: '99th percentile / that of the hedging oracle, churny', bar: '≤ 3' },
      { key: 'requestsStable', what: 'Requests per block, hedges and measurements included, stable', bar: '≤ 1.12' },
      { key: 'bytesStable', what: 'Bytes that providers sent / bytes of the blocks, stable', bar: '≤ 1.12' },
      { key: 'requestsChurny', what: 'Requests per block, churny', bar: '≤ 1.15' },
      { key: 'bytesChurny', what: 'Bytes sent / bytes of the blocks, churny', bar: '≤ 1.15' }
    ]
  },
  {
    bench: 'helia',
    intro: `Reads over real gateways on loopback, by a plain Helia node and by the same node with \`withContentRouting\`, in one run. Counts of the wrapped
node are the worst of several runs, times the median; where a session changes what happens the figure is the worse of with and without.`,
    figures: [
      { key: 'coalesced', what: 'Requests for one block that 25 readers want at once', bar: '≤ 1' },
      { key: 'negative', what: 'Requests when a block that nobody has is asked for 25 times', bar: '≤ 1' },
      { key: 'learns', what: '20 blocks, two bad gateways named first: how often the worst of them was asked', bar: '≤ 3' },
      { key: 'partial', what: 'The fastest gateway has half of the file: 1 when the read succeeds', bar: '≥ 1' },
      { key: 'equal', what: '8 equal gateways: requests per block', bar: '≤ 1.1' },
      { key: 'lookups', what: 'Router lookups for 65 different blocks of one file', bar: '≤ 1' },
      { key: 'requests', what: 'Requests per block in the same read', bar: '≤ 1.1' },
      { key: 'silent', what: 'The fastest gateway is silent on half of the blocks: time / time without silence', bar: '≤ 2' },
      { key: 'sixth', what: 'Five gateways are silent, a sixth has the file: time / time without silence', bar: '≤ 2' },
      { key: 'nobody', what: 'A block that nobody has, twice as many peers: growth of the requests / 2', bar: '≤ 1.5' }
    ],
    peer: { name: 'plain Helia', key: key => `${key}Plain` }
  },
  {
    bench: 'overhead',
    intro: 'What wrapping costs when it has nothing to do.',
    figures: [
      { key: 'hit', what: 'Time of a cache hit through the wrapped node / through a plain one, the worse of 1 KiB and 256 KiB', bar: '≤ 1.1' },
      { key: 'catHit', what: '`getFilesystem(helia).cat` of a cached file through content routing / through plain `@helia/unixfs`, the worse of 1 KiB and 256 KiB', bar: '–' },
      { key: 'heapPer1000MB', what: 'MB of heap kept for 1 000 providers that were read from and are idle', bar: '≤ 2' }
    ]
  },
  {
    bench: 'cache',
    intro: `Replays requests against our eviction policy, LRU (lru-cache), SIEVE, S3-FIFO, GDSF and the offline optimum, with room for 2, 10 and 30 % of the
objects, or 1 and 10 % of the bytes where objects have sizes: nine recorded traces (absent where \`--traces\` finds none) and eight seeded workloads.
The optimum is Belady's MIN, which may decline newcomers; with sizes it is a bound that no policy can pass (PFOO-L). [cache.md](cache.md) has the picture.`,
    figures: [
      { key: 'meanGap', what: 'Share of the gap in object hits between LRU and the optimum that is closed: the mean where it is over 3 points, without the workloads with sizes', bar: '≥ 0.45' },
      { key: 'worstVsLru', what: 'Points of hit ratio below LRU, where it is worst; negative when nowhere', bar: '≤ 2' },
      { key: 'cdn1', what: 'A CDN trace with sizes, 1 % of its bytes: object hits / those of GDSF', bar: '≥ 1.0' },
      { key: 'cdn10', what: 'The same, 10 %', bar: '≥ 1.0' },
      { key: 'cdnBytes1', what: 'Byte hits / those of LRU, 1 %', bar: '≥ 0.98' },
      { key: 'cdnBytes10', what: 'The same, 10 %', bar: '≥ 0.98' },
      { key: 'ipfs1', what: 'A seeded workload with sizes as on IPFS, 1 % of its bytes: object hits / those of GDSF', bar: '≥ 1.0' },
      { key: 'ipfs10', what: 'The same, 10 %', bar: '≥ 1.0' },
      { key: 'ipfsBytes1', what: 'Byte hits / those of LRU, 1 %', bar: '≥ 0.98' },
      { key: 'ipfsBytes10', what: 'The same, 10 %', bar: '≥ 0.98' }
    ],
    grids: [
      { key: 'hitPercent', title: 'Object hits in percent' },
      { key: 'byteHitPercent', title: 'Byte hits in percent' }
    ]
  },
  {
    bench: 'store',
    intro: `\`openBlockCache\` beside blockstore-fs and blockstore-level, as their users open them, in a process that has loaded Helia and weighs buffers as the command \`portolan\` does (\`accountExternalMemory\`, for all of them): none of them syncs, all of them have handed a block to the operating
system when a \`put\` resolves. Each round makes every store anew, writes it, reads it in random order and, opened once more, reads it again; the files are in
the page cache, and ours may have a sixteenth of the blocks in memory. Ratios of blocks a second, medians over the rounds: one block after the other, and, with \`x8\`, eight at a time. Ours hashes each block that is written,
and checks each record that is read; the others do neither.

Eight at a time blockstore-fs has both processors busy with writing 1 MiB, without a look at it. SHA-256 and the checksum are half of what ours has to do for such a block, and no order of things makes them less: \`write1Mx8Bound\` is
blockstore-fs's processor time for a block / that and the time of hash and checksum, all measured in this run. That is as fast as blockstore-fs would be if it looked at what it writes; \`write1Mx8\` is what ours was, which falls
short of the 1 that the other writes have as their bar where the bound does, and \`write1Mx8OfBound\` how much of the bound that is. blockstore-fs itself is up to four times as fast in one round as in another, as the system gives its new files pages that it has at hand or others.`,
    figures: [
      { key: 'read1K', what: 'Reads of blocks of 1 KiB, one after the other / those of blockstore-fs', bar: '≥ 2' },
      { key: 'read100K', what: 'The same, 100 KiB', bar: '≥ 2' },
      { key: 'read1M', what: 'The same, 1 MiB', bar: '≥ 2' },
      { key: 'read1Kx8', what: 'The same eight at a time, 1 KiB', bar: '≥ 2' },
      { key: 'read100Kx8', what: 'The same, 100 KiB', bar: '≥ 2' },
      { key: 'read1Mx8', what: 'The same, 1 MiB', bar: '≥ 2' },
      { key: 'write1K', what: 'Writes of blocks of 1 KiB, one after the other / those of the better of blockstore-fs and blockstore-level', bar: '≥ 1' },
      { key: 'write100K', what: 'The same, 100 KiB', bar: '≥ 1' },
      { key: 'write1M', what: 'The same, 1 MiB', bar: '≥ 1' },
      { key: 'write1Kx8', what: 'The same eight at a time, 1 KiB', bar: '≥ 1' },
      { key: 'write100Kx8', what: 'The same, 100 KiB', bar: '≥ 1' },
      { key: 'write1Mx8', what: 'The same, 1 MiB', bar: '–' },
      { key: 'write1Mx8Bound', what: 'What that can be for a store that hashes what it writes, where all processors are busy', bar: '–' },
      { key: 'write1Mx8OfBound', what: 'Writes of 1 MiB eight at a time / those of blockstore-fs, as a part of that', bar: '≥ 0.75' },
      { key: 'first1K', what: 'First reads after opening, when ours hashes every block, one after the other, 1 KiB / those of blockstore-fs', bar: '–' },
      { key: 'first100K', what: 'The same, 100 KiB', bar: '–' },
      { key: 'first1M', what: 'The same, 1 MiB', bar: '–' },
      { key: 'first1Kx8', what: 'The same eight at a time, 1 KiB', bar: '–' },
      { key: 'first100Kx8', what: 'The same, 100 KiB', bar: '–' },
      { key: 'first1Mx8', what: 'The same, 1 MiB', bar: '–' },
      { key: 'memoryGet', what: 'Hits in memory a second / those of a bare lru-cache, both called with a CID, the worse of CIDs that were used before and new ones', bar: '≥ 0.5' },
      { key: 'openSeconds', what: 'Seconds in which `portolan/cache`, loaded alone, opens a store with a million blocks', bar: '≤ 5' },
      { key: 'openRssMiB', what: 'Memory of the whole process after that, in MiB', bar: '≤ 300' }
    ]
  },
  {
    bench: 'lookup',
    intro: `Looks up providers in a DHT of 200 real kad-dht servers in memory, 10 to 120 ms apart, from clients with equal tables: *ours* is the walk of the discovery, without what it
remembers; *kadDht* is kad-dht's \`findProviders\`, which waits 5 s for a peer here (by itself it doubles that after each silence, up to a minute, and then finds nobody within 40 s); *oracle* is a
walk that is told who is dead. First all live, then 30 % are dead: to half of them dials hang, the others are connected and say nothing.

Where ours costs more: with 30 % dead it sends about twice the requests of kad-dht (the last table), since more are asked in the stead of the dead; \`messages\` is of the living only. And no
walk beats an oracle: a node's lookups either have to connect or find all connected, so a median jumps between two times, and below 1 says that the oracle's lookups had to connect more often.`,
    figures: [
      { key: 'p50', what: 'Time to the end of a lookup, ours / the oracle, 30 % dead, median', bar: '≤ 1.3' },
      { key: 'p90', what: 'The same, 90th percentile', bar: '≤ 2' },
      { key: 'kadDhtEnd', what: "Time to the end, 90th percentile, ours / kad-dht's, 30 % dead", bar: '≤ 0.5' },
      { key: 'kadDhtFirst', what: 'Time to the first provider, the same way', bar: '≤ 1.1' },
      { key: 'found', what: 'Of the living providers and nearest peers that kad-dht found, the share that we found, the worse of both', bar: '≥ 1' },
      { key: 'p50Live', what: 'Time to the end, ours / the oracle, all alive, median', bar: '≤ 1.1' },
      { key: 'messages', what: "Requests for a lookup, ours / kad-dht's, all alive", bar: '≤ 1.2' }
    ],
    grids: [
      { key: 'live', title: 'All alive, in ms' },
      { key: 'dead', title: '30 % dead, in ms' }
    ]
  },
  {
    bench: 'refresh',
    intro: `A DHT of 200 real kad-dht servers in memory, 10 to 120 ms apart, and clients of three kinds with equal tables: *ours* is a libp2p node as \`createPortolan\` makes it,
with the discovery beside kad-dht; *kadDht* is kad-dht alone with its refresh running every five minutes, begun by \`refreshRoutingTable()\`, for version 16.4.5 never begins it by itself; *kadDhtIdle* is
kad-dht alone as it comes, whose look for itself ends before it has asked anybody. For an hour nobody asks for anything. Then each kind looks up a block every 10 s; 40 % of the servers vanish
(dials to them hang, their connections say nothing and are given up after 15 s); those that stay forget them within ten minutes, as Kubo's do. A lookup that names nobody counts as one of 180 s.
All intervals and timeouts are as shipped: time is skipped while nobody does anything, so that it is the network that is measured and not this machine.

What it does not show: \`recovery\` is what the walk does among the dead, not the refresh. With ours switched off it was the same (0.13, and 784 ms before instead of 756: seed 1), and 5.2 minutes
are those that 32 lookups take, so that nothing could be quicker. Nobody joins here, which is what a refresh is for. And where ours costs more: kad-dht as it comes sends nothing at rest; as long as
nobody has left, kad-dht with its refresh ends its lookups a little sooner (*p90 before*).`,
    figures: [
      { key: 'recovery', what: 'Minutes until the p90 of 32 lookups is below twice what it was before, ours / the quicker of both others, capped at 40', bar: '≤ 0.5' },
      { key: 'restTraffic', what: 'Messages of a node at rest, pings included, ours / kad-dht with its refresh', bar: '≤ 1.5' }
    ],
    grids: [{ key: 'contestants', title: 'Nodes of each kind, in ms where nothing else is said' }]
  },
  {
    bench: 'announce',
    intro: `Announces 10 000 blocks in a DHT of 200 real kad-dht servers in memory, in one sweep, beside kad-dht's own \`provide\`, one by one, of a
sample of 100.`,
    figures: [
      { key: 'lookups', what: 'Lookups of the sweep / those of as many announcements one by one', bar: '≤ 0.02' },
      { key: 'questions', what: 'Questions of those lookups (FIND_NODE and GET_PROVIDERS), the same way', bar: '–' },
      { key: 'placement', what: 'Share of the records that lie with the true twenty nearest', bar: '≥ 0.95' },
      { key: 'placementOneByOne', what: "The same for kad-dht's own", bar: '–' }
    ]
  },
  {
    bench: 'detection',
    intro: `Analyses reports of labelled synthetic traffic (\`SyntheticTraffic\` of \`portolan/testing\`): a flow, or a correlated pair, of 20 to 200 events beside three independent flows; 500 reports
for each model of five of independent traffic, four of periodic (jitter up to 30 %), two of bursty and three of correlated traffic (r from 0.5 to 0.9). Detectors were tuned on the first model of each class; long tails and ramps then showed two faults, which were mended. Whatever is
named that is not labelled counts against precision, in all reports together. *Slots* are flows that agree only in how many events are in each second: \`recallSlots\` has no bar, the table says what
whoever knows the seconds could find at best in one pair (the power of Fisher's test at p < 0.01).

Where it is weak: r = 0.5 with 20 events (a pair is one of ten here; whoever knew the jitter would find nearly all: it is the price of looking at all widths and lags), clocks with a normal jitter of 30 % and 20 ticks, and slots below 100 events.`,
    figures: [
      { key: 'precision', what: 'Of what was named, the share that is there, the worst of the three detectors', bar: '≥ 0.95' },
      { key: 'recall', what: 'Of what is there, the share that was named, the worst of the three', bar: '≥ 0.95' },
      { key: 'falseAlarms', what: 'Of the reports on independent traffic alone, the share in which anything was named', bar: '≤ 0.01' },
      { key: 'precisionPeriodic', what: 'Precision: periodic flows', bar: '≥ 0.95' },
      { key: 'recallPeriodic', what: 'Recall: the same', bar: '≥ 0.95' },
      { key: 'precisionBursty', what: 'Precision: flows in bursts', bar: '≥ 0.95' },
      { key: 'recallBursty', what: 'Recall: the same', bar: '≥ 0.95' },
      { key: 'precisionCorrelated', what: 'Precision: correlated pairs', bar: '≥ 0.95' },
      { key: 'recallCorrelated', what: 'Recall: the same, pairs that share events or reply', bar: '≥ 0.95' },
      { key: 'recallSlots', what: 'Recall: pairs that agree only in counts', bar: '–' }
    ],
    grids: [
      { key: 'models', title: 'By model' },
      { key: 'correlated', title: 'Share of correlated pairs that was found' },
      { key: 'periodic', title: 'Share of periodic flows that was found' }
    ]
  },
  {
    bench: 'exchange',
    intro: `Reads files of 64 MiB over loopback, in turns, by nodes in processes of their own (plain Helia's reader in that of the bench, idle meanwhile) that
write what they read to their store on disk, which is empty before each read. *Kubo from Kubo* is \`POST /api/v0/cat\` on a running daemon of Kubo 0.43.0; *ours* is \`cat\` in a running \`createPortolan\` node, until
the last byte is out and the last block is stored. Ratios of throughput, unless it says otherwise; where Kubo cannot be built its ratios are absent.`,
    figures: [
      { key: 'fromKubo1M', what: 'Ours from Kubo / Kubo from Kubo, leaves of 1 MiB, TLS', bar: '≥ 1.0' },
      { key: 'fromKubo256K', what: 'The same, leaves of 256 KiB', bar: '≥ 1.0' },
      { key: 'fromKubo1MNoise', what: 'The same, leaves of 1 MiB, Noise', bar: '≥ 0.85' },
      { key: 'toKubo1M', what: 'Kubo from us / Kubo from Kubo, leaves of 1 MiB, TLS', bar: '≥ 0.9' },
      { key: 'self1M', what: 'Ours from us / Kubo from Kubo', bar: '≥ 1.0' },
      { key: 'heliaRatio', what: 'Ours from us / Helia from Helia', bar: '≥ 5' },
      { key: 'ttfb', what: 'Time to the first byte, ours from Kubo / Kubo from Kubo', bar: '≤ 0.6' },
      { key: 'threeProviders', what: 'Ours from three providers / from one of them, on processors that all of them share: what it costs to know several', bar: '≥ 1.0' },
      { key: 'threeProvidersBytes', what: 'Bytes received from three providers / bytes of the file', bar: '≤ 1.05' },
      { key: 'threeLimited', what: 'Ours from three providers, each at the other end of a line of 20 MB/s / from one such: 3 where all lines are used', bar: '≥ 1.0' },
      { key: 'threeLimitedBytes', what: 'Bytes received from three such providers / bytes of the file', bar: '≤ 1.05' },
      { key: 'cancelRate', what: 'Wants that had left and were then aborted or satisfied elsewhere: the share for which a CANCEL arrived', bar: '1.0' },
      { key: 'cancelSample', what: 'Those wants', bar: '≥ 500' },
      { key: 'broadcast', what: 'Wants seen by ten connected peers that were never chosen, in the modes `balanced` and `open`', bar: '0' },
      { key: 'carVsBlocks', what: 'A DAG of 250 blocks, a chain of nodes with a leaf each, over HTTP with 25 ms a request: time of Helia\'s gateway session / of one CAR stream', bar: '≥ 10' },
      { key: 'carVsBlocksFlat', what: 'The same for a root with 249 leaves, all of which are known after one request', bar: '–' },
      { key: 'blocksVsHelia', what: 'The chain without CARs: time of Helia\'s session / of our reader, block by block', bar: '–' },
      { key: 'blocksVsHeliaFlat', what: 'The root with 249 leaves without CARs: the same', bar: '–' },
      { key: 'range', what: 'Blocks fetched to read 1 KiB at the middle of a file of 1 GiB', bar: '≤ 8' },
      { key: 'slowReader', what: 'Throughput of a peer we serve, beside one that never reads / alone', bar: '≥ 0.9' },
      { key: 'slowReaderRssMiB', what: 'By how many MiB our memory grows meanwhile', bar: '≤ 64' }
    ]
  },
  {
    bench: 'privacy',
    intro: `What it costs to be watched. \`overhead\`: two nodes in this process read the same 512 blocks of 16 KiB over and over from another process or thread and keep none, one with a ledger and a collector
that counts each stream, the other with neither; they take turns, 40 pairs after 6 that do not count, each read with a disclosure at least. The other figures are no ratios: medians in the unit that
is said. \`captureMs\` is the 95th percentile, over TCP on loopback. \`memory\` runs in processes of its own that have sent themselves as many events before with nobody watching: the median of five with ledger and collector less that of five without; nothing is collected
by force, and V8's young generation stays at the 16 MiB that it begins with (what it adds when that doubles is printed beside it). A proof is made in a process that is started for it.`,
    figures: [
      { key: 'overhead', what: 'Throughput with ledger and collector / without, the lower of bitswap and HTTP', bar: '≥ 0.97' },
      { key: 'analyze1000', what: 'Seconds for an analysis of 1 000 peers, 100 000 events and 10 000 disclosures', bar: '≤ 1' },
      { key: 'analyze5Ms', what: 'Milliseconds for one of 5 peers', bar: '≤ 500' },
      { key: 'memory', what: 'MiB by which a process grows more with ledger and collector than without, over 1 000 000 events of 2 000 peers', bar: '≤ 32' },
      { key: 'captureMs', what: 'Milliseconds from what a peer does until the statistics show it', bar: '≤ 100' },
      { key: 'idleCpu', what: 'Share of a core that watching takes on a node with 20 connections on which nothing goes on', bar: '≤ 0.01' },
      { key: 'prove', what: 'Seconds for a proof of membership at depth 10 or 16, whichever takes longer, process and verification included', bar: '≤ 3' },
      { key: 'verify', what: 'Seconds to verify one', bar: '≤ 0.3' }
    ],
    grids: [{ key: 'transports', title: 'Over each transport; `cpu` is processor time with everything / with nothing' }]
  }
]

/** The page about figures: what each one means, and what the saved runs measured */
export function figuresPage (reports: ReadonlyMap<string, BenchReport>): string {
  for (const [name, { ratios }] of reports) {
    const known = PAGES.find(({ bench }) => bench === name)?.figures.map(({ key }) => key)
    const strange = Object.keys(ratios).filter(key => known?.includes(key) !== true)

    if (strange.length > 0 || known == null) {
      throw new Error(`scripts/figures-page.ts does not say what ${name} ${strange.join(', ')} means`)
    }
  }

  return `# Benchmarks

<!-- Generated by scripts/figures.ts from bench/results/: do not edit by hand. -->

Every figure is a ratio to a peer, a bound or an oracle measured in the same run. \`npm run bench -- NAME\` prints the figures and the bar that each
has to meet, \`--seed N\` varies the run, \`--save\` keeps it in \`bench/results/\`, from where \`node scripts/figures.ts\` brings it here.

${PAGES.map(page => section(page, reports.get(page.bench))).join('\n\n')}
`
}

function section ({ bench, intro, figures, peer, grids = [] }: BenchPage, report: BenchReport | undefined): string {
  const measured = report == null ? [] : ['measured', ...peer == null ? [] : [peer.name]]
  const header = ['figure', 'what it is', 'bar', ...measured]
  const rows = figures.map(({ key, what, bar }) => [
    `\`${key}\``,
    what,
    bar,
    ...report == null ? [] : [say(report.ratios[key]), ...peer == null ? [] : [say(report.absolute[peer.key(key)])]]
  ])

  return `## ${bench}

${intro}

${table([header, header.map(() => '---'), ...rows])}
${report == null ? '' : grids.map(({ key, title }) => grid(title, report.absolute[key])).join('')}
${report == null ? `No run is saved yet: \`npm run bench -- ${bench} --save\`.` : origin(report)}`
}

function table (rows: readonly string[][]): string {
  return rows.map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

/** Numbers stand at the right, below each other */
function grid (title: string, value: unknown): string {
  const records = Array.isArray(value) ? value as ReadonlyArray<Readonly<Record<string, unknown>>> : []
  const names = [...new Set(records.flatMap(record => Object.keys(record)))]
  const rule = names.map(name => records.every(record => record[name] == null || typeof record[name] === 'number') ? '---:' : '---')

  return records.length === 0 ? '' : `\n${title}:\n\n${table([names, rule, ...records.map(record => names.map(name => record[name] == null ? '' : say(record[name])))])}\n`
}

function origin ({ bench, env }: BenchReport): string {
  return `\`npm run bench -- ${bench} --seed ${env.seed} --save\`, ${env.date.slice(0, 10)}, Node ${env.node.replace(/^v/, '')}, ${env.cores} cores of ${env.cpu.trim()}.`
}

function say (value: unknown): string {
  return typeof value === 'number' ? `${Math.round(value * 1000) / 1000}` : value == null ? '–' : String(value).replaceAll('|', '\\|')
}
