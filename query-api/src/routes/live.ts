/** /v1/live: a WebSocket that sends rows as they are recorded. */

import Type from 'typebox';
import type { WebSocket } from 'ws';
import { responses } from '../answer.ts';
import type { Context } from '../context.ts';
import { QueryError } from '../errors.ts';
import type { LiveHub } from '../live/hub.ts';
import { type LiveQuestion, liveParameters, readLiveQuestion } from '../live/question.ts';
import { Watcher } from '../live/watcher.ts';
import { queryOf } from '../requester.ts';
import { textParameters } from './parameters.ts';

const SUMMARY =
  'Rows as they are recorded, over a WebSocket. Text frames: {"type":"flow"|"request"|"tcp_event"|"verdict","row":{…}} with rows ' +
  'as in the other answers; {"type":"completeness","completeness":{…}} every 10 s; {"type":"lost","reason","count"} when ' +
  'rows were left out because somebody is too slow; {"type":"unreachable","collector","reason"}. Browsers show a token ' +
  'as subprotocol flowspan.token.<token> beside flowspan.live. Ends are told as the collectors know them at that moment: ' +
  'an end with basis address or none may be told otherwise, or at all, by the other answers later.';

const PING_MS = 15_000;

/** Adds the WebSocket /v1/live. */
export function addLiveRoute({ app, limits, scopeOf }: Context, hub: LiveHub): void {
  const questions = new WeakMap<object, LiveQuestion>();
  app.route({
    method: 'GET',
    url: '/v1/live',
    schema: {
      summary: SUMMARY,
      querystring: textParameters(liveParameters()),
      response: responses(Type.Object({}, { additionalProperties: true })),
    },
    // before the connection becomes a WebSocket: what is wrong is told as an HTTP answer
    preValidation: async (request) => {
      questions.set(request.raw, readLiveQuestion(queryOf(request)));
      if (request.ws && hub.watching >= limits.max_live_clients) {
        throw new QueryError(503, 'FLOW_QUERY_TOO_MANY_WATCHERS', 'as many clients watch as may', {
          limit: `query_api.max_live_clients = ${limits.max_live_clients}`,
          next_step: 'Close another watcher, or raise the limit.',
        });
      }
    },
    handler: async () => {
      throw new QueryError(426, 'FLOW_QUERY_WEBSOCKET_ONLY', 'this is a WebSocket', {
        allowed: 'GET with Upgrade: websocket',
      });
    },
    wsHandler: (socket: WebSocket, request) => {
      const watcher = new Watcher(socket, questions.get(request.raw)!, scopeOf(request));
      let answered = true;
      const ping = setInterval(() => {
        if (!answered) watcher.terminate();
        answered = false;
        socket.ping();
      }, PING_MS);
      socket.on('pong', () => {
        answered = true;
      });
      socket.on('close', () => {
        clearInterval(ping);
        hub.remove(watcher);
      });
      socket.on('error', (error) => request.log.debug({ err: error }, 'live: a watcher failed'));
      void hub.add(watcher);
    },
  });
}
