import { ENTRIES_NAMED, firstNames } from '../gateway/control.ts'
import { cacheSizeAsBefore } from './cache-size.ts'
import { exposureReport } from '../privacy/ledger/exposure-report.ts'
import { UsageError } from './exit-code.ts'
import { DirectoryError } from './reader.ts'
import { startNode } from './start-node.ts'
import { unixfsFiles } from './unixfs-files.ts'
import type { CommandContext } from './command.ts'
import type { Explained, OpenFile, ReadOptions, Reader, Target } from './reader.ts'
import type { RetrievalFailedError, Story } from '../interface/errors.ts'
import type { RetrievalSession } from '../interface/routing.ts'
import type { StoryOfRead } from '../privacy/ledger/exposure-report.ts'
import type { BlockLoader } from '../interface/unixfs.ts'
import type { Portolan } from '../portolan.ts'

/** Reads with a node of its own, which ends with the command */
export class OwnReader implements Reader {
  readonly #node: Portolan
  readonly #sessions: RetrievalSession[] = []

  constructor (node: Portolan) {
    this.#node = node
  }

  /** @param store instead of the configured one */
  static async start (context: Pick<CommandContext, 'config' | 'environment' | 'signal'>, store = context.config.store): Promise<OwnReader> {
    // a command listens for nobody, and gives nothing away
    return new OwnReader(await startNode(context, { store, maxBytes: await cacheSizeAsBefore(context), listen: [], serve: 'none', announce: 'none', dhtServer: false }))
  }

  async open (target: Target, options: ReadOptions): Promise<OpenFile> {
    const { signal } = options
    const load = this.#loader(target, options)
    const node = await unixfsFiles.resolve(target.root, target.segments, load, { signal })

    if (node.type === 'directory') {
      throw new DirectoryError(target, await firstNames(unixfsFiles.list(node.cid, load, { signal, limit: ENTRIES_NAMED })))
    }
    return { size: node.size, bytes: unixfsFiles.read(node.cid, load, { signal }) }
  }

  async explain (target: Target, options: ReadOptions & { privacy?: boolean }): Promise<Explained> {
    const { ledger } = this.#node.privacy
    if (options.privacy === true && ledger == null) {
      throw new UsageError('nobody writes down who learns what: ledger.enabled is off')
    }
    const load = this.#loader(target, options)
    let cid = target.root
    let failure: Error | undefined

    try {
      cid = target.segments.length === 0 ? cid : (await unixfsFiles.resolve(cid, target.segments, load, options)).cid
      await load(cid, options)
    } catch (err) {
      options.signal.throwIfAborted()
      failure = err as Error
    }
    const story: Story | undefined = (failure as RetrievalFailedError | undefined)?.story ?? this.#node.contentRouting.explain(cid)

    if (story == null) {
      throw failure ?? new Error(`there is nothing to tell about ${cid}`)
    }
    return {
      text: String(story),
      story,
      ...options.privacy === true && ledger != null ? { privacy: exposureReport(cid, ledger, story.toJSON() as StoryOfRead) } : {},
      error: failure?.message
    }
  }

  async close (): Promise<void> {
    this.#sessions.splice(0).forEach(session => { session.close() })
    await this.#node.stop()
  }

  #loader (target: Target, options: ReadOptions): BlockLoader {
    const session = this.#node.contentRouting.createSession(target.root, { signal: options.signal })
    this.#sessions.push(session)
    return (cid, { signal = options.signal } = {}) => session.retrieve(cid, {
      signal,
      onProgress: event => { options.onProgress?.(event.type.replace('portolan:retrieve:', '')) }
    })
  }
}
