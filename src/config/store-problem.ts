import { StoreError } from './errors.ts'

interface Problem {
  /** Of the system; databases keep only its text */
  readonly codes: readonly string[]
  readonly text: RegExp
  readonly what: string
  readonly remedy: string
}

const PROBLEMS: readonly Problem[] = [
  { codes: ['ENOSPC', 'EDQUOT'], text: /no space left on device|quota exceeded/i, what: 'the disk is full', remedy: 'make room there' },
  { codes: ['EROFS'], text: /read-only file system/i, what: 'its file system is read-only', remedy: 'mount it for writing' },
  { codes: ['EACCES', 'EPERM'], text: /permission denied|operation not permitted/i, what: 'this user may not write there', remedy: 'give the directory to this user' },
  { codes: ['ENOTDIR', 'EEXIST'], text: /not a directory/i, what: 'there is a file where the directory should be', remedy: 'move that file away' },
  { codes: ['EMFILE', 'ENFILE'], text: /too many open files/i, what: 'too many files are open', remedy: 'raise the limit (ulimit -n)' },
  { codes: ['EIO'], text: /input\/output error/i, what: 'the disk fails', remedy: 'look at the log of the system' }
]

/** No library here wraps deeper, and a chain of causes may be a ring */
const MAX_DEPTH = 6

/** What is wrong with a directory, in words, where an error tells */
export function storeProblem (err: unknown): Pick<Problem, 'what' | 'remedy'> | undefined {
  let current: unknown = err

  for (let depth = 0; depth < MAX_DEPTH && current instanceof Error; depth++) {
    const { code, message } = current as NodeJS.ErrnoException
    const found = PROBLEMS.find(({ codes, text }) => codes.includes(code ?? '') || text.test(message))
    if (found != null) {
      return found
    }
    current = current.cause
  }
  return undefined
}

/** An error of the file system below a store as one that names the directory and says what to do; any other as it is */
export function toStoreError (err: unknown, path: string): unknown {
  // ours say what is wrong already, and a port or an address may be forbidden too
  if (!(err instanceof Error) || OWN.has(err.name) || isOfNetwork(err)) {
    return err
  }
  const problem = storeProblem(err)
  return problem == null
    ? err
    : new StoreError(`${path} cannot be used: ${problem.what} (${err.message.replace(/^Error: /, '')}); ${problem.remedy}, or choose another directory with --store DIR`, { cause: err })
}

const OWN: ReadonlySet<string> = new Set(['StoreError', 'StoreLockedError', 'IdentityError', 'ListenError', 'InvalidOptionError', 'InvalidProviderError'])

function isOfNetwork (err: Error): boolean {
  return ['listen', 'connect', 'bind'].includes((err as NodeJS.ErrnoException).syscall ?? '')
}
