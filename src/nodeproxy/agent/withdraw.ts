import type { PodEnrolment } from '../../model/resources.ts'
import type { EnrolmentSource } from './interfaces.ts'

/** Enrolments until the mesh leaves this node; from then on no pod is in it, whatever they say. */
export interface WithdrawableEnrolments extends EnrolmentSource {
  withdraw(): void
}

const reason = 'the mesh is being removed from this node'

export function withdrawable(source: EnrolmentSource): WithdrawableEnrolments {
  let withdrawn = false
  return {
    get(uid) {
      const enrolment = source.get(uid)
      return withdrawn && enrolment?.enrolled === true ? without(enrolment) : enrolment
    },
    get complete() {
      return source.complete
    },
    withdraw() {
      withdrawn = true
    },
  }
}

function without(enrolment: PodEnrolment): PodEnrolment {
  return { ...enrolment, enrolled: false, reason }
}
