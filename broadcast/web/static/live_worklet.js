// Runs in the browser's audio thread: the microphone in pieces of 20 ms at 48 kHz, each with its level. The level is that of the
// microphone also while it is muted; what is muted leaves here as zeros.
"use strict";
const RATE = 48000, FRAME = 960;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.muted = false;
    this.step = sampleRate / RATE; this.at = 0; this.past = [0, 0, 0, 0]; // only where the device has another rate
    this.clear();
    this.port.onmessage = ({ data }) => { this.muted = data.muted; };
  }

  clear() { this.frame = new Float32Array(FRAME); this.filled = 0; this.power = 0; this.peak = 0; }

  process([[channel]]) {
    if (!channel) return true; // the device is being changed
    if (this.step === 1) for (const sample of channel) this.take(sample);
    else for (const sample of channel) this.resample(sample);
    return true;
  }

  resample(sample) { // Hermite, third order: at speech its images are below -40 dB
    const past = this.past;
    past.shift(); past.push(sample);
    for (; this.at < 1; this.at += this.step) {
      const [a, b, c, d] = past, t = this.at;
      const slope = (c - a) / 2, curve = a - 2.5 * b + 2 * c - d / 2, bend = (d - a) / 2 + 1.5 * (b - c);
      this.take(((bend * t + curve) * t + slope) * t + b);
    }
    this.at -= 1;
  }

  take(sample) {
    this.power += sample * sample; this.peak = Math.max(this.peak, Math.abs(sample));
    this.frame[this.filled++] = this.muted ? 0 : sample;
    if (this.filled < FRAME) return;
    this.port.postMessage({ samples: this.frame, rms: Math.sqrt(this.power / FRAME), peak: this.peak }, [this.frame.buffer]);
    this.clear();
  }
}

registerProcessor("lianbo-microphone", Microphone);
