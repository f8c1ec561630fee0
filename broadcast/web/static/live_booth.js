// One officer at a microphone, without a page: what is open, on the air, muted, broken off. /live and the console both stand on it.
import { Capture, Line } from "./live_sound.js";

const WENT = ["waiting", "announcing", "on_air", "unheard", "held", "closing"]; // it is ordered and has not ended
const MIC_ERRORS = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "in_use", AbortError: "in_use" };
export const LOWEST_DB = -60, TOO_LOUD_DB = -1, WARN_BEFORE_S = 10;
export const BESIDE_MS = 75; // what browser, frames and two sound cards add to the play-out delay (tests/system/test_live_page_ear.py)
const HOLD_MS = 1500, FALL_DB_PER_S = 20;

// Why this page can't have a microphone at all: "too_old", "insecure", or "".
export const cannotCapture = () => {
  if (!window.isSecureContext) return "insecure";
  return navigator.mediaDevices && typeof AudioWorkletNode !== "undefined" ? "" : "too_old";
};

// The level of the last moment with its peak held, in dB; look() as often as it is drawn.
export class Meter {
  constructor() { Object.assign(this, { rms: LOWEST_DB, peak: LOWEST_DB, held: LOWEST_DB, heldAt: 0, at: 0 }); }

  take(rms, peak) {
    const db = (value) => Math.max(LOWEST_DB, 20 * Math.log10(value || 1e-9));
    this.rms = Math.max(db(rms), this.rms - 1.5); this.peak = db(peak);
  }

  look(now, running) {
    const seconds = (now - this.at) / 1000;
    this.at = now;
    if (!running) this.rms = this.peak = this.held = LOWEST_DB;
    if (this.peak >= this.held) { this.held = this.peak; this.heldAt = now; }
    else if (now - this.heldAt > HOLD_MS) this.held = Math.max(this.peak, this.held - FALL_DB_PER_S * seconds);
  }

  // A key of the texts `microphone.level_…`.
  word(running) { return !running ? "off" : this.held > TOO_LOUD_DB ? "loud" : this.held < -45 ? "soft" : "good"; }
}

// onChange(): look again. onState(before): a word of the server. onEnded(state). onTrouble(key, facts): of the texts `microphone.…`, ""
// when it is over. onRefused(problem): RFC 9457. onAnother(isThere): the device went away.
export class Booth {
  constructor({ worklet, socket, language, onChange, onState, onEnded, onTrouble, onRefused, onAnother }) {
    Object.assign(this, { socket, language, onChange, onState, onEnded, onTrouble, onRefused, onAnother });
    Object.assign(this, { line: null, state: null, mode: "open", pressing: false, silenced: false, starting: false, improved: true, hearing: false });
    this.meter = new Meter();
    this.capture = new Capture(worklet, {
      onFrame: (seq, bytes) => this.line?.send(seq, bytes),
      onLevel: (rms, peak) => this.meter.take(rms, peak),
      onGone: () => this.takeAnother(),
    });
  }

  get isThere() { return Boolean(this.line) && this.state?.state !== "ended"; }
  get isOnTheAir() { return WENT.includes(this.state?.state); }
  get isMuted() { return this.isOnTheAir && (this.mode === "hold" ? !this.pressing : this.pressing || this.silenced); }
  get lamp() { return this.state?.state === "on_air" && (this.state.muted || this.isMuted) ? "muted" : (this.state?.state ?? ""); }
  get isQuiet() { return this.isOnTheAir && this.state.silent_s >= this.state.silence_s - WARN_BEFORE_S; }
  // The server hears nothing though the meter here moves.
  get isUnheard() { return Boolean(this.state) && this.state.level_db <= -89 && this.capture.running && !this.isMuted && this.meter.held > -50; }

  // Whether there is a microphone now; why not, onTrouble has said.
  async start(device) {
    const never = cannotCapture();
    if (never) { this.onTrouble(never, {}); return false; }
    try {
      await this.capture.start(device, this.improved);
    } catch (error) {
      this.onTrouble(MIC_ERRORS[error.name] ?? "failed", { cause: error.message || error.name });
      return false;
    } finally {
      this.onChange();
    }
    this.hear(this.hearing);
    this.applyMute();
    return true;
  }

  // Who is on the air goes on with whatever there is.
  async takeAnother() {
    const ok = await this.start("");
    if (ok) this.onTrouble("", {});
    else if (this.isOnTheAir) this.onTrouble("gone", {});
    this.onAnother(ok);
  }

  stopCapture() { this.capture.stop(); this.onChange(); }
  hear(on) { this.hearing = on; this.capture.hear(on && !this.isOnTheAir); }
  press(on) { if (this.pressing !== on) { this.pressing = on; this.applyMute(); } }
  silence(on) { this.silenced = on; this.applyMute(); }
  setMode(mode) { this.mode = mode; this.pressing = this.silenced = false; this.applyMute(); }

  applyMute() {
    const muted = this.isMuted;
    this.capture.mute(muted);
    if (this.line && this.isOnTheAir && this.line.muted !== muted) this.line.mute(muted);
    this.onChange();
  }

  // command(): asked for only when there is a microphone.
  prepare(command, device) { return this.withMicrophone(device, () => { this.dial(); this.line.open(command(), this.capture.kind); }); }
  goOn(id, device) { return this.withMicrophone(device, () => { this.dial(); this.line.resume(id, this.capture.kind); }); }
  begin() { this.line?.begin(); }
  end() { this.line?.close(); }

  async withMicrophone(device, act) {
    if (this.starting) return false;
    this.starting = true;
    this.onTrouble("", {});
    try {
      const ok = this.capture.running || await this.start(device);
      if (ok) { act(); this.onChange(); }
      return ok;
    } finally {
      this.starting = false;
    }
  }

  dial() {
    const address = new URL(this.socket, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("lang", this.language());
    this.state = null; this.silenced = this.pressing = false;
    this.line = new Line(address.href, {
      isReady: () => this.capture.running,
      onState: (now) => this.heard(now),
      onRefused: (problem) => {
        if (problem.type === "/problems/live-over" && this.state?.order) { // it ended while the connection was away
          this.heard({ ...this.state, state: "ended", why: problem.why });
          return;
        }
        this.leave(); this.onRefused(problem);
      },
      onLost: () => {
        if (!this.state) return;
        const before = this.state;
        this.state = { ...before, state: "held", may_speak: false };
        this.onState(before); this.onChange();
      },
      onFailed: async () => {
        const wasOnTheAir = this.isOnTheAir;
        this.leave();
        const answer = await fetch("/api/v1/session").catch(() => null);
        this.onTrouble(answer?.status === 401 ? "signed_out" : wasOnTheAir ? "cut_off" : "no_server", {});
      },
    });
  }

  heard(now) {
    const before = this.state, wasOnTheAir = this.isOnTheAir;
    this.state = now;
    if (now.state === "ended") {
      this.silenced = this.pressing = false;
      this.capture.mute(false);
      this.capture.stop();
      this.line = null;
      this.onEnded(now);
      this.onChange();
      return;
    }
    if (this.isOnTheAir && !wasOnTheAir) this.hear(false);
    this.onState(before);
    this.applyMute();
  }

  leave() {
    this.line?.drop();
    this.line = null; this.state = null; this.pressing = this.silenced = false;
    this.capture.mute(false);
    this.onChange();
  }

  // The page goes: what is on the air is held by the server for a moment, and lost then.
  close() { this.leave(); this.capture.stop(); }
}

export const inputs = async () => (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "audioinput");
