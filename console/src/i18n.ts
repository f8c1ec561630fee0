// Texts: one pair of files a subject in ./texts, `<subject>.zh-CN.json` and `<subject>.en.json`; a key is `<subject>.<name>`.
// Only the chosen language is loaded. A test (tests/web/console/test_texts.py) keeps both complete.

import { createI18n, type Composer } from "vue-i18n";
import type { Language as ElementLanguage } from "element-plus/es/locale/index.mjs";
import { shallowRef } from "vue";

export type Language = "zh-CN" | "en";
export const LANGUAGES: readonly Language[] = ["zh-CN", "en"];

export interface Texts {
  messages: Record<string, unknown>;
  element: ElementLanguage;
}

export const i18n = createI18n({
  legacy: false,
  locale: "zh-CN",
  missingWarn: import.meta.env.DEV,
  fallbackWarn: false,
});
const composer = i18n.global as unknown as Composer<Record<string, unknown>>;

/** What Element Plus says itself, in the chosen language. */
export const elementTexts = shallowRef<ElementLanguage>();

const load: Record<Language, () => Promise<Texts>> = {
  "zh-CN": async () => (await import("./texts/zh-CN")).default,
  en: async () => (await import("./texts/en")).default,
};

export async function speak(language: Language): Promise<void> {
  const { messages, element } = await load[language]();
  composer.setLocaleMessage(language, messages as never);
  composer.locale.value = language;
  elementTexts.value = element;
  document.documentElement.lang = language;
}

/** A text outside of a component. */
export const t = (key: string, facts: Record<string, unknown> = {}): string => composer.t(key, facts);

/** Whether there is such a text: for words that the server makes, of which a newer one may have more. */
export const has = (key: string): boolean => composer.te(key, composer.locale.value);

export const language = (): Language => composer.locale.value as Language;
