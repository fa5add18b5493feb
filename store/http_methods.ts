/** Methods that OpenTelemetry's semantic conventions for HTTP know: those of RFC 9110, PATCH and QUERY. */
export const HTTP_METHODS: readonly string[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
];
