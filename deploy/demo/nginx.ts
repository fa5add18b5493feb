/** Configuration of the shop's nginx hosts. */

/** What every configuration begins with. @param folder where nginx writes */
function frame(folder: string, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
user root;
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 100000;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  ${http}
}
`;
}

/** The gateway: the start page itself, everything else from the services behind it. */
export function gatewayConfiguration(folder: string, catalog: string, checkout: string): string {
  const upstream = (name: string, address: string): string =>
    `upstream ${name} { server ${address}; keepalive 16; keepalive_timeout 300s; }`;
  const location = (name: string): string => `location /${name}/ { proxy_pass http://${name}; }`;
  return frame(
    folder,
    `${upstream('catalog', catalog)}
  ${upstream('checkout', checkout)}
  server {
    listen 80;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_next_upstream off;
    location / { return 200 "welcome to the shop\\n"; }
    ${location('catalog')}
    ${location('checkout')}
  }`,
  );
}

/**
 * Payments: every charge is answered with a receipt from a file. While the file \`broken\` is there, one charge in two is
 * answered with 503 and a page from another file.
 */
export function paymentsConfiguration(folder: string): string {
  return frame(
    folder,
    `split_clients $request_id $unlucky { 50% 1; * ""; }
  server {
    listen 80;
    root ${folder};
    set $refuse "";
    if (-f ${folder}/broken) { set $refuse $unlucky; }
    error_page 405 =200 /receipt.txt;
    error_page 503 /unavailable.txt;
    location = /charges {
      if ($refuse) { return 503; }
      return 405;
    }
  }`,
  );
}
