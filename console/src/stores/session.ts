// Who is signed in. When the server stops knowing us, the page stays as it is and the password is asked for on top of it.

import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";
import { api, must, onSignedOut, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";

export type Me = Schemas["OfficerOut"];

export const useSession = defineStore("session", () => {
  const me = shallowRef<Me | null>(null);
  /** Signed in before, not any more: the page waits below the question for the password. */
  const interrupted = ref(false);
  const away = shallowRef<Problem | null>(null);
  /** 演练: everything that this window starts is an exercise. */
  const exercise = ref(sessionStorage.getItem("lianbo.exercise") === "1");

  onSignedOut(() => {
    if (me.value !== null) interrupted.value = true;
  });

  /** Whether the server knows us. Asked once, before the first page; `away` says that it gave no answer. */
  async function recall(): Promise<boolean> {
    if (me.value !== null) return true;
    try {
      me.value = await must(api.GET("/api/v1/session"));
      away.value = null;
    } catch (err) {
      if (!(err instanceof Problem)) throw err;
      away.value = err.status === 401 ? null : err;
    }
    return me.value !== null;
  }

  async function signIn(name: string, password: string): Promise<void> {
    await must(api.POST("/api/v1/session", { body: { name, password } }));
    me.value = await must(api.GET("/api/v1/session"));
    interrupted.value = false;
  }

  async function signOut(): Promise<void> {
    await must(api.DELETE("/api/v1/session"));
    me.value = null;
    interrupted.value = false;
  }

  function setExercise(on: boolean): void {
    exercise.value = on;
    sessionStorage.setItem("lianbo.exercise", on ? "1" : "0");
  }

  return {
    me,
    interrupted,
    away,
    exercise,
    setExercise,
    recall,
    signIn,
    signOut,
    /** A viewer looks on. The service decides; this only spares people a button that would be refused. */
    mayAct: computed(() => me.value !== null && !["viewer", "supervisor"].includes(me.value.role)),
  };
});
