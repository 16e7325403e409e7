// An adapter for kcom5-conformance: it puts your implementation of KCOM5 on the end of two pipes.
//
// Replace the bodies of the three functions below by calls of your implementation. What stands there is a naive KCOM5
// that conforms in fair weather only: without timeouts, limits, and errors by name.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

// --------------------------------------------------------------------- replace this by calls of your implementation

function about() {
  // Add pack, unix, port-zero, limits and file to `supports` when you answer them: only what is listed is asked for.
  return { name: "mine", version: "0", language: "node", supports: ["send", "receive", "tcp4", "tcp6"] };
}

// Sends to one client. Where `port` and `close` are undefined, your defaults hold. Calls `listening` when it listens,
// with the port, which the system has chosen if `port` is 0. Throws a Failure, or anything else.
async function send(via, port, close, message, data, listening) {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  listener.listen({ host: loopback(via), port: port ?? 13600 });
  await once(listener, "listening");
  listening(listener.address().port);
  const [connection] = await once(listener, "connection");
  listener.close();
  try {
    const reader = new Reader(connection);
    const hello = await reader.read(8);
    if (hello.toString("latin1", 0, 5) !== "KCOM5") {
      throw new Failure("invalid-connection", `the hello is ${hello.toString("hex")}`);
    }
    const messageLength = Buffer.alloc(4);
    messageLength.writeUInt32LE(message.length);
    const dataLength = Buffer.alloc(8);
    dataLength.writeBigUInt64LE(BigInt(data.length));
    connection.end(Buffer.concat([hello, messageLength, message, dataLength, data]));
    await reader.end();
  } finally {
    connection.destroy();
  }
}

// Returns the message and the data of one server. Throws a Failure, or anything else.
async function receive(via, port, close) {
  const connection = connect({ host: loopback(via), port: port ?? 13600 });
  await once(connection, "connect");
  try {
    const reader = new Reader(connection);
    const hello = Buffer.concat([Buffer.from("KCOM5"), randomBytes(3)]);
    connection.write(hello);
    const echo = await reader.read(8);
    if (!echo.equals(hello)) throw new Failure("invalid-connection", `the echo is ${echo.toString("hex")}`);
    const message = await reader.read((await reader.read(4)).readUInt32LE());
    const data = await reader.read(Number((await reader.read(8)).readBigUInt64LE()));
    return { message: message.toString(), data };
  } finally {
    connection.destroy();
  }
}

function loopback(via) {
  return via === "tcp6" ? "::1" : "127.0.0.1";
}

class Reader {
  constructor(connection) {
    this.pieces = connection.iterator();
    connection.on("error", () => {}); // it comes out of the iterator
    this.rest = Buffer.alloc(0);
  }

  async read(size) {
    const got = [];
    let missing = size;
    for (;;) {
      got.push(this.rest.subarray(0, missing));
      missing -= got.at(-1).length;
      this.rest = this.rest.subarray(got.at(-1).length);
      if (missing === 0) return Buffer.concat(got);
      const { value, done } = await this.pieces.next();
      if (done) throw new Failure("error", "the connection ended too early");
      this.rest = value;
    }
  }

  async end() {
    while (!(await this.pieces.next()).done);
  }
}

// ------------------------------------------------------------------------- the adapter: nothing to do from here on

// The name is one of the spec's table, or "error" if your implementation does not tell.
class Failure extends Error {
  constructor(name, detail) {
    super(detail);
    this.failure = name;
  }
}

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

function octetsOf(value) {
  if (typeof value === "string") return Buffer.from(value);
  const { hex, size, fill } = value;
  if (hex !== undefined) return Buffer.from(hex, "hex");
  if (fill !== "counter251") return Buffer.alloc(size, Buffer.from(fill, "hex"));
  const octets = Buffer.alloc(size);
  for (let i = 0; i < size; i++) octets[i] = i % 251;
  return octets;
}

async function answer({ op, via, port, close, message = "", data = "" }) {
  if (op === "about") return about();
  if (!["send", "receive"].includes(op) || !about().supports.includes(via)) return { unsupported: true };
  if (op === "send") {
    await send(via, port, close, octetsOf(message), octetsOf(data), (port) => say({ listening: port }));
    return { ok: true };
  }
  const received = await receive(via, port, close);
  const { length } = received.data;
  const sha256 = createHash("sha256").update(received.data).digest("hex");
  const hex = length <= 4096 ? { hex: received.data.toString("hex") } : {};
  return { ok: true, message: received.message, data: { size: length, sha256, ...hex } };
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await answer(JSON.parse(line)));
  } catch (error) {
    say({ error: error.failure ?? "error", detail: String(error.message) });
  }
}
process.exit(); // whatever is still open
