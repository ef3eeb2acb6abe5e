/** What a row of the table in docs/architecture.md says about a room */
export interface Room {
  readonly name: string
  readonly mayImport: 'everything' | readonly string[]
  readonly browser: 'yes' | 'partly' | 'no'
}

const HEADER = ['room', 'what lives there', 'may import', 'browser']

function cells (line: string): string[] {
  return line.trim().replace(/^\||\|$/g, '').split('|').map(cell => cell.trim())
}

function roomName (cell: string): string {
  const name = /^`([a-z0-9-]+)`$/.exec(cell)?.[1]

  if (name == null) {
    throw new Error(`"${cell}" is not a room in backticks`)
  }
  return name
}

function arrows (cell: string): Room['mayImport'] {
  if (cell === 'everything') {
    return 'everything'
  }
  return cell === '–' ? [] : cell.split(',').map(part => roomName(part.trim()))
}

function browser (cell: string): Room['browser'] {
  if (cell !== 'yes' && cell !== 'partly' && cell !== 'no') {
    throw new Error(`"${cell}" is none of yes, partly, no`)
  }
  return cell
}

/** Strict on purpose: a row that cannot be read is a rule that nobody holds */
export function parseArchitectureTable (markdown: string): ReadonlyMap<string, Room> {
  const lines = markdown.split('\n')
  const start = lines.findIndex(line => line.startsWith('|') && cells(line).join() === HEADER.join())

  if (start < 0) {
    throw new Error(`There is no table with the columns ${HEADER.join(', ')}`)
  }

  const rooms = new Map<string, Room>()

  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) {
      break
    }

    const row = cells(line)

    if (row.length !== HEADER.length) {
      throw new Error(`A row has ${row.length} cells: ${line}`)
    }

    const [first = '', , third = '', fourth = ''] = row
    const name = roomName(first)

    if (rooms.has(name)) {
      throw new Error(`${name} has two rows`)
    }
    rooms.set(name, { name, mayImport: arrows(third), browser: browser(fourth) })
  }

  for (const { name, mayImport } of rooms.values()) {
    for (const other of mayImport === 'everything' ? [] : mayImport) {
      if (!rooms.has(other)) {
        throw new Error(`${name} may import ${other}, which has no row`)
      }
    }
  }

  return rooms
}
