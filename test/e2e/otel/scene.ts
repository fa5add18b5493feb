/** Three services of their own namespace and cgroup each, in a row: shopper -> gateway (nginx) -> orders (nginx). */
import { type Cgroup, cgroupRoot, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { uniqueName } from '../../../deploy/lab/registry.ts';
import { type Flowspan, startFlowspan } from '../../support/flowspan.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';

export interface Host {
  readonly namespace: Namespace;
  readonly cgroup: Cgroup;
}

export interface Scene {
  readonly shopper: Host;
  readonly gateway: Host;
  readonly orders: Host;
  /** As the shopper reaches it. */
  readonly gatewayUrl: string;
  readonly gatewayNginx: Nginx;
  readonly flowspan: Flowspan;
  end(): Promise<void>;
}

/** Names of the services in spans and edges. */
export const SERVICES = ['shopper', 'gateway', 'orders'] as const;

/** @param env FLOWSPAN_* variables */
export async function startScene(env: Readonly<Record<string, string>>): Promise<Scene> {
  const slice = createCgroup(cgroupRoot(), `${uniqueName()}.slice`);
  const [shopper, gateway, orders] = SERVICES.map((name) => ({
    namespace: createNamespace(),
    cgroup: createCgroup(slice.path, `${name}.service`),
  })) as [Host, Host, Host];
  const toGateway = connect(shopper.namespace, gateway.namespace);
  const toOrders = connect(gateway.namespace, orders.namespace);
  let ordersNginx: Nginx | undefined;
  const flowspan = await startFlowspan({ cgroup: slice, processes: ['store', 'collector', 'query-api'], env });
  const end = async (): Promise<void> => {
    await flowspan.stop();
    await ordersNginx?.stop();
    slice.remove();
    for (const { namespace } of [shopper, gateway, orders]) namespace.remove();
  };
  try {
    ordersNginx = await startNginx(orders, {
      port: 8080,
      locations: 'location /busy { return 503; } location /gone { return 444; }',
    });
    const gatewayNginx = await startNginx(gateway, {
      locations: `
        location /orders/ { proxy_pass http://${toOrders.b.ipv4}:8080/; }
        location /slow/ { limit_rate 4k; proxy_pass http://${toOrders.b.ipv4}:8080/static/; }`,
    });
    const stopAll = async (): Promise<void> => {
      await gatewayNginx.stop();
      await end();
    };
    return { shopper, gateway, orders, gatewayUrl: `http://${toGateway.b.ipv4}`, gatewayNginx, flowspan, end: stopAll };
  } catch (error) {
    await end();
    throw error;
  }
}
