// A week of programmes in numbers: minutes of Beijing's day, columns beside each other, and what a moved block makes of its pattern.

import { has, t } from "@/i18n";
import type { Bodies, Schemas } from "@/api/client";
import { calendarDay } from "@/time";

export type Programme = Schemas["ProgrammeOut"];
export type Body = Bodies["ProgrammeIn"];
export type Slot = Schemas["SlotOut"];
export type Day = Schemas["DayGridOut"];

export const DAY_MIN = 1_440;
export const STEP_MIN = 5;
const DAY_MS = 86_400_000;

const noon = (day: string): number => Date.parse(`${day}T12:00:00+08:00`);
export const dayAfter = (day: string, days: number): string => calendarDay(noon(day) + days * DAY_MS);
/** 1 Monday … 7 Sunday */
export const weekdayOf = (day: string): number => new Date(`${day}T12:00:00Z`).getUTCDay() || 7;
export const mondayOf = (day: string): string => dayAfter(day, 1 - weekdayOf(day));

const two = (n: number): string => String(n).padStart(2, "0");
/** Minutes of the day as 06:30; 24:00 at its end. */
export const clockOf = (minutes: number): string => `${two(Math.floor(minutes / 60))}:${two(Math.floor(minutes % 60))}`;
/** The server's times of day without seconds that say nothing. */
export const short = (time: string): string => (time.length > 5 && time.endsWith(":00") ? time.slice(0, 5) : time);
/** Of an instant in Beijing's own writing, in minutes from that day's midnight; below 0 and above 1,440 on other days. */
export const minutesOn = (instant: string, day: string): number => (Date.parse(instant) - Date.parse(`${day}T00:00:00+08:00`)) / 60_000;

/** Something on a day's column. `lane` of `lanes`: what overlaps stands side by side. */
export interface Block {
  slot: Slot;
  day: string;
  from: number; // minutes, drawn within the day
  until: number;
  begins: boolean; // its beginning lies on this day
  lane: number;
  lanes: number;
}

/** @param least: so many minutes are drawn at least, that a finger can hit it */
export function blocksOf(day: Day, least: number): Block[] {
  const blocks = day.slots
    .map((slot) => {
      const begin = minutesOn(slot.begins, day.day);
      const from = Math.min(Math.max(0, begin), DAY_MIN - least);
      return { slot, day: day.day, from, until: Math.max(from + least, Math.min(DAY_MIN, minutesOn(slot.ends, day.day))), begins: begin >= 0, lane: 0, lanes: 1 };
    })
    .sort((a, b) => a.from - b.from || b.until - a.until);
  let group: Block[] = [];
  let end = -1;
  const close = (): void => {
    const lanes = Math.max(0, ...group.map((one) => one.lane)) + 1;
    for (const one of group) one.lanes = lanes;
  };
  for (const one of blocks) {
    if (one.from >= end) {
      close();
      group = [];
      end = -1;
    }
    const taken = new Set(group.filter((other) => other.until > one.from).map((other) => other.lane));
    while (taken.has(one.lane)) one.lane += 1;
    group.push(one);
    end = Math.max(end, one.until);
  }
  close();
  return blocks;
}

/** Where a programme waits for another in its slot, and why. */
export interface Wait {
  from: number;
  until: number;
  winner: string;
  cause: string;
}

export function waitsOf(day: Day, slot: Slot): Wait[] {
  return day.spans
    .filter((span) => span.begins < slot.ends && span.ends > slot.begins)
    .flatMap((span) => {
      const wait = span.waits.find((one) => one.id === slot.id);
      return wait ? [{ from: minutesOn(span.begins, day.day), until: minutesOn(span.ends, day.day), winner: span.sounds?.title ?? "", cause: wait.cause }] : [];
    });
}

/** A block where somebody wants to have it. */
export interface Target {
  day: string;
  from: number;
  length: number;
}

export const bodyOf = (one: Programme): Body => {
  const { id: _1, revision: _2, saved_at: _3, saved_by: _4, retired: _5, level: _6, place: _7, sound_ms: _8, ...rest } = one;
  const body = JSON.parse(JSON.stringify(rest)) as Body;
  body.pattern.times = body.pattern.times.map(short);
  return body;
};

const timeOf = (slot: Slot): string => short(slot.begins.slice(11, 19));
const dayOf = (slot: Slot): string => slot.begins.slice(0, 10);

/** It is on one day only. */
export function isOnce(one: Programme): boolean {
  const { first, last, weekdays, dates_in } = one.pattern;
  return first === last || ((weekdays ?? []).length === 0 && (dates_in ?? []).length === 1);
}

