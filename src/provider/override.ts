/** A method replaced on one object, to be put back */
export interface Override {
  /** Replaces the method; does nothing when the replacement still is in place */
  install (): void
  /** Puts back what was there, unless somebody has wrapped the replacement since: then it stays and passes calls on */
  restore (): void
}

type Method = (...args: never[]) => unknown

/**
 * Replaces `target[name]` by what `wrap` makes of the method found at install
 * time. The object's own keys and enumeration stay as they were after `restore`.
 */
export function override<T extends object, K extends keyof T & string> (target: T, name: K, wrap: (previous: T[K]) => T[K]): Override {
  let replacement: T[K] | undefined
  let before: PropertyDescriptor | undefined

  return {
    install () {
      if (replacement != null) {
        return
      }
      before = Object.getOwnPropertyDescriptor(target, name)
      const previous = (target[name] as Method).bind(target) as T[K]
      replacement = wrap(previous)
      Object.defineProperty(target, name, { value: replacement, writable: true, configurable: true, enumerable: before?.enumerable ?? false })
    },

    restore () {
      if (replacement == null || target[name] !== replacement) {
        return
      }
      if (before == null) {
        Reflect.deleteProperty(target, name)
      } else {
        Object.defineProperty(target, name, before)
      }
      replacement = undefined
    }
  }
}
