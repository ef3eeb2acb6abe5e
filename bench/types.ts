/** What a bench file exports: `description` (one line) and `run`. */
export interface Bench {
  readonly description?: string
  /** Names of the options of its own that it understands; the others refuse them */
  readonly options?: readonly OwnOption[]
  run (options: BenchOptions): Promise<BenchResult>
}

/** `--traces DIR`: files of requests to replay; `--plot FILE`: where to draw what was measured */
export type OwnOption = 'traces' | 'plot'

export interface BenchOptions extends Readonly<Partial<Record<OwnOption, string>>> {
  /** Varies the run; the bars hold on every seed */
  readonly seed: number
  /** A smoke run: seconds instead of minutes. Its figures prove that the bench works, not what it measures. */
  readonly short: boolean
  /** The figures will be kept: also what documents show of them is due */
  readonly save: boolean
  /** Prints a line of progress or commentary, never on the last line of the output */
  log (line: string): void
}

export interface BenchResult {
  /** Figures relative to a peer, a bound or an oracle measured in the same run */
  readonly ratios: Readonly<Record<string, number>>
  /** The figures behind them, in the units their keys name. An array of records prints as a table. */
  readonly absolute: Readonly<Record<string, unknown>>
  /** What a ratio must not exceed or fall below */
  readonly bars?: Readonly<Record<string, Bar>>
}

export interface Bar {
  readonly max?: number
  /** It has to be less: the bar itself is a miss */
  readonly below?: number
  readonly min?: number
}

/** The JSON object that `--json` prints as its last line and `--save` writes */
export interface BenchReport {
  readonly bench: string
  readonly ratios: Readonly<Record<string, number>>
  readonly absolute: Readonly<Record<string, unknown>>
  readonly env: {
    readonly node: string
    readonly cpu: string
    readonly cores: number
    readonly seed: number
    readonly date: string
  }
}
