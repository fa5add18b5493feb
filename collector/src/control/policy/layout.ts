/** The bytes of the policies' map entries (bpf/dataplane/policy.h). */
import { ENUMS as HTTP_ENUMS } from '../../../../bpf/dataplane/http_unit.gen.ts';
import {
  ENUMS,
  POLICY_ADDRESS,
  POLICY_ADDRESS_KEY,
  POLICY_DECISION,
  POLICY_PAIR_KEY,
  POLICY_PORT_KEY,
  POLICY_SUBJECT,
  POLICY_SUBJECT_KEY,
} from '../../../../bpf/dataplane/policy.gen.ts';
import type { RefusalAnswer } from '../../config_dataplane.ts';
import type { AddressEntry, PairEntry, PolicyTables, PortEntry, SubjectEntry } from './compile.ts';
import type { Decision } from './judge.ts';
import { mappedPrefix } from './prefix.ts';

/** An entry of a map. */
export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Bits of a prefix before the address: the generation. */
const GENERATION_BITS = 32;
/** Bits of a prefix before the protocol: the generation and the table. */
const TABLE_BITS = 64;
const PROTOCOL_BITS = 8;

const VERDICTS = ENUMS.policy_verdict;
const VERDICT_NUMBERS = { NO_POLICY: VERDICTS.no_policy, ALLOWED: VERDICTS.allowed, DENIED: VERDICTS.denied } as const;

/** @param refusal how requests to it are refused */
export function subjectBytes(generation: number, cgroup: bigint, subject: SubjectEntry, refusal: RefusalAnswer): Entry {
  const key = Buffer.alloc(POLICY_SUBJECT_KEY.size);
  key.writeBigUInt64LE(cgroup, POLICY_SUBJECT_KEY.cgroup_id);
  key.writeUInt32LE(generation, POLICY_SUBJECT_KEY.generation);
  const value = Buffer.alloc(POLICY_SUBJECT.size);
  value.writeBigUInt64LE(BigInt(subject.identity), POLICY_SUBJECT.identity);
  value.writeUInt32LE(subject.ingress, POLICY_SUBJECT.ingress);
  value.writeUInt32LE(subject.egress, POLICY_SUBJECT.egress);
  value.writeUInt8(ENUMS.policy_mode[subject.mode], POLICY_SUBJECT.policy_mode);
  value.writeUInt8(ENUMS.refusal_answer[refusal], POLICY_SUBJECT.refusal_answer);
  return { key, value };
}

export function addressBytes(generation: number, { prefix, identity, peer }: AddressEntry): Entry {
  const { bytes, length } = mappedPrefix(prefix);
  const key = Buffer.alloc(POLICY_ADDRESS_KEY.size);
  key.writeUInt32LE(GENERATION_BITS + length, POLICY_ADDRESS_KEY.prefix_bits);
  key.writeUInt32LE(generation, POLICY_ADDRESS_KEY.generation);
  bytes.copy(key, POLICY_ADDRESS_KEY.address);
  const value = Buffer.alloc(POLICY_ADDRESS.size);
  value.writeBigUInt64LE(BigInt(identity), POLICY_ADDRESS.identity);
  value.writeUInt32LE(peer, POLICY_ADDRESS.peer);
  return { key, value };
}

export function pairBytes(generation: number, { subject, peer, table }: PairEntry): Entry {
  const key = Buffer.alloc(POLICY_PAIR_KEY.size);
  key.writeUInt32LE(generation, POLICY_PAIR_KEY.generation);
  key.writeUInt32LE(subject, POLICY_PAIR_KEY.subject);
  key.writeUInt32LE(peer, POLICY_PAIR_KEY.peer);
  const value = Buffer.alloc(4);
  value.writeUInt32LE(table);
  return { key, value };
}

const { none: NO_UNIT, unfit: UNFIT } = HTTP_ENUMS.http_unit_number;

/**
 * @param tables of the entry
 * @param units numbers of the tables' units
 */
export function portBytes(
  generation: number,
  entry: PortEntry,
  { decisions, requests }: Pick<PolicyTables, 'decisions' | 'requests'>,
  units: readonly number[],
): Entry {
  const { table, protocol, port, length, value: number } = entry;
  const key = Buffer.alloc(POLICY_PORT_KEY.size);
  const bits = protocol === undefined ? 0 : PROTOCOL_BITS + length;
  key.writeUInt32LE(TABLE_BITS + bits, POLICY_PORT_KEY.prefix_bits);
  key.writeUInt32LE(generation, POLICY_PORT_KEY.generation);
  key.writeUInt32LE(table, POLICY_PORT_KEY.table);
  key.writeUInt8(protocol ?? 0, POLICY_PORT_KEY.protocol);
  key.writeUInt8(port >> 8, POLICY_PORT_KEY.port_high);
  key.writeUInt8(port & 255, POLICY_PORT_KEY.port_low);
  const { verdict } = decisions[number] as Decision;
  const judged = requests[number];
  const unit = judged?.unit === undefined ? UNFIT : (units[judged.unit] ?? UNFIT);
  const value = Buffer.alloc(POLICY_DECISION.size);
  value.writeUInt32LE(number, POLICY_DECISION.decision);
  value.writeUInt8(VERDICT_NUMBERS[verdict], POLICY_DECISION.policy_verdict);
  value.writeUInt32LE(judged === undefined ? NO_UNIT : unit, POLICY_DECISION.http_unit);
  return { key, value };
}
