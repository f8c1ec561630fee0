// The voice on its way to the server: `Capture` makes 20 ms frames of a microphone, `Line` is the WebSocket that carries them.
// No page in here; the console uses it too. The protocol is in docs/live.md.

const RATE = 48000, FRAME = 960, FRAME_US = 20000, FRAME_MS = 20;
const OPUS = {
  codec: "opus", sampleRate: RATE, numberOfChannels: 1, bitrate: 24000,
  opus: { frameDuration: FRAME_US, application: "voip", usedtx: false },
};
const MOST_OPUS_BYTES = 255, MOST_WAITING_BYTES = 65536;
const SILENT_MS = 3000; // the server says something five times a second
const RETRY_MS = 500, GIVE_UP_MS = 15000; // it holds a microphone for 10 s from when it noticed
const GOES_ON = new Set([1001, 1005, 1006, 1011, 4408]); // the connection broke; every other code is an answer

const encoding = (output, error) => {
  const encoder = new AudioEncoder({ output, error });
  encoder.configure(OPUS);
  return encoder;
};
const encode = (encoder, samples, seq) => {
  const data = new AudioData({
    format: "f32-planar", sampleRate: RATE, numberOfFrames: FRAME, numberOfChannels: 1, timestamp: seq * FRAME_US, data: samples,
  });
  encoder.encode(data);
  data.close();
};

let probed = null;
// Whether this browser makes Opus as the wire has it: packets of 20 ms, one channel, 255 bytes at most. Tried, not believed.
export const makesOpus = () => {
  probed ??= (async () => {
    if (typeof AudioEncoder === "undefined") return false;
    if (!(await AudioEncoder.isConfigSupported(OPUS)).supported) return false;
    const chunks = [];
    const encoder = encoding((chunk) => chunks.push(chunk), () => {});
    for (let n = 0; n < 5; n++) encode(encoder, Float32Array.from({ length: FRAME }, (_, i) => Math.sin((n * FRAME + i) / 20) / 4), n);
    await encoder.flush();
    encoder.close();
    return chunks.length >= 5 && chunks.every((chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      return bytes.length > 0 && bytes.length <= MOST_OPUS_BYTES && !(bytes[0] & 4) && (chunk.duration ?? FRAME_US) === FRAME_US;
    });
  })().catch(() => false);
  return probed;
};

const asInt16 = (samples) => {
  const view = new DataView(new ArrayBuffer(samples.length * 2));
  samples.forEach((sample, i) => view.setInt16(i * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true));
  return new Uint8Array(view.buffer);
};

// A microphone. onFrame(seq, bytes), onLevel(rms, peak) fifty times a second; onGone(): the device went away.
export class Capture {
  constructor(worklet, { onFrame, onLevel, onGone }) {
    Object.assign(this, { worklet, onFrame, onLevel, onGone, kind: "", stream: null, context: null, node: null, ear: null });
    this.encoder = null; this.waiting = []; this.seq = 0; this.began = performance.now(); this.muted = false;
  }

  get running() { return this.stream !== null; }
  get device() { return this.stream?.getAudioTracks()[0]?.getSettings().deviceId ?? ""; }

  // Throws what getUserMedia throws. improved: the browser's own noise suppression and gain.
  async start(device, improved) {
    this.stop();
    this.kind ||= (await makesOpus()) ? "opus" : "pcm";
    const audio = { channelCount: 1, echoCancellation: improved, noiseSuppression: improved, autoGainControl: improved };
    if (device) audio.deviceId = { exact: device };
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.stream = stream;
    try {
      await this.connect();
    } catch (error) {
      this.stop();
      throw error;
    }
    stream.getAudioTracks()[0].addEventListener("ended", () => { if (this.stream === stream) { this.stop(); this.onGone(); } });
  }

