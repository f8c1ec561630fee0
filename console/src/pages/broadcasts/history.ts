// A broadcast as its reports tell it: who answered when, and how each village looked at an instant. Worst state of a village wins.

import { type Schemas } from "@/api/client";
import { ANSWERED, LOOKS, type Look } from "@/looks";

type Rung = Schemas["RungOut"];

const LOOK_OF: Record<string, Look> = {
  received: "received",
  scheduled: "waiting",
  sounding: "sounding",
  interrupted: "interrupted",
  finished: "done",
  refused: "refused",
  missed: "missed",
  failed: "failed",
  stopped: "stopped",
};

export interface Step {
  at: number; // epoch ms: by the speaker's account, else when the server got it
  look: Look;
}

export interface Track {
  area: string;
  place: string;
  steps: Step[];
}

/** What the server concluded of silence (not reached, no end heard) stands where it concluded it. */
const CONCLUDED: readonly string[] = ["unreached", "unfinished", "missed", "failed", "refused"];

export function tracksOf(rungs: readonly Rung[]): Track[] {
  return rungs.map((rung) => {
    const steps: Step[] = rung.reports.map((one) => ({ at: Date.parse(one.at ?? one.received), look: LOOK_OF[one.stage] ?? "unknown" }));
    steps.sort((a, b) => a.at - b.at);
    if (rung.changed && CONCLUDED.includes(rung.look) && steps.at(-1)?.look !== rung.look) steps.push({ at: Math.max(Date.parse(rung.changed), steps.at(-1)?.at ?? 0), look: rung.look as Look });
    return { area: rung.area, place: rung.place, steps };
  });
}

/** The instants between which something happened, epoch ms; never an empty span. */
export function spanOf(tracks: readonly Track[], issued: number): { from: number; until: number } {
  const last = tracks.reduce((most, track) => Math.max(most, track.steps.at(-1)?.at ?? 0), 0);
  return { from: issued, until: Math.max(issued + 10_000, last) };
}

/** Village → its look at that instant. */
export function looksAt(tracks: readonly Track[], at: number): Map<string, Look> {
  const found = new Map<string, Look>();
  for (const track of tracks) {
    const look = track.steps.findLast((step) => step.at <= at)?.look ?? "expected";
    const other = found.get(track.area);
    if (!other || LOOKS.indexOf(look) < LOOKS.indexOf(other)) found.set(track.area, look);
  }
  return found;
}

/** How many had answered, and begun to sound, at each of these instants. */
export function curve(tracks: readonly Track[], from: number, until: number, points = 60): { at: number; answered: number; sounded: number }[] {
  const answered = tracks.map((one) => one.steps.find((step) => ANSWERED.includes(step.look) || step.look === "refused")?.at ?? Infinity);
  const sounded = tracks.map((one) => one.steps.find((step) => step.look === "sounding" || step.look === "done")?.at ?? Infinity);
  const upTo = (list: number[], at: number) => list.reduce((sum, one) => sum + (one <= at ? 1 : 0), 0);
  return Array.from({ length: points + 1 }, (_, n) => {
    const at = from + ((until - from) * n) / points;
    return { at, answered: upTo(answered, at), sounded: upTo(sounded, at) };
  });
}
