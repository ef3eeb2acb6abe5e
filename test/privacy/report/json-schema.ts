/**
 * The part of JSON Schema (2020-12) that our schema uses. A keyword that it does not know is an error, so that it
 * never takes for checked what it did not look at.
 */
const KNOWN = new Set(['$schema', '$id', 'title', 'description', 'type', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'const', 'minimum', 'maximum', 'maxLength', 'anyOf'])

interface Schema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly anyOf?: readonly Schema[]
}

/** What is wrong with a value, each with the way to it; nothing when it fits */
export function schemaFaults (schema: object, value: unknown, at = '$'): string[] {
  const unknown = Object.keys(schema).filter(keyword => !KNOWN.has(keyword))
  if (unknown.length > 0) {
    throw new Error(`keywords that are not checked here: ${unknown.join(', ')}`)
  }
  const { type, enum: values, minimum, maximum, maxLength, anyOf, items } = schema as Schema
  const faults: string[] = []
  const expectThat = (ok: boolean, what: string): void => {
    if (!ok) {
      faults.push(`${at} ${what}`)
    }
  }

  expectThat(type == null || [type].flat().some(name => isOf(name, value)), `is no ${String(type)}`)
  expectThat(values == null || values.includes(value), `is none of ${String(values)}`)
  expectThat(!('const' in schema) || schema.const === value, 'is not the constant')
  expectThat(minimum == null || (typeof value === 'number' && value >= minimum), `is below ${minimum}`)
  expectThat(maximum == null || (typeof value === 'number' && value <= maximum), `is above ${maximum}`)
  expectThat(maxLength == null || (typeof value === 'string' && value.length <= maxLength), `is longer than ${maxLength}`)
  expectThat(anyOf == null || anyOf.some(option => schemaFaults(option, value, at).length === 0), 'fits none of several')

  if (items != null && Array.isArray(value)) {
    faults.push(...value.flatMap((item, i) => schemaFaults(items, item, `${at}[${i}]`)))
  }
  if (typeof value === 'object' && value != null && !Array.isArray(value)) {
    faults.push(...ofObject(schema as Schema, value as Record<string, unknown>, at))
  }
  return faults
}

function ofObject ({ properties = {}, required = [], additionalProperties = true }: Schema, value: Record<string, unknown>, at: string): string[] {
  return [
    ...required.filter(name => !Object.hasOwn(value, name)).map(name => `${at} has no ${name}`),
    ...Object.entries(value).flatMap(([name, part]) => {
      const schema = Object.hasOwn(properties, name) ? properties[name] : additionalProperties
      return schema === false ? [`${at} has an unknown ${name}`] : schema === true || schema == null ? [] : schemaFaults(schema, part, `${at}.${name}`)
    })
  ]
}

function isOf (type: string, value: unknown): boolean {
  const kind: string = typeof value
  switch (type) {
    case 'integer': return Number.isInteger(value)
    case 'array': return Array.isArray(value)
    case 'object': return typeof value === 'object' && value != null && !Array.isArray(value)
    default: return kind === type
  }
}
