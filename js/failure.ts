/** What stands in the place of a value where failures are kept (`errorTtl`). */

export class Failure {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}
