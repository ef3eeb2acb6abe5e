export interface ConnectionLimits {
  /** Connections at once */
  readonly max: number
  /** Of one client */
  readonly maxPerClient: number
}

interface Connection {
  readonly client: string
  /** Answers under way or waiting for their turn */
  answers: number
  /** Whoever holds it has shown who they are */
  trusted: boolean
}

interface Client<S> {
  all: number
  readonly fresh: Set<S>
  readonly idle: Set<S>
}

/**
 * The connections of a server, and which one makes room when there are too
 * many: one that never asked for anything, else one that rests between two
 * requests, in both cases the one that has done so longest. A newcomer who
 * means to ask does it at once; whoever holds connections to keep others out
 * cannot afford to.
 */
export class Connections<S extends object> {
  readonly #limits: ConnectionLimits
  readonly #all = new Map<S, Connection>()
  readonly #clients = new Map<string, Client<S>>()
  /** Never asked for anything; the oldest first */
  readonly #fresh = new Set<S>()
  /** Between two requests; idle longest first. Trusted ones are not in here: nobody pushes them out. */
  readonly #idle = new Set<S>()

  constructor (limits: ConnectionLimits) {
    this.#limits = limits
  }

  get size (): number {
    return this.#all.size
  }

  /** @returns the connection to close for it: possibly the new one, when everybody else is at work */
  add (socket: S, client: string): S | undefined {
    const group: Client<S> = this.#clients.get(client) ?? { all: 0, fresh: new Set(), idle: new Set() }
    const crowded = group.all >= this.#limits.maxPerClient
    const full = this.#all.size >= this.#limits.max
    const victim = crowded
      ? first(group.fresh) ?? first(group.idle) ?? socket
      : full ? first(this.#fresh) ?? first(this.#idle) ?? socket : undefined

    if (victim === socket) {
      return socket
    }
    if (victim != null) {
      this.delete(victim)
    }
    this.#all.set(socket, { client, answers: 0, trusted: false })
    // again, since the one that made room may have been the client's last
    this.#clients.set(client, group)
    group.all++
    group.fresh.add(socket)
    this.#fresh.add(socket)
    return victim
  }

  /** @returns the answers under way on this connection, the new one included */
  begin (socket: S): number {
    const connection = this.#all.get(socket)
    if (connection == null) {
      return 1
    }
    this.#unlist(socket, connection)
    return ++connection.answers
  }

  end (socket: S): void {
    const connection = this.#all.get(socket)
    if (connection == null) {
      return
    }
    connection.answers = Math.max(0, connection.answers - 1)

    if (connection.answers === 0 && !connection.trusted) {
      this.#idle.add(socket)
      this.#clients.get(connection.client)?.idle.add(socket)
    }
  }

  /** Keeps the connection from being pushed out while it rests */
  trust (socket: S): void {
    const connection = this.#all.get(socket)
    if (connection != null) {
      connection.trusted = true
      this.#unlist(socket, connection)
    }
  }

  /** Something is being written into it, or waits to be */
  isAnswering (socket: S): boolean {
    return (this.#all.get(socket)?.answers ?? 0) > 0
  }

  delete (socket: S): void {
    const connection = this.#all.get(socket)
    if (connection == null) {
      return
    }
    this.#unlist(socket, connection)
    this.#all.delete(socket)
    const group = this.#clients.get(connection.client)

    if (group != null && --group.all === 0) {
      this.#clients.delete(connection.client)
    }
  }

  #unlist (socket: S, { client }: Connection): void {
    const group = this.#clients.get(client)
    for (const list of [this.#fresh, this.#idle, group?.fresh, group?.idle]) {
      list?.delete(socket)
    }
  }
}

function first<S> (list: ReadonlySet<S>): S | undefined {
  return list.values().next().value
}
