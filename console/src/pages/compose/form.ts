// What is being composed, as the page and its draft keep it, and what is sent of it.

import { type Bodies, type Schemas } from "@/api/client";
import { calendarDay, hourMinute } from "@/time";

export type Body = Bodies["NewBroadcast"];
export type Source = "text" | "template" | "asset";
export const KINDS = ["routine", "notice", "emergency"] as const;
export const SEVERITIES = ["red", "orange", "yellow", "blue", "unknown"] as const;

export interface Filling {
  template: string;
  place: string;
  when: string;
  until: string;
  actions: number[];
  values: Record<string, string>;
}

export interface Form {
  kind: Body["kind"];
  severity: NonNullable<Body["severity"]>;
  headline: string;
  text: string;
  source: Source;
  asset: string; // the SHA-256 of its sound
  filling: Filling;
  areas: string[];
  groups: string[];
  minutes: number;
  repeats: number;
  later: string; // "2026-11-24T18:00" of Beijing; empty: now
}

export const blank = (): Form => ({
  kind: "notice",
  severity: "unknown",
  headline: "",
  text: "",
  source: "text",
  asset: "",
  filling: { template: "", place: "", when: "", until: "", actions: [0], values: {} },
  areas: [],
  groups: [],
  minutes: 30,
  repeats: 2,
  later: "",
});

/** A draft of before, of this version or an older one; what is missing is as in a blank one. */
export function recalled(kept: Partial<Form>): Form {
  const empty = blank();
  return { ...empty, ...kept, filling: { ...empty.filling, ...kept.filling } };
}

/** What was returned, to be written anew. */
export function anew(of: Body): Form {
  return {
    ...blank(),
    kind: of.kind,
    severity: of.severity ?? "unknown",
    headline: of.headline ?? "",
    text: of.text ?? "",
    source: of.asset && !of.text ? "asset" : "text",
    asset: of.asset ?? "",
    areas: [...(of.areas ?? [])],
    minutes: of.minutes ?? 30,
    repeats: of.repeats ?? 2,
    later: of.not_before ? `${calendarDay(of.not_before)}T${hourMinute(of.not_before)}` : "",
  };
}

export function bodyOf(form: Form, exercise: boolean): Body {
  const made: Body = {
    kind: form.kind,
    severity: form.kind === "emergency" ? form.severity : "unknown",
    headline: form.headline,
    text: form.source === "asset" ? "" : form.text,
    areas: form.areas,
    groups: form.groups,
    minutes: form.minutes,
    repeats: form.repeats,
    exercise,
  };
  if (form.source === "asset" && form.asset) made.asset = form.asset;
  if (form.later) made.not_before = new Date(`${form.later}:00+08:00`).toISOString();
  return made;
}

/** How many villages these areas hold. */
export function villagesIn(areas: readonly Schemas["AreaOut"][], chosen: readonly string[]): number {
  const set = new Set(chosen);
  const whole = areas.some((one) => one.level === "city" && set.has(one.code));
  return areas.filter((one) => one.level === "village" && (whole || set.has(one.code) || set.has(one.parent))).length;
}
