import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { consoleFormat } from './console-format.ts'
import { htmlFormat } from './html-format.ts'
import { jsonFormat } from './json-format.ts'
import { UnknownFormatError, prepared } from './report-format.ts'
import { slackFormat } from './slack-format.ts'
import type { RenderOptions, ReportFormat } from './report-format.ts'
import type { PrivacyReportData } from '../../interface/privacy.ts'

/** The formats that there are, by name */
export interface ReportFormats {
  readonly names: readonly string[]
  /** Throws an UnknownFormatError that names those that there are */
  get (name: string): ReportFormat
  /** The first that an HTTP `Accept` header asks for; JSON where it does not mind. Throws an UnknownFormatError */
  accepted (header: string | undefined): ReportFormat
  /** Redacts unless `raw`, and hands on to the format */
  render (name: string, report: PrivacyReportData, options?: RenderOptions): string
}

const NAME = /^[a-z][a-z0-9-]{0,31}$/
const MEDIA_TYPE = /^[a-z]+\/[a-z0-9][a-z0-9.+-]{0,63}$/
const EXTENSION = /^[a-z0-9]{1,16}(\.[a-z0-9]{1,16})?$/
/** As many as anybody writes; the header is somebody else's */
const MAX_ACCEPTED = 32

/**
 * Console, JSON, HTML and Slack, and formats of your own, which may replace them.
 *
 * @example
 * ```ts
 * import { reportFormats } from 'portolan/privacy'
 * import type { PrivacyReport } from 'portolan/privacy'
 *
 * const print = (report: PrivacyReport): void => { console.log(reportFormats().render('console', report, { width: 100 })) }
 * ```
 */
export function reportFormats (custom: readonly ReportFormat[] = []): ReportFormats {
  const formats = new Map<string, ReportFormat>()

  for (const format of [consoleFormat, jsonFormat, htmlFormat, slackFormat, ...custom.map(checked)]) {
    formats.set(format.name, format)
  }
  const names = [...formats.keys()]
  const get = (name: string): ReportFormat => {
    const format = formats.get(name)
    if (format == null) {
      throw new UnknownFormatError(`there is no format ${quote(name, 40)}; there are ${names.join(', ')}`)
    }
    return format
  }

  return {
    names,
    get,
    accepted (header) {
      const ranges = (header ?? '*/*').split(',', MAX_ACCEPTED).map(readRange).filter(({ q }) => q > 0).toSorted((a, b) => b.q - a.q)
      for (const { type } of ranges) {
        // JSON is what programs get that do not mind; Slack's is JSON too, and is had by name
        const fit = type === '*/*' || type === 'application/*' ? jsonFormat.name : names.find(name => matches(type, get(name).mediaType))
        if (fit != null) {
          return get(fit)
        }
      }
      throw new UnknownFormatError(`there is no report of the type ${quote(header, 80)}; there are ${[...new Set([...formats.values()].map(({ mediaType }) => mediaType))].join(', ')}`)
    },
    render (name, report, options = {}) {
      const text: unknown = get(name).render(...prepared(report, options))
      if (typeof text !== 'string') {
        throw new InvalidOptionError(`the format ${name} must render a text, and gave a value of the type ${typeof text}`)
      }
      return text
    }
  }
}

function readRange (text: string): { type: string, q: number } {
  const [type = '', ...parameters] = text.toLowerCase().split(';').map(part => part.trim())
  const q = Number(parameters.find(parameter => parameter.startsWith('q='))?.slice(2) ?? 1)
  return { type, q: Number.isFinite(q) ? q : 0 }
}

function matches (range: string, mediaType: string): boolean {
  return range === mediaType || (range.endsWith('/*') && mediaType.startsWith(range.slice(0, -1)))
}

function checked (format: ReportFormat): ReportFormat {
  const { name, mediaType, extension, render } = format ?? {}

  if (typeof name !== 'string' || !NAME.test(name) || typeof mediaType !== 'string' || !MEDIA_TYPE.test(mediaType) || typeof extension !== 'string' || !EXTENSION.test(extension) || typeof render !== 'function') {
    throw new InvalidOptionError(`a format needs a name (letters, digits and -), a mediaType (type/subtype), an extension without its dot and a function render, got ${quote(JSON.stringify({ name, mediaType, extension, render: typeof render }))}`)
  }
  return format
}
