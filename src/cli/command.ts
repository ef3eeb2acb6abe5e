import type { ReadConfig } from '../config/file.ts'
import type { ConfigKey } from '../config/schema.ts'
import type { Clock } from '../interface/clock.ts'

/** Values by name: a list where the flag may be given several times */
export type OwnFlags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/** What a command gets to work with */
export interface CommandContext {
  readonly config: ReadConfig
  readonly positionals: readonly string[]
  /** Flags that are the command's own and no configuration */
  readonly flags: OwnFlags
  /** Data, and nothing else */
  readonly stdout: NodeJS.WriteStream
  /** Everything for people: progress, notes, errors */
  readonly stderr: NodeJS.WriteStream
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborts at the first Ctrl-C or SIGTERM */
  readonly signal: AbortSignal
  readonly clock: Clock
}

export interface OwnFlag {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given several times */
  readonly multiple?: boolean
  readonly placeholder?: string
  readonly description: string
}

/** One subcommand, as data, so that help and parser agree */
export interface Command {
  readonly name: string
  readonly summary: string
  /** After `portolan NAME`: `CID[/PATH]` */
  readonly arguments?: string
  readonly minArguments: number
  readonly maxArguments: number
  readonly description: string
  /** What its first argument may be, and what comes of each */
  readonly actions?: ReadonlyArray<readonly [name: string, description: string]>
  readonly examples: readonly string[]
  /** Options of the configuration that this command looks at */
  readonly options: readonly ConfigKey[]
  /** What the help shows as the defaults that are this command's own */
  readonly defaults?: { readonly [K in ConfigKey]?: string }
  readonly own?: Readonly<Record<string, OwnFlag>>
  /** Resolves with the exit code */
  run (context: CommandContext): Promise<number>
}
