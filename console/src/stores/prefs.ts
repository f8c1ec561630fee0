// What an officer chose for this browser: language, theme, density, shortcuts. Nothing here is sent anywhere.

import { defineStore } from "pinia";
import { ref, watch } from "vue";
import { LANGUAGES, speak, type Language } from "@/i18n";

export type Theme = "dark" | "light" | "contrast";
export type Density = "normal" | "compact";
export const THEMES: readonly Theme[] = ["dark", "light", "contrast"];

const KEPT = "lianbo.prefs";

interface Kept {
  language?: Language;
  theme?: Theme;
  density?: Density;
  shortcuts?: boolean;
}

function kept(): Kept {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Kept;
  } catch {
    return {};
  }
}

export const usePrefs = defineStore("prefs", () => {
  const before = kept();
  const language = ref<Language>(LANGUAGES.find((one) => one === before.language) ?? "zh-CN");
  const theme = ref<Theme>(THEMES.find((one) => one === before.theme) ?? "dark");
  const density = ref<Density>(before.density === "compact" ? "compact" : "normal");
  const shortcuts = ref(before.shortcuts !== false); // WCAG 2.1.4: they can be switched off

  function show(): void {
    const root = document.documentElement;
    root.dataset["theme"] = theme.value;
    root.dataset["density"] = density.value;
    root.classList.toggle("dark", theme.value !== "light");
  }

  watch(
    [language, theme, density, shortcuts],
    () => {
      show();
      const now: Kept = { language: language.value, theme: theme.value, density: density.value, shortcuts: shortcuts.value };
      try {
        localStorage.setItem(KEPT, JSON.stringify(now));
      } catch {
        // a browser that keeps nothing forgets it, that's all
      }
    },
    { immediate: true },
  );
  watch(language, (one) => void speak(one));

  return { language, theme, density, shortcuts };
});
