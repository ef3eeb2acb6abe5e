import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { MissingDependencyError } from '../../interface/errors.ts'
import { fileProblem, readBoundedFile } from './bounded-file.ts'
import { ArtifactError } from './errors.ts'
import type { Depth } from './statement.ts'

/** The circuit, the key of its prover, and that of its verifier, of one depth */
export interface Artifacts {
  readonly wasm: string
  readonly zkey: string
  readonly json: string
}

export type ArtifactKind = keyof Artifacts

/**
 * SHA-256 of what came of Semaphore's ceremony of 2024, as `@zk-kit/semaphore-artifacts` 4.13.0 has it. Whoever can put
 * others in their place can make proofs of anything, or see the secret that a proof is made with.
 */
export const ARTIFACT_HASHES: Readonly<Record<Depth, Readonly<Record<ArtifactKind, string>>>> = {
  10: {
    wasm: '1e9e1e3ad9917164bc96c751e32fae724400b92063f5a2cfd22ca64674bf4f96',
    zkey: 'f644af6753be9d48454d8f9bb74bf2e9a416dd7d1a704c3cf1d50e535969a19a',
    json: 'ca34afcbb281cd180a4ee553023d3f020440d519f5d093ebde97e26c09c0842d'
  },
  16: {
    wasm: '06df31461d17db86897fc234f0e6e5f5e2f6add1b8c821b5c6ae75030b3e0d7c',
    zkey: '948763c7315a337b7722c0344a28af4be66fbbc618474d6dbe9036e799d1a3b5',
    json: 'c0fc89249ca42a2763ec4e521bf43bc8b3f35307258f6ddcaaed6047c189680e'
  }
}

/** The largest of them has 3.4 MB */
const MAX_ARTIFACT_BYTES = 8_388_608

const INSTALL = 'install them beside portolan with "npm install snarkjs @zk-kit/semaphore-artifacts"'

/** Where the optional packages are, or the message that says what to install */
export interface Packages {
  /** Path of a module or of a file of a package. Throws where it is not installed. */
  resolve (specifier: string): string
}

const installed: Packages = createRequire(import.meta.url)

/** Paths of the artifacts of one depth: of the package, or of a directory with these three files in it */
export function locateArtifacts (depth: Depth, directory?: string, packages: Packages = installed): Artifacts {
  try {
    packages.resolve('snarkjs')
  } catch (err) {
    throw new MissingDependencyError(`a proof of membership is to be made, and the package snarkjs that it needs cannot be found: ${INSTALL}`, { cause: err })
  }

  let at = directory
  try {
    at ??= dirname(packages.resolve('@zk-kit/semaphore-artifacts/package.json'))
  } catch (err) {
    throw new MissingDependencyError(`a proof of membership is to be made, and the package @zk-kit/semaphore-artifacts that it needs cannot be found: ${INSTALL}`, { cause: err })
  }
  const path = (kind: ArtifactKind): string => join(at, `semaphore-${depth}.${kind}`)
  return { wasm: path('wasm'), zkey: path('zkey'), json: path('json') }
}

/** The bytes of one artifact, which are those of the ceremony. Throws an `ArtifactError`. */
export async function readArtifact (depth: Depth, kind: ArtifactKind, path: string, options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await readBoundedFile(path, MAX_ARTIFACT_BYTES, options)
  } catch (err) {
    options.signal?.throwIfAborted()
    throw new ArtifactError(`the artifact ${path} cannot be read: ${fileProblem(err)}`, { cause: err })
  }
  const hash = createHash('sha256').update(bytes).digest('hex')

  if (hash !== ARTIFACT_HASHES[depth][kind]) {
    throw new ArtifactError(`the artifact ${path} is not the one of the ceremony: its SHA-256 is ${hash} and should be ${ARTIFACT_HASHES[depth][kind]}; install @zk-kit/semaphore-artifacts 4.13.0 anew`)
  }
  return bytes
}

/** Throws an `ArtifactError` unless all three are those of the ceremony */
export async function checkArtifacts (depth: Depth, artifacts: Artifacts, options: { signal?: AbortSignal } = {}): Promise<void> {
  for (const kind of ['json', 'wasm', 'zkey'] as const) {
    await readArtifact(depth, kind, artifacts[kind], options)
  }
}
