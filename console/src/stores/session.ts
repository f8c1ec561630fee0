// Who is signed in and what they may do now. When the server stops knowing us, the page stays as it is and the password is asked
// for on top of it; a locked screen still shows everything and stops broadcasts.

import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";
import { api, must, onRefused, type Schemas } from "@/api/client";
import { showPasskey } from "@/api/passkeys";
import { Problem } from "@/api/problem";

export type Me = Schemas["MeOut"];
export type Verb = Schemas["Verb"];
export const STARTS = ["start_routine", "start_notice", "start_emergency", "start_life_safety", "live", "drill"] as const;

/** Whether that area lies inside this one: codes are padded with zeros, a parent's digits begin its children's. */
export const covers = (area: string, code: string): boolean => {
  const digits = area.replace(/(000)+$/, "");
  return code.startsWith(/^\d{6}$/.test(digits) || digits.length > 6 ? digits : area.slice(0, 6));
};

export const useSession = defineStore("session", () => {
  const me = shallowRef<Me | null>(null);
  /** Signed in before, not any more: the page waits below the question for the password. */
  const interrupted = ref(false);
  /** The server gave no answer when it was asked who we are. */
  const away = shallowRef<Problem | null>(null);
  /** What the shell asks for on top of the page: unlock the screen, or say again who it is. What was refused is tried again by hand. */
  const asked = ref<"unlock" | "step-up" | null>(null);
  const chosen = ref(sessionStorage.getItem("lianbo.exercise") === "1");

  onRefused((problem) => {
    if (problem.status === 401 && problem.kind === "not-signed-in" && me.value !== null) interrupted.value = true;
    if (problem.kind === "session-locked") {
      if (me.value) me.value = { ...me.value, locked: true };
      asked.value = "unlock";
    }
    if (problem.kind === "step-up-needed") asked.value = "step-up";
  });

  let asking: Promise<void> | null = null;

  async function ask(): Promise<void> {
    me.value = await must(api.GET("/api/v1/me"));
  }

  /** Whether the server knows us. Asked once, before the first page. */
  async function recall(): Promise<boolean> {
    if (me.value !== null) return true;
    asking ??= (async () => {
      try {
        await ask();
        away.value = null;
      } catch (err) {
        if (!(err instanceof Problem)) throw err;
        away.value = err.status === 401 ? null : err;
      } finally {
        asking = null;
      }
    })();
    await asking;
    return me.value !== null;
  }

  async function signIn(name: string, password: string, code: string, exercise: boolean): Promise<void> {
    await must(api.POST("/api/v1/session", { body: { name, password, code, exercise } }));
    await ask();
    interrupted.value = false;
  }

  async function signInWithPasskey(exercise: boolean): Promise<void> {
    await showPasskey(exercise);
    await ask();
    interrupted.value = false;
  }

  async function signOut(): Promise<void> {
    await must(api.DELETE("/api/v1/session"));
    me.value = null;
    interrupted.value = false;
  }

  async function lock(): Promise<void> {
    if (me.value === null || me.value.locked || me.value.machine) return;
    await must(api.POST("/api/v1/session/lock"));
    me.value = { ...me.value, locked: true };
  }

  async function unlock(how: { pin?: string; password?: string }): Promise<void> {
    await must(api.POST("/api/v1/session/unlock", { body: how }));
    await ask();
    asked.value = null;
  }

  async function stepUp(how: { password?: string; code?: string }): Promise<void> {
    await must(api.POST("/api/v1/session/step-up", { body: how }));
    await ask();
    asked.value = null;
  }

  function setExercise(on: boolean): void {
    chosen.value = on;
    sessionStorage.setItem("lianbo.exercise", on ? "1" : "0");
  }

  /** The service decides; this only spares people a button that would be refused. Without an area: anywhere. */
  function may(verb: Verb, area?: string): boolean {
    const grounds = me.value?.rights[verb] ?? [];
    return area === undefined ? grounds.length > 0 : grounds.some((ground) => covers(ground, area));
  }

  return {
    me,
    officer: computed(() => me.value?.officer ?? null),
    interrupted,
    away,
    asked,
    locked: computed(() => me.value?.locked ?? false),
    /** 演练: everything that this window starts is an exercise; a sign-in for exercises leaves no choice. */
    exercise: computed(() => chosen.value || (me.value?.exercise ?? false)),
    setExercise,
    recall,
    refresh: ask,
    signIn,
    signInWithPasskey,
    signOut,
    lock,
    unlock,
    stepUp,
    may,
    mayStart: computed(() => STARTS.some((verb) => may(verb))),
    mayStop: computed(() => may("stop")),
    mayClear: computed(() => may("all_clear")),
  };
});
