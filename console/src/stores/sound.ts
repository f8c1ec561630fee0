// Alarms that sound until somebody acknowledges them: patterns of Web Audio, no file. Sound is on unless a person switched it off
// at this machine; browsers want one gesture first, so until then it is kept back ("blocked") and the header is orange.

import { defineStore } from "pinia";
import { ref } from "vue";

export type SoundState = "on" | "off" | "blocked";
export type Rank = 1 | 2 | 3; // 1 the most urgent

/** Frequency (Hz), seconds of tone, seconds of silence; then the pause before it comes again. */
const PATTERNS: Record<Rank, { notes: [number, number, number][]; againS: number }> = {
  1: { notes: [[880, 0.18, 0.06], [660, 0.18, 0.06], [880, 0.18, 0.06], [660, 0.3, 0]], againS: 3 },
  2: { notes: [[740, 0.2, 0.1], [740, 0.2, 0]], againS: 10 },
  3: { notes: [[520, 0.25, 0]], againS: 60 },
};
const GAIN = 0.25;
const KEPT = "lianbo.sound";
const GESTURES = ["click", "keyup"] as const; // at their end: what the page does then must not move a button away under the finger

export const useSound = defineStore("sound", () => {
  const state = ref<SoundState>(localStorage.getItem(KEPT) === "off" ? "off" : "blocked");
  const ringing = ref<Rank | null>(null);
  /** The alarm that is being answered for; its dialog is the shell's. */
  const answering = ref<string | null>(null);
  let context: AudioContext | null = null;
  let timer = 0;

  function play(rank: Rank): void {
    if (context === null || context.state !== "running") return;
    let at = context.currentTime + 0.02;
    for (const [hz, toneS, silenceS] of PATTERNS[rank].notes) {
      const tone = new OscillatorNode(context, { frequency: hz, type: "square" });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setTargetAtTime(GAIN, at, 0.005);
      gain.gain.setTargetAtTime(0, at + toneS, 0.01);
      tone.connect(gain).connect(context.destination);
      tone.start(at);
      tone.stop(at + toneS + 0.1);
      at += toneS + silenceS;
    }
  }

  /** The first press of a key or button lets sound out; the switch itself is left to do what it says. */
  function listen(): void {
    const first = (event: Event): void => {
      if (state.value !== "blocked") return leave();
      if (event.target instanceof Element && event.target.closest("[data-sound-switch]")) return;
      void arm(false).then(again);
    };
    const leave = (): void => GESTURES.forEach((name) => removeEventListener(name, first, true));
    GESTURES.forEach((name) => addEventListener(name, first, true));
  }
  listen();

  /** Call it from a gesture: browsers let nothing sound before one. `aloud`: sound once, so that it is heard to work. */
  async function arm(aloud = true): Promise<void> {
    context ??= new AudioContext();
    await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 500))]);
    state.value = context.state === "running" ? "on" : "blocked";
    context.onstatechange = () => {
      if (state.value === "on" && context?.state !== "running") state.value = "blocked";
    };
    if (aloud) play(2);
  }

  async function toggle(): Promise<void> {
    if (state.value === "on") state.value = "off";
    else await arm();
    if (state.value !== "blocked") localStorage.setItem(KEPT, state.value);
    again();
  }

  /** The three ranks one after the other, for the self-test at the beginning of a shift. */
  async function selfTest(): Promise<void> {
    if (state.value !== "on") await arm(false);
    for (const rank of [3, 2, 1] as const) {
      play(rank);
      await new Promise((done) => setTimeout(done, 1_100));
    }
  }

  function again(): void {
    clearTimeout(timer);
    const rank = ringing.value;
    if (rank === null) return;
    if (state.value === "on") play(rank);
    timer = window.setTimeout(again, PATTERNS[rank].againS * 1000);
  }

  /** Sound until silenced; null silences. A change of rank sounds at once. */
  function ring(rank: Rank | null): void {
    if (ringing.value === rank) return;
    ringing.value = rank;
    again();
  }

  return { state, ringing, answering, arm, toggle, ring, test: play, selfTest, answer: (id: string) => (answering.value = id) };
});
