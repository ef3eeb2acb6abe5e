/** The part of it that is used; the package has no types */
declare module 'snarkjs' {
  interface Groth16Result {
    readonly proof: {
      readonly pi_a: readonly string[]
      readonly pi_b: ReadonlyArray<readonly string[]>
      readonly pi_c: readonly string[]
    }
    readonly publicSignals: readonly string[]
  }

  interface VerificationKeyFile {
    readonly protocol: string
    readonly curve: string
  }

  export const groth16: {
    fullProve (
      input: object,
      wasm: Uint8Array,
      zkey: Uint8Array,
      logger?: undefined,
      witnessOptions?: undefined,
      proverOptions?: { singleThread?: boolean }
    ): Promise<Groth16Result>
    verify (key: VerificationKeyFile, publicSignals: readonly string[], proof: object): Promise<boolean>
  }
}
