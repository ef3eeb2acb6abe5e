/** What is read of a lockfile: paths below node_modules and what is there */
export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

export interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Below these, known faults of others become ours */
export const FLOORS: Readonly<Record<string, { version: string, required: boolean }>> = {
  '@libp2p/kad-dht': { version: '16.4.0', required: true },
  '@libp2p/crypto': { version: '5.1.22', required: true },
  '@libp2p/gossipsub': { version: '16.0.5', required: false },
  '@libp2p/webrtc': { version: '6.0.28', required: false },
  '@helia/bitswap': { version: '3.1.3', required: true },
  // the one that src/helia says it supports, test/helia/seams.test.ts compares them
  helia: { version: '7.1.15', required: true }
}

/** Two copies and `instanceof`, symbols and registries stop agreeing */
export const ONE_COPY = ['multiformats', '@libp2p/interface', '@helia/interface']

/** Given up, or known to be exploitable */
export const NEVER = ['@chainsafe/libp2p-gossipsub', '@libp2p/floodsub']

function nameOf (path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** Negative when `a` comes before `b`; a pre-release comes before its release */
export function compareVersions (a: string, b: string): number {
  const [numbersA, preA] = split(a)
  const [numbersB, preB] = split(b)

  for (let i = 0; i < 3; i++) {
    const difference = (numbersA[i] ?? 0) - (numbersB[i] ?? 0)
    if (difference !== 0) {
      return difference
    }
  }
  return Number(preB) - Number(preA)
}

function split (version: string): [number[], boolean] {
  const [core = '', ...pre] = (version.split('+')[0] ?? '').split('-')
  const numbers = core.split('.').map(Number)

  if (numbers.length !== 3 || !numbers.every(Number.isSafeInteger)) {
    throw new Error(`"${version}" is no version`)
  }
  return [numbers, pre.length > 0]
}

/**
 * Optional dependencies (binaries for other platforms) that the lockfile lost:
 * npm writes it so when one could not be found, and `npm ci` then refuses it.
 */
function lostOptionals ({ packages }: Lockfile): string[] {
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) => Object.keys(optionalDependencies)
    .filter(name => {
      const parts = path.split('/node_modules/')
      return !parts.some((_, i) => packages[[...parts.slice(0, parts.length - i), name].join('/node_modules/')] != null) && packages[`node_modules/${name}`] == null
    })
    .map(name => `${path} has lost ${name}`))
}

/** Everything about a lockfile that must not be */
export function lockfileFaults (lock: Lockfile): string[] {
  const copies = new Map<string, string[]>()
  const faults = lostOptionals(lock)

  for (const [path, { version, resolved, link }] of Object.entries(lock.packages)) {
    if (path !== '' && link !== true && version != null) {
      copies.set(nameOf(path), [...copies.get(nameOf(path)) ?? [], version])
    }
    if (resolved != null && /^[a-z+]+:/.test(resolved)) {
      faults.push(`${path} names where it was downloaded: ${new URL(resolved).host}`)
    }
  }

  for (const [name, { version, required }] of Object.entries(FLOORS)) {
    const found = copies.get(name)
    if (found == null && required) {
      faults.push(`${name} is missing`)
    }
    for (const copy of found ?? []) {
      if (compareVersions(copy, version) < 0) {
        faults.push(`${name} is ${copy}, below ${version}`)
      }
    }
  }

  for (const name of ONE_COPY) {
    const found = copies.get(name) ?? []
    if (found.length !== 1) {
      faults.push(`${name} is there ${found.length} times: ${found.join(', ')}`)
    }
  }

  for (const name of NEVER) {
    if (copies.has(name)) {
      faults.push(`${name} must not be installed`)
    }
  }
  return faults
}
