/** An HTTP server that answers /wait/<milliseconds>/... after that time. Usage: slow-upstream.ts PORT */
import { createServer } from 'node:http';

createServer((request, response) => {
  const milliseconds = Number(request.url?.split('/')[2]);
  setTimeout(() => response.end(`waited ${milliseconds} ms\n`), milliseconds);
}).listen(Number(process.argv[2]), '127.0.0.1');