  async connect() {
    let source;
    try {
      this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
      source = this.context.createMediaStreamSource(this.stream);
    } catch { // some browsers take a device at its own rate only; the worklet converts it
      await this.context?.close();
      this.context = new AudioContext({ latencyHint: "interactive" });
      source = this.context.createMediaStreamSource(this.stream);
    }
    const context = this.context;
    await context.audioWorklet.addModule(this.worklet);
    this.node = new AudioWorkletNode(context, "lianbo-microphone", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.node.port.onmessage = ({ data }) => this.take(data);
    this.ear = context.createGain();
    this.ear.gain.value = 0;
    source.connect(this.node);
    source.connect(this.ear).connect(context.destination);
    this.mute(this.muted);
    this.seq = Math.max(this.seq, Math.round((performance.now() - this.began) / FRAME_MS)); // numbers are time, also over a pause
    context.addEventListener("statechange", () => { if (context.state === "suspended" && this.context === context) context.resume(); });
    await context.resume();
  }

  take({ samples, rms, peak }) {
    const seq = this.seq++;
    this.onLevel(rms, peak);
    if (this.kind === "pcm") { this.onFrame(seq, asInt16(samples)); return; }
    if (!this.encoder || this.encoder.state === "closed") {
      this.waiting = [];
      this.encoder = encoding((chunk) => {
        const bytes = new Uint8Array(chunk.byteLength);
        chunk.copyTo(bytes);
        this.onFrame(this.waiting.shift() ?? seq, bytes);
      }, () => { this.encoder = null; });
    }
    this.waiting.push(seq);
    encode(this.encoder, samples, seq);
  }

  mute(on) { this.muted = on; this.node?.port.postMessage({ muted: on }); }
  hear(on) { if (this.ear) this.ear.gain.value = on ? 1 : 0; } // oneself, only when asked for

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.node) this.node.port.onmessage = null;
    if (this.encoder && this.encoder.state !== "closed") this.encoder.close();
    if (this.context && this.context.state !== "closed") this.context.close();
    this.stream = this.context = this.node = this.ear = this.encoder = null;
  }
}

// One microphone at the server, over as many connections as it takes.
// onState(state); onRefused(problem): it is over; onLost(): it is tried again, as soon as isReady(); onFailed(code): it is given up.
export class Line {
  constructor(address, { onState, onRefused, onLost, onFailed, isReady }) {
    Object.assign(this, { address, onState, onRefused, onLost, onFailed, isReady, state: null, socket: null, first: null });
    this.sound = "opus"; this.isOver = this.isClosing = false; this.lostAt = 0; this.heardAt = 0; this.timer = 0; this.muted = false;
    this.watch = setInterval(() => { if (this.socket && Date.now() - this.heardAt > SILENT_MS) this.broke(1006); }, 500);
  }

  get isOnTheAir() { return Boolean(this.state?.order) && !this.isOver; }

  open(command, sound) { this.sound = sound; this.first = { type: "open", ...command }; this.dial(); }
  resume(id, sound) { this.sound = sound; this.first = { type: "resume", id }; this.dial(); }
  begin() { this.say({ type: "begin" }); }
  close() { this.isClosing = true; this.say({ type: "close" }); } // while the connection is away: as soon as it is back
  mute(on) { this.muted = on; this.say({ type: "mute", on }); }

  // Leave it. What is on the air is held by the server for a moment, what is not is forgotten.
  drop() { this.over(); this.socket?.close(1000); this.socket = null; }

  send(seq, bytes) {
    const socket = this.socket;
    if (!this.state || socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > MOST_WAITING_BYTES) return;
    const message = new Uint8Array(4 + bytes.length);
    new DataView(message.buffer).setUint32(0, seq);
    message.set(bytes, 4);
    socket.send(message);
  }

  say(message) { if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message)); }

  dial() {
    const socket = new WebSocket(this.address);
    this.socket = socket; this.heardAt = Date.now();
    socket.onopen = () => this.say({ ...this.first, sound: this.sound });
    socket.onmessage = ({ data }) => this.heard(JSON.parse(data));
    socket.onclose = ({ code }) => this.broke(code);
  }

  heard(message) {
    this.heardAt = Date.now();
    if (message.type === "refused") {
      if (message.problem.status === 408) return; // the close that follows says the rest
      this.over(); this.onRefused(message.problem);
    } else if (message.type === "state") {
      const resumed = this.lostAt > 0;
      this.lostAt = 0; this.state = message;
      if (message.order) this.first = { type: "resume", id: message.id };
      if (message.state === "ended") this.over();
      else if (resumed && this.isClosing) this.close();
      else if (resumed && message.muted !== this.muted) this.mute(this.muted);
      this.onState(message);
    }
  }

  broke(code) {
    const socket = this.socket;
    this.socket = null;
    if (socket) { socket.onopen = socket.onmessage = socket.onclose = null; socket.close(); }
    if (this.isOver) return;
    const wasHeld = this.isOnTheAir || this.first?.type === "resume";
    this.lostAt ||= Date.now();
    if (!wasHeld || !GOES_ON.has(code)) { this.over(); this.onFailed(code); return; }
    this.onLost();
    this.timer = setTimeout(() => this.retry(), RETRY_MS);
  }

  retry() {
    if (Date.now() - this.lostAt > GIVE_UP_MS) { this.over(); this.onFailed(1006); }
    else if (this.isReady()) this.dial();
    else this.timer = setTimeout(() => this.retry(), RETRY_MS); // without a microphone there is nothing to go on with
  }

  over() { this.isOver = true; clearInterval(this.watch); clearTimeout(this.timer); }
}
