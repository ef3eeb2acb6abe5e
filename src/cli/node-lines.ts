import { ControlError } from './control-egress.ts'

/** A line of JSON each, from the node that was asked; the last one says that it was the last, and perhaps what came of it */
export async function * nodeLines<T, R = unknown> (response: Response, { signal }: { signal: AbortSignal }): AsyncGenerator<T, R> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const { done, ...value } = JSON.parse(line) as { done?: boolean }
        if (done === true) {
          return value as R
        }
        yield value as T
      }
    }
  } catch (err) {
    signal.throwIfAborted()
    throw err instanceof SyntaxError || err instanceof TypeError ? new ControlError(502, `the node broke off: ${err.message}`) : err
  }
  throw new ControlError(502, 'the node broke off in the middle of its answer; its log says why')
}

/** How far it is, told line by line; the last one is what came of it */
export async function nodeWork<P, R> (response: Response, { signal, onProgress }: { signal: AbortSignal, onProgress?: (progress: P) => void }): Promise<R> {
  const lines = nodeLines<P, R>(response, { signal })

  for (let line = await lines.next(); ; line = await lines.next()) {
    if (line.done === true) {
      return line.value
    }
    onProgress?.(line.value)
  }
}
