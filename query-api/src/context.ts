/** What every route is given. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Limits } from './options.ts';
import type { Scope } from './scope.ts';
import type { Store } from './store.ts';

/** The HTTP server, its schemas typed by TypeBox. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression<RawServerDefault>,
  RawReplyDefaultExpression<RawServerDefault>,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What every route is given. */
export interface Context {
  readonly app: App;
  readonly store: Store;
  readonly limits: Limits;
  /** What the one who asks may see. */
  readonly scopeOf: (request: FastifyRequest) => Scope;
}
