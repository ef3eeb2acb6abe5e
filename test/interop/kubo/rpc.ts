import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { IncomingMessage } from 'node:http'

/** Kubo answered an RPC call with an error, or broke off in the middle of an answer */
export class KuboRpcError extends Error {
  static override name = 'KuboRpcError'
  override name = 'KuboRpcError'
}

/** A 64 MiB file is added in a second; with neighbours, in ten */
export const DEFAULT_RPC_TIMEOUT = 120_000

export interface RpcOptions {
  signal?: AbortSignal
  /** In ms, until the end of the answer. @default DEFAULT_RPC_TIMEOUT */
  timeout?: number
}

/** A file to send: bytes at once or piece by piece */
export interface RpcFile {
  /** With slashes when it lies in folders. @default 'file' */
  readonly path?: string
  readonly content: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * Kubo's `/api/v0`. Over `node:http` and not `fetch`, which takes more of the
 * processor that a measured Kubo needs, and hides the trailer in which Kubo
 * says that a stream broke.
 */
export class KuboRpc {
  readonly url: string
  readonly #agent = new Agent({ keepAlive: true })

  constructor (url: string) {
    this.url = url
  }

  /** The answer, piece by piece */
  async * stream (command: string, query: Query = {}, files?: Iterable<RpcFile>, options: RpcOptions = {}): AsyncGenerator<Buffer> {
    const deadline = AbortSignal.timeout(options.timeout ?? DEFAULT_RPC_TIMEOUT)
    const signal = options.signal == null ? deadline : AbortSignal.any([deadline, options.signal])
    const response = await this.#send(command, query, files, signal)

    try {
      if (response.statusCode !== 200) {
        throw new KuboRpcError(`${command}: ${message(await text(response))}`)
      }
      yield * response
    } catch (err) {
      signal.throwIfAborted()
      throw err instanceof KuboRpcError ? err : new KuboRpcError(`${command}: the answer broke off`, { cause: err })
    } finally {
      response.destroy()
    }

    const broken = response.trailers['x-stream-error']
    if (broken != null) {
      throw new KuboRpcError(`${command}: ${broken}`)
    }
  }

  async text (command: string, query?: Query, files?: Iterable<RpcFile>, options?: RpcOptions): Promise<string> {
    const parts: Buffer[] = []
    for await (const part of this.stream(command, query, files, options)) {
      parts.push(part)
    }
    return Buffer.concat(parts).toString('utf8')
  }

  /** One JSON value per line */
  async lines<T> (command: string, query?: Query, files?: Iterable<RpcFile>, options?: RpcOptions): Promise<T[]> {
    return (await this.text(command, query, files, options)).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as T)
  }

  close (): void {
    this.#agent.destroy()
  }

  async #send (command: string, query: Query, files: Iterable<RpcFile> | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(`/api/v0/${command}`, this.url)
    for (const [name, value] of Object.entries(query)) {
      if (value != null) {
        url.searchParams.append(name, String(value))
      }
    }

    signal.throwIfAborted()
    return await new Promise((resolve, reject) => {
      const call = request(url, { method: 'POST', agent: this.#agent, signal, headers: files == null ? {} : { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` } })
      call.once('response', resolve)
      call.once('error', err => { reject(signal.aborted ? signal.reason as Error : err) })
      if (files == null) {
        call.end()
      } else {
        upload(call, files).catch((err: Error) => { call.destroy(err) })
      }
    })
  }
}

const BOUNDARY = 'portolan-6b1d0e6c3a'

async function upload (call: ReturnType<typeof request>, files: Iterable<RpcFile>): Promise<void> {
  const write = async (bytes: Uint8Array | string): Promise<void> => {
    if (!call.write(bytes) && !call.destroyed) {
      await new Promise<void>(resolve => {
        // a call that Kubo ended early is never drained
        const go = (): void => {
          call.off('drain', go).off('close', go)
          resolve()
        }
        call.on('drain', go).on('close', go)
      })
    }
  }

  for (const { path, content } of files) {
    await write(`--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="${encodeURIComponent(path ?? 'file')}"\r\ncontent-type: application/octet-stream\r\n\r\n`)
    for await (const part of content instanceof Uint8Array ? [content] : content) {
      await write(part)
    }
    await write('\r\n')
  }
  call.end(`--${BOUNDARY}--\r\n`)
}

/** Kubo explains most refusals as JSON */
function message (body: string): string {
  try {
    return (JSON.parse(body) as { Message?: string }).Message ?? body
  } catch (err) {
    return err instanceof SyntaxError ? body.trim() : String(err)
  }
}
