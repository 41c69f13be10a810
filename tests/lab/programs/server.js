// Node's HTTP server with its keepAliveTimeout. usage: node server.js PORT MILLISECONDS
const http = require('http');
const server = http.createServer((request, response) => response.end('hello\n'));
server.keepAliveTimeout = Number(process.argv[3]);
server.listen(Number(process.argv[2]), '0.0.0.0');
