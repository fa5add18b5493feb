/** The checkout: asks the cart for the sum, then has it paid. Usage: checkout.ts BEHAVIOUR CART-ADDRESS PAYMENTS-ADDRESS */
import { call, SERVICE_PORT, serve } from './service.ts';

const [, , , cart, payments] = process.argv;
const PAYMENTS_PORT = 80;

serve(async ({ pathname }) => {
  const buyer = pathname.split('/').at(-1) ?? '';
  const sum = await call('GET', 'cart', `http://${cart}:${SERVICE_PORT}/cart/${buyer}`);
  const receipt = await call('POST', 'payments', `http://${payments}:${PAYMENTS_PORT}/charges`, sum);
  return { status: 200, body: JSON.stringify({ paid: true, receipt_bytes: receipt.length }) };
});
