/** How an exchange went, in words that hold for every protocol, and why it failed if it did. */
import { ENUMS } from '../../../../bpf/wire/events.gen.ts';
import { OUTCOMES } from '../../../../store/tables.ts';

const END = ENUMS.request_end;
const CAUSE = ENUMS.close_cause;

/** Value of the column `outcome`: by the status; without a whole response by what became of the connection. */
export function outcomeOf(status: number, requestEnd: number): number {
  if (status >= 500) return OUTCOMES.server_error;
  if (status >= 400) return OUTCOMES.client_error;
  if (requestEnd === END.connection_closed || requestEnd === END.connection_reset || requestEnd === END.timeout) {
    return OUTCOMES.no_response;
  }
  return status >= 100 && (requestEnd === END.complete || requestEnd === END.upgraded) ? OUTCOMES.ok : OUTCOMES.unknown;
}

/** Value of the column `error_type`: the status, or what ended the connection; empty when nothing failed. */
export function errorTypeOf(status: number, requestEnd: number, closeCause: number): string {
  if (status >= 400) return String(status);
  if (requestEnd === END.timeout || closeCause === CAUSE.timeout) return 'timeout';
  if (requestEnd === END.connection_reset) return 'connection_reset';
  if (requestEnd === END.connection_closed) return 'connection_closed';
  return '';
}

/** Methods that are stored as they are; others read `_OTHER`, since anybody may send any word. */
const METHODS = new Set(
  (
    'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL ' +
    'LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PROPFIND PROPPATCH REBIND ' +
    'REPORT SEARCH UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL PURGE'
  ).split(' '),
);

/** Value of the column `operation`. */
export function operationOf(method: string): string {
  return METHODS.has(method) ? method : '_OTHER';
}
