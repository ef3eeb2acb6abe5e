import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { configurationDocument } from '../../src/config/document.ts'
import { schema } from '../../src/config/schema.ts'

it('docs/configuration.md is what the schema says: run node scripts/configuration-doc.ts', () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  expect(page).toBe(configurationDocument(schema))
})
