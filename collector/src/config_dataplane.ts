/** Keys of what the data plane may do: each step by itself, and by namespace. */
import { group } from './config_fields.ts';
import { type Held, map, oneOf, type Schema } from './config_schema.ts';

/** What the data plane does, beside observing. */
export const STEPS = ['load_balancing', 'policy', 'redirect'] as const;
export type Step = (typeof STEPS)[number];

/** How far a step goes: nothing is changed; it is decided and told, and nothing is changed; it is done. */
export const MODES = ['observe', 'audit', 'enforce'] as const;
export type Mode = (typeof MODES)[number];

const WORDS: Readonly<Record<Step, string>> = {
  load_balancing: 'Choosing the backends of services.',
  policy: 'Allowing and refusing connections and requests.',
  redirect: 'Short-cutting connections within this machine, and sending chosen ports to a proxy.',
};
const MEANING = 'observe: nothing is changed; audit: decided and recorded, nothing is changed; enforce: done.';

/** How a request is refused that a policy does not allow. */
export const REFUSALS = ['forbidden', 'reset'] as const;
export type RefusalAnswer = (typeof REFUSALS)[number];

const mode = (step: Step) => oneOf(MODES, { default: 'observe', description: `${WORDS[step]} ${MEANING}` });

/** Steps, each of which may be left out. */
const OWN_MODES: Schema<Partial<Record<Step, Mode>>> = {
  type: 'object',
  properties: Object.fromEntries(STEPS.map((step) => [step, { type: 'string', enum: MODES }])),
  additionalProperties: false,
};

/** `dataplane` */
export const DATAPLANE = group(
  {
    load_balancing: mode('load_balancing'),
    policy: mode('policy'),
    redirect: mode('redirect'),
    refusal: oneOf(REFUSALS, {
      default: 'forbidden',
      description:
        'What the client of an HTTP request is told that a policy refuses: forbidden: 403, and a reset where that would stand within another response; reset.',
    }),
    namespaces: map(OWN_MODES, {
      default: {},
      propertyNames: { pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' },
      allowed: 'a mapping of namespaces to steps (load_balancing, policy, redirect) and their modes',
      description: 'Namespaces in which steps go further, or less far, than elsewhere: `{shop: {policy: audit}}`.',
    }),
  },
  'What is done beside observing; nothing by default.',
);

export type DataplaneConfig = Held<typeof DATAPLANE>;

/** How far a step goes in a namespace. */
export function modeIn(dataplane: DataplaneConfig, step: Step, namespace: string): Mode {
  const { namespaces } = dataplane;
  const own = Object.hasOwn(namespaces, namespace) ? namespaces[namespace] : undefined;
  return own?.[step] ?? dataplane[step];
}

/** Steps that do more than observe somewhere: what they need must be known. */
export function stepsWanted(dataplane: DataplaneConfig): Step[] {
  const all = [dataplane, ...Object.values(dataplane.namespaces)];
  return STEPS.filter((step) => all.some(({ [step]: own = 'observe' }) => own !== 'observe'));
}
