// Beijing time, 24 hours, as people read it; whatever the machine's own zone is.

const ZONE = "Asia/Shanghai";
const clock = new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const minutes = new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, year: "numeric", month: "2-digit", day: "2-digit" });

type Instant = number | string | Date;
const date = (at: Instant): Date => (at instanceof Date ? at : new Date(at));

/** 14:03:09 */
export const clockTime = (at: Instant): string => clock.format(date(at));
/** 14:03 */
export const hourMinute = (at: Instant): string => minutes.format(date(at));
/** 2026-11-23 */
export const calendarDay = (at: Instant): string => day.format(date(at));
/** 14:03:09 today, 2026-11-22 14:03:09 on any other day. */
export const when = (at: Instant, now: number): string =>
  calendarDay(at) === calendarDay(now) ? clockTime(at) : `${calendarDay(at)} ${clockTime(at)}`;

/** 0:07, 12:30, 1:02:03; never below zero. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, rest] = [Math.floor(s / 3600), s % 3600];
  return hours > 0 ? `${hours}:${two(Math.floor(rest / 60))}:${two(rest % 60)}` : `${Math.floor(rest / 60)}:${two(rest % 60)}`;
}

/** The first and last instant of Beijing's day that holds `at`, as RFC 3339. */
export function dayBounds(at: number): { from: string; until: string } {
  const from = new Date(`${calendarDay(at)}T00:00:00+08:00`);
  return { from: from.toISOString(), until: new Date(from.getTime() + 86_400_000).toISOString() };
}
