import { readFileSync } from 'node:fs'

/** The version in package.json: two directories up in the sources, three in what is published */
export function version (): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    const url = new URL(path, import.meta.url)
    try {
      const { name, version } = JSON.parse(readFileSync(url, 'utf8')) as { name?: string, version?: string }
      if (name === 'portolan' && version != null) {
        return version
      }
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw err
      }
    }
  }
  return 'unknown'
}
