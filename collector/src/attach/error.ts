/** The error of this stage. */
import { FlowspanError } from '../../../store/errors.ts';

/** Why the collector could not start watching; `code` is FLOW_ATTACH_<WHAT>. Nothing was left attached. */
export class AttachError extends FlowspanError {
  /** What to do about it, one sentence. */
  readonly nextStep: string;

  /** @param cause the error underneath; a native one carries the verifier's last lines in `log` */
  constructor(code: string, message: string, nextStep: string, cause?: unknown) {
    super(code, `${message}. ${nextStep}`, cause === undefined ? {} : { cause });
    this.nextStep = nextStep;
  }
}
