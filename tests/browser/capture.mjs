// Writes a capture of many connections: each opens, asks once and is closed by the server 10 s later; now and then the client asks once
// more, after the close. node capture.mjs FILE CONNECTIONS
import { createWriteStream } from "node:fs";

const [file, wanted] = [process.argv[2], Number(process.argv[3])];
const out = createWriteStream(file);
const SYN = 2, ACK = 16, FIN = 1, RST = 4, PSH = 8;

const header = Buffer.alloc(24);
header.writeUInt32LE(0xa1b2c3d4, 0);
header.writeUInt16LE(2, 4);
header.writeUInt16LE(4, 6);
header.writeUInt32LE(65535, 16);
header.writeUInt32LE(1, 20);

function frame(time, source, sourcePort, target, targetPort, flags, seq, ack, payload = "") {
  const text = Buffer.from(payload);
  const length = 14 + 20 + 20 + text.length;
  const octets = Buffer.alloc(16 + length);
  octets.writeUInt32LE(1_795_435_200 + Math.floor(time), 0);
  octets.writeUInt32LE(Math.floor((time % 1) * 1e6), 4);
  octets.writeUInt32LE(length, 8);
  octets.writeUInt32LE(length, 12);
  octets.writeUInt16BE(0x0800, 16 + 12);
  const ip = 16 + 14;
  octets[ip] = 0x45;
  octets.writeUInt16BE(40 + text.length, ip + 2);
  octets[ip + 8] = 64;
  octets[ip + 9] = 6;
  octets.writeUInt32BE(source, ip + 12);
  octets.writeUInt32BE(target, ip + 16);
  const tcp = ip + 20;
  octets.writeUInt16BE(sourcePort, tcp);
  octets.writeUInt16BE(targetPort, tcp + 2);
  octets.writeUInt32BE(seq >>> 0, tcp + 4);
  octets.writeUInt32BE(flags & RST && !(flags & ACK) ? 0 : ack >>> 0, tcp + 8);
  octets[tcp + 12] = 0x50;
  octets[tcp + 13] = flags;
  octets.writeUInt16BE(flags & RST ? 0 : 502, tcp + 14);
  text.copy(octets, tcp + 20);
  return octets;
}

// Frames of connections that overlap, by time: a heap would be shorter to write than to read, sorting a window is enough.
let pending = [];
const flush = async until => {
  pending.sort((a, b) => a.time - b.time);
  const at = pending.findIndex(entry => entry.time > until);
  const ready = pending.splice(0, at < 0 ? pending.length : at);
  if (!out.write(Buffer.concat(ready.map(entry => entry.octets)))) await new Promise(done => out.once("drain", done));
};

out.write(header);
for (let number = 0; number < wanted; number++) {
  const begin = number * 0.002;
  const client = 0x0a000000 + 1 + (number % 200), port = 1024 + Math.floor(number / 200) % 60000;
  const server = 0x0a010000 + 1 + (number % 7);
  const say = (delay, ...rest) => pending.push({ time: begin + delay, octets: frame(begin + delay, ...rest) });
  const up = (delay, flags, seq, ack, text) => say(delay, client, port, server, 80, flags, seq, ack, text);
  const down = (delay, flags, seq, ack, text) => say(delay, server, 80, client, port, flags, seq, ack, text);
  const request = `GET /item/${number} HTTP/1.1\r\nHost: shop.example\r\n\r\n`;
  const response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  up(0, SYN, 1000, 0);
  down(0.0004, SYN | ACK, 5000, 1001);
  up(0.0005, ACK, 1001, 5001);
  up(0.001, ACK | PSH, 1001, 5001, request);
  down(0.003, ACK | PSH, 5001, 1001 + request.length, response);
  const [asked, answered] = [1001 + request.length, 5001 + response.length];
  down(10.003, ACK | FIN, answered, asked);
  up(10.0035, ACK, asked, answered + 1);
  if (number % 1000 === 0) {
    up(12 + number % 17, ACK | PSH, asked, answered + 1, request);
    down(12.0001 + number % 17, RST, answered + 1, 0);
  } else {
    up(10.004, ACK | FIN, asked, answered + 1);
    down(10.0045, ACK, answered + 1, asked + 1);
  }
  if (number % 5000 === 0) await flush(begin - 1);
}
await flush(Infinity);
out.end();
