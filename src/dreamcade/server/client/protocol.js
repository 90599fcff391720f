// The page's half of the protocol (server/protocol.py and control_messages.py are the other): read once, here.

export const PROTOCOL_VERSION = 3;
const MAGIC_D = 0x44;
const MAGIC_C = 0x43;
const KIND_FRAME = 1;
const KIND_INPUT = 2;
const FRAME_HEADER_BYTES = 88;
const INPUT_HEADER_BYTES = 16;
const HOW_MADE = ["computed", "extrapolated", "in between"];
const FLAG_DRAFTED = 1;

/** A message that does not follow the protocol. */
export class ProtocolError extends Error {}

/** An input message: the controls as Float32Array [A], and the page's clock (ms) when they changed. */
export function packInput(sequence, clientMs, action) {
  const buffer = new ArrayBuffer(INPUT_HEADER_BYTES + 4 * action.length);
  const view = new DataView(buffer);
  view.setUint8(0, MAGIC_D);
  view.setUint8(1, MAGIC_C);
  view.setUint8(2, PROTOCOL_VERSION);
  view.setUint8(3, KIND_INPUT);
  view.setUint32(4, sequence >>> 0, true);
  view.setFloat64(8, clientMs, true);
  action.forEach((value, i) => view.setFloat32(INPUT_HEADER_BYTES + 4 * i, value, true));
  return buffer;
}

/** ArrayBuffer → one frame; `image` is a view of the JPEG bytes. Throws ProtocolError. */
export function unpackFrame(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < FRAME_HEADER_BYTES || view.getUint8(0) !== MAGIC_D || view.getUint8(1) !== MAGIC_C) {
    throw new ProtocolError("The server sent something that is no frame.");
  }
  if (view.getUint8(2) !== PROTOCOL_VERSION || view.getUint8(3) !== KIND_FRAME) {
    throw new ProtocolError("The server speaks another protocol than this page. Reload the page.");
  }
  const size = view.getUint32(12, true);
  if (buffer.byteLength !== FRAME_HEADER_BYTES + size) {
    throw new ProtocolError("The server sent an incomplete frame.");
  }
  const kind = HOW_MADE[view.getUint8(52)];
  if (!kind) throw new ProtocolError("The server made a frame in a way that this page does not know. Reload the page.");
  return {
    tick: view.getUint32(4, true),
    sequence: view.getUint32(8, true),
    clientMs: view.getFloat64(16, true),
    dynamicsMs: view.getFloat32(24, true),
    decodeMs: view.getFloat32(28, true),
    encodeMs: view.getFloat32(32, true),
    waitMs: view.getFloat32(36, true),
    queueMs: view.getFloat32(40, true),
    readyMs: view.getFloat32(44, true),
    fps: view.getFloat32(48, true),
    kind,
    drafted: (view.getUint8(53) & FLAG_DRAFTED) !== 0,
    late: view.getUint32(56, true),
    dropped: view.getUint32(60, true),
    tally: {
      computed: view.getUint32(64, true),
      extrapolated: view.getUint32(68, true),
      inBetween: view.getUint32(72, true),
      hits: view.getUint32(76, true),
      missed: view.getUint32(80, true),
      wasted: view.getUint32(84, true),
    },
    image: new Uint8Array(buffer, FRAME_HEADER_BYTES, size),
  };
}

export function dumpHello(world, start, seed) {
  return JSON.stringify({ type: "hello", version: PROTOCOL_VERSION, world, start, seed });
}

export function dumpReset(seed) {
  return JSON.stringify({ type: "reset", seed });
}

/** `modes`: those to switch, each to true or false. */
export function dumpSetModes(modes) {
  return JSON.stringify({ type: "set_modes", ...modes });
}

/** `pause`, `resume` or `bye`: messages without fields. */
export function dumpPlain(type) {
  return JSON.stringify({ type });
}

const SERVER_FIELDS = {
  waking: { message: "string" },
  ready: {
    version: "number", world: "string", start: "string", seed: "number", tick_rate: "number", action_size: "number",
  },
  modes: {
    pipeline: "boolean", speculation: "boolean", extrapolation: "boolean", in_between: "boolean", notes: "string",
  },
  notice: { text: "string" },
  error: { code: "string", message: "string", fatal: "boolean" },
  bye: { reason: "string" },
};

/** JSON text from the server → its message. Throws ProtocolError. */
export function parseServer(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    throw new ProtocolError("The server sent a message that is not JSON.");
  }
  const fields = message !== null && Object.hasOwn(SERVER_FIELDS, message.type) ? SERVER_FIELDS[message.type] : null;
  if (!fields) throw new ProtocolError("The server sent a message that this page does not know. Reload the page.");
  for (const [name, type] of Object.entries(fields)) {
    if (typeof message[name] !== type) throw new ProtocolError(`The server's ${message.type} message lacks ${name}.`);
  }
  if (message.type === "ready" && message.version !== PROTOCOL_VERSION) {
    throw new ProtocolError("The server speaks another protocol than this page. Reload the page.");
  }
  return message;
}
