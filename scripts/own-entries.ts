import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

/** What this package is imported by, and the source that a build makes each from: whoever has no build takes that */
export function ownEntries (): Record<string, string> {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { name: string, exports: Record<string, string | { import?: string }> }
  return Object.fromEntries(Object.entries(exports).flatMap(([entry, targets]) => typeof targets === 'string' || targets.import == null
    ? []
    : [[`${name}${entry.slice(1)}`, join(ROOT, targets.import.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts'))]]))
}