/** Whether moving every time of it to another day can mean anything. */
export function canMoveDay(one: Programme, slot: Slot): boolean {
  const { weekdays, rule, dates_in } = one.pattern;
  return isOnce(one) || (dates_in ?? []).includes(dayOf(slot)) || (rule === "every" && (weekdays ?? []).length < 7);
}

/** Every time of it is moved alike. */
export function movedAll(one: Programme, slot: Slot, to: Target): Body {
  const body = bodyOf(one);
  const { pattern } = body;
  const was = timeOf(slot);
  const old = dayOf(slot);
  const same = to.from === minutesOn(slot.begins, old);
  pattern.times = pattern.times.map((time) => (time === was && !same ? clockOf(to.from) : time));
  body.length_min = to.length;
  if (to.day === old) return body;
  if (pattern.first === pattern.last) {
    pattern.first = pattern.last = to.day;
    pattern.weekdays = [1, 2, 3, 4, 5, 6, 7];
    pattern.rule = "every";
    pattern.dates_in = pattern.dates_out = [];
  } else if ((pattern.dates_in ?? []).includes(old)) {
    pattern.dates_in = (pattern.dates_in ?? []).map((day) => (day === old ? to.day : day)).sort();
  } else {
    pattern.weekdays = [...new Set((pattern.weekdays ?? []).map((n) => (n === weekdayOf(old) ? weekdayOf(to.day) : n)))].sort();
  }
  return body;
}

/** The same sound on one day alone, beside the programme that is not there on that day. */
export function onceOn(one: Programme, day: string, times: string[], length = one.length_min): Body {
  const pattern = { times, first: day, last: day, weekdays: [1, 2, 3, 4, 5, 6, 7], rule: "every" as const, dates_in: [], dates_out: [] };
  return { ...bodyOf(one), pattern, length_min: length, paused: false };
}

/** Only this day: the programme leaves it out, and another of the same sound stands there. */
export function movedOnce(one: Programme, slot: Slot, to: Target): { once: Body; without: Body } {
  const old = dayOf(slot);
  const without = bodyOf(one);
  const { pattern } = without;
  const others = to.day === old ? pattern.times.filter((time) => time !== timeOf(slot)) : [];
  pattern.dates_in = (pattern.dates_in ?? []).filter((day) => day !== old);
  pattern.dates_out = [...new Set([...(pattern.dates_out ?? []), old])].sort();
  return { once: onceOn(one, to.day, [...others, clockOf(to.from)].sort(), to.length), without };
}

/** A day's kind counts by the rule of a pattern, as on the server (`calendar.MEANT`). */
const MEANT: Record<string, readonly string[]> = {
  every: ["workday", "rest-day", "holiday"],
  workdays: ["workday"],
  "rest-days": ["rest-day", "holiday"],
  holidays: ["holiday"],
  "not-holidays": ["workday", "rest-day"],
};

/** Whether it sounds on that day if the day is of that kind. */
export function soundsOn(one: Programme, day: string, kind: string): boolean {
  const { first, last, weekdays, rule, dates_in, dates_out } = one.pattern;
  if (one.paused || day < first || (last && day > last) || dates_out?.includes(day)) return false;
  return (dates_in ?? []).includes(day) || ((weekdays ?? []).includes(weekdayOf(day)) && MEANT[rule ?? "every"]!.includes(kind));
}

// ---- words ----------------------------------------------------------------------------------------------------------------------

/** A word of the server, of which a newer one may have more than we know. */
export const word = (family: string, one: string): string => (has(`words.${family}.${one}`) ? t(`words.${family}.${one}`) : one);

const joined = (days: readonly number[]): string => days.map((n) => t(`words.weekday.d${n}`)).join(t("schedule.and"));

/** When it sounds, in words: 06:30, 18:30 · Mon Wed · workdays · from … to … */
export function pattern(one: Body["pattern"]): string {
  const parts = [one.times.map(short).join(t("schedule.and"))];
  if (one.first === one.last) parts.push(one.first);
  else {
    const days = one.weekdays ?? [1, 2, 3, 4, 5, 6, 7];
    if (days.length > 0) parts.push(days.length === 7 ? t("words.plan.daily") : joined(days));
    if (one.rule && one.rule !== "every") parts.push(word("day_rule", one.rule));
    parts.push(one.last ? `${one.first} – ${one.last}` : t("schedule.fromOn", { first: one.first }));
  }
  if (one.dates_in?.length) parts.push(t("words.plan.besides", { days: one.dates_in.join(t("schedule.and")) }));
  if (one.dates_out?.length) parts.push(t("words.plan.without", { days: one.dates_out.join(t("schedule.and")) }));
  return parts.join(" · ");
}
